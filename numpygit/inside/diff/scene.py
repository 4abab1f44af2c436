"""What an operation of `diff` can look up: our tensors, some of them computed anew, and the model.

`At` is one tensor's place in a run. Operations and mistakes are functions of it.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from typing import NamedTuple

import numpy as np

from ...model.config import Config
from ...model.params import Array, Block, Git

RUN = re.compile(r"image\.|word\.\d+\.")


class Scene(NamedTuple):
    """All that there is to look at. What is missing raises KeyError."""

    ours: Mapping[str, Array]
    params: Git | None = None
    config: Config | None = None


class Tensors:
    """Our tensors, those in `changed` computed by another operation, those in `anew` again.

    `right` finds the operation that computes a tensor as it should be.
    """

    def __init__(
        self,
        scene: Scene,
        changed: Mapping[str, Operation],
        anew: frozenset[str],
        right: Callable[[str], Operation],
    ) -> None:
        self.scene, self.changed, self.anew, self.right = scene, changed, anew, right
        self.made: dict[str, Array] = {}
        self.asked: set[str] = set()  # every name that was looked up

    def __getitem__(self, name: str) -> Array:
        self.asked.add(name)
        if name in self.made:
            return self.made[name]
        if name not in self.anew and name not in self.changed:
            return self.scene.ours[name]
        operation = self.changed.get(name) or self.right(name)
        self.made[name] = value = operation(At(self, name))
        return value


class At(NamedTuple):
    """One tensor's place in a run: what an operation can look up from there."""

    tensors: Tensors
    name: str

    @property
    def run(self) -> str:
        """The part of a cached run that it belongs to, "" without a cache."""
        found = RUN.match(self.name)
        return found[0] if found else ""

    @property
    def tower(self) -> str:
        """The tower: vision or text."""
        return self.name.removeprefix(self.run).split(".")[0]

    @property
    def layer(self) -> int:
        """The number of its layer."""
        return int(self.name.removeprefix(self.run).split(".")[1])

    @property
    def last(self) -> str:
        """The last part of the name: q, scores, x, ..."""
        return self.name.rpartition(".")[2]

    def get(self, name: str) -> Array:
        """Look up a tensor of the same part of the run, or one that has no part."""
        own = self.run + name
        ours = self.tensors.scene.ours
        is_own = own in ours or own in self.tensors.changed or own in self.tensors.anew
        return self.tensors[own if is_own else name]

    def traced(self, name: str) -> Array:
        """Look up what was traced, whatever is computed anew."""
        return self.tensors.scene.ours[self.run + name]

    def near(self, last: str) -> Array:
        """Look up a tensor of the same layer."""
        return self.get(f"{self.tower}.{self.layer}.{last}")

    def stream(self) -> Array:
        """Look up the residual stream that goes into the layer."""
        if self.layer:
            return self.get(f"{self.tower}.{self.layer - 1}.x")
        if self.run == "image.":  # with a cache the two parts of the sequence come apart
            return self.tensors["memory"]
        return self.get("words" if self.run else f"{self.tower}.x")

    def model(self) -> tuple[Git, Config]:
        """Get the parameters and the config, if they are there."""
        scene = self.tensors.scene
        if scene.params is None or scene.config is None:
            raise KeyError("no parameters")
        return scene.params, scene.config

    def blocks(self) -> tuple[Block, ...]:
        """Get the parameters of all layers of the tower."""
        params, _ = self.model()
        return params.vision.blocks if self.tower == "vision" else params.text.blocks

    def block(self) -> Block:
        """Get the parameters of the layer."""
        blocks = self.blocks()
        if self.layer >= len(blocks):
            raise KeyError("theirs has more layers than ours")
        return blocks[self.layer]

    def eps(self) -> float:
        """Get the epsilon of the tower's layers."""
        _, config = self.model()
        return (config.vision_config if self.tower == "vision" else config).layer_norm_eps

    def heads(self) -> int:
        """Count the heads of the tower."""
        _, config = self.model()
        return (config.vision_config if self.tower == "vision" else config).num_attention_heads

    def input(self) -> Array:
        """Look up what queries, keys and values are made of."""
        return self.near("attention_input") if self.tower == "vision" else self.stream()

    def keys(self, which: str = "k") -> Array:
        """Look up all keys or values that are looked at: the image's, of words before, its own."""
        if not self.run.startswith("word."):
            return self.near(which)
        inside = f"text.{self.layer}.{which}"
        now = int(self.run.split(".")[1])
        before = [self.tensors[f"word.{i}.{inside}"] for i in range(now)]
        parts = [self.tensors[f"image.{inside}"], *before, self.near(which)]
        return np.concatenate(parts, axis=2)

    def mask(self) -> Array | None:
        """Look up the mask, where there is one."""
        if self.tower == "vision" or self.run == "image.":
            return None
        mask = self.get("text.mask")
        T, S = self.near("q").shape[2], self.keys().shape[2]
        return mask[..., -T:, -S:]  # where a mistake has dropped image tokens


Operation = Callable[[At], Array]

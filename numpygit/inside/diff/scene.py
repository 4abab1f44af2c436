"""What is known where two runs first differ: the inputs, parameters and both results."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import NamedTuple

from ...loading.config import GitConfig
from ...model.params import Array, Block, Git

Mistakes = Iterator[tuple[str, Array]]


class Scene(NamedTuple):
    """The tensor in question, and all there is to look at. Missing things raise KeyError."""

    name: str
    ours: Mapping[str, Array]
    theirs: Mapping[str, Array]
    params: Git | None
    config: GitConfig | None

    @property
    def tower(self) -> str:
        """The tower whose layer it is in."""
        return self.name.split(".")[0]

    @property
    def layer(self) -> int:
        """The number of that layer."""
        return int(self.name.split(".")[1])

    def near(self, name: str) -> Array:
        """Look up a tensor of ours in the same layer."""
        return self.ours[f"{self.tower}.{self.layer}.{name}"]

    def stream(self) -> Array:
        """Look up the residual stream that goes into the layer."""
        before = "x" if self.layer == 0 else f"{self.layer - 1}.x"
        return self.ours[f"{self.tower}.{before}"]

    def model(self) -> tuple[Git, GitConfig]:
        """Get the parameters and the config, if they are there."""
        if self.params is None or self.config is None:
            raise KeyError("no parameters")
        return self.params, self.config

    def blocks(self) -> dict[str, Block]:
        """Name the parameters of all layers of the tower, those of this layer first."""
        params, _ = self.model()
        blocks = params.vision.blocks if self.tower == "vision" else params.text.blocks
        others = {f"layer {i}": block for i, block in enumerate(blocks) if i != self.layer}
        return {"this layer": blocks[self.layer], **others}

    def eps(self) -> float:
        """Look up the epsilon of the tower."""
        _, config = self.model()
        return (config.vision_config if self.tower == "vision" else config).layer_norm_eps

    def heads(self) -> int:
        """Count the heads of the tower."""
        return self.near("q").shape[1]

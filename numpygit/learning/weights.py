"""The arrays that a training moves, and the model that they make up."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np

from ..loading.config import GitConfig
from ..model.params import Array, Git, named_arrays
from .lora import Lora, merged, random_lora
from .parameters import astype, check_kind, is_block_matrix, is_trained


@dataclass
class Weights:
    """A model in training. `names` and `arrays` go together; moving an array moves the model."""

    params: Git
    names: list[str]
    arrays: list[Array]
    lora: Lora | None = None
    base: Git | None = None  # what LoRA adds to

    def gradients(self, found: Sequence[Array]) -> list[Array]:
        """Pick the gradients of `arrays` out of those of all parameters, as `named` lists them."""
        by_name = {name: g for (name, _), g in zip(named_arrays(self.params), found, strict=True)}
        text = self.params.text
        if text.head.weight is text.word_embedding and "text.word_embedding" in self.names:
            both = by_name["text.word_embedding"] + by_name["text.head.weight"]
            by_name["text.word_embedding"] = both
        return [by_name[name] for name in self.names]

    def refresh(self) -> None:
        """Make the model anew after the arrays have moved; only LoRA needs it."""
        if self.lora is not None and self.base is not None:
            self.params = merged(self.base, self.lora)

    def muon_moves(self) -> list[int]:
        """List the arrays that Muon may move: the matrices of the blocks."""
        if self.lora is not None:
            return []
        return [i for i, name in enumerate(self.names) if is_block_matrix(name)]


def weights_of(
    config: GitConfig, params: Git, what: str, *, clips: bool, seed: int, dtype: type = np.float32
) -> Weights:
    """Copy what is to be trained, and find its arrays.

    Without clips in the data no gradient reaches the temporal embeddings, and they stay. Of tied
    embeddings there is one array; with kinds that train the head alone, the tie is cut.
    """
    check_kind(what, params)
    if what.startswith("lora"):
        rank = int(what.partition(":")[2])
        lora = random_lora(params, rank=rank, alpha=2.0 * rank, seed=seed)
        arrays = [array for part in lora.parts for array in (part.a, part.b)]
        starts = [part.name.removesuffix("weight") for part in lora.parts]
        names = [start + kind for start in starts for kind in ("a", "b")]
        return Weights(merged(params, lora), names, arrays, lora, params)
    vision = params.vision if what != "all" else astype(params.vision, dtype)
    params = Git(vision, astype(params.text, dtype))
    tied = config.tie_word_embeddings and what in ("all", "text")
    if tied:
        head = replace(params.text.head, weight=params.text.word_embedding)
        params = replace(params, text=replace(params.text, head=head))
    moved = [
        (name, array)
        for name, array in named_arrays(params)
        if is_trained(name, what, layers=len(params.text.blocks))
        and not (tied and name == "text.head.weight")
        and not (name == "vision.temporal_embedding" and not (clips and array.size))
    ]
    return Weights(params, [name for name, _ in moved], [array for _, array in moved])

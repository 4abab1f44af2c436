"""A cache on disk of what frozen layers compute: image tokens, or states of lower layers.

With the vision encoder frozen, its tokens of a picture never change; with the lower text layers
frozen too, neither do the states that go into the lowest trained one. Of a picture of git-base
that is 0.6 MB. What was made is told apart by what made it, so a second run finds it again.
"""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from pathlib import Path
from typing import NamedTuple

import numpy as np

from ...huggingface.processing.vocabulary import Vocabulary
from ...loading.config import GitConfig
from ...loading.write_whole import write_whole
from ...model import text, vision
from ...model.params import Array, Git, named_arrays
from ...trace import Recorder
from ..fast.text import Batch
from ..parameters import lowest_block
from .examples import Example, Text, words_in


class Kept(NamedTuple):
    """Where what frozen parts make is kept, and what makes it."""

    folder: Path
    params: Git
    config: GitConfig
    what: str

    @property
    def in_states(self) -> bool:
        """Whether states of text layers are kept, and not image tokens."""
        return self.what.startswith("last") or self.what == "head"


def kept_in(
    folder: Path, params: Git, config: GitConfig, what: str, examples: Sequence[Example]
) -> Kept:
    """Choose a folder by the frozen parameters, the kind of training and the data."""
    in_states = what.startswith("last") or what == "head"
    digest = hashlib.sha256((what if in_states else "tokens").encode())
    for name, array in named_arrays(params):
        if in_states or name.startswith("vision."):
            digest.update(name.encode() + np.ascontiguousarray(array).tobytes())
    for example in examples:
        digest.update(repr((example.row.key, example.texts if in_states else ())).encode())
    return Kept(folder / digest.hexdigest()[:12], params, config, what)


def make(
    kept: Kept, number: int, pixels: Array, target: Text, vocabulary: Vocabulary, *, which: int
) -> Array:
    """Find what is kept of an example, or make and keep it: tokens (M, D) or states (S, D)."""
    path = kept.folder / (f"{number}-{which}.npy" if kept.in_states else f"{number}.npy")
    if path.is_file():
        found: Array = np.load(path)
        return found
    made = (
        states_of(kept, pixels, target, vocabulary) if kept.in_states else tokens_of(kept, pixels)
    )
    kept.folder.mkdir(parents=True, exist_ok=True)

    def write(to: Path) -> None:
        with to.open("wb") as file:
            np.save(file, made)

    write_whole(path, write)
    return made


def tokens_of(kept: Kept, pixels: Array) -> Array:
    """Image tokens of one picture: (M, vision D)."""
    found: Array = vision.image_tokens(
        pixels[None], kept.params.vision, config=kept.config.vision_config
    )[0]
    return found


def states_of(kept: Kept, pixels: Array, target: Text, vocabulary: Vocabulary) -> Array:
    """States that go into the lowest trained layer: (M + T, D), for the head of the words alone."""
    p, config = kept.params.text, kept.config
    eps = config.vision_config.layer_norm_eps
    memory = text.project(tokens_of(kept, pixels)[None], p, eps=eps)
    lowest = lowest_block(kept.what, len(p.blocks))
    name = f"text.{lowest - 1}.x" if lowest else "text.x"
    recorder = Recorder(name)
    ids = words_in([target], vocabulary)["ids"]
    text.forward(memory, ids, p, config=config, keep=1, trace=recorder)
    states: Array = recorder.tensors[name][0]
    return states[-ids.shape[1] :] if kept.what == "head" else states


def batch_of_kept(
    kept: Kept, arrays: Sequence[Array], texts: Sequence[Text], vocabulary: Vocabulary
) -> list[Batch]:
    """Make batches of what is kept, one for each number of image tokens."""
    lengths = [1 + len(one.prompt) + len(one.target) if kept.in_states else 0 for one in texts]
    images = [len(array) - length for array, length in zip(arrays, lengths, strict=True)]
    batches = []
    for M in sorted(set(images)):
        group = [i for i, image in enumerate(images) if image == M]
        laid = words_in([texts[i] for i in group], vocabulary)
        if not kept.in_states:
            batches.append(Batch(**laid, tokens=np.stack([arrays[i] for i in group])))
            continue
        B, T = laid["ids"].shape
        states = np.zeros((B, M + T, arrays[group[0]].shape[1]), np.float32)
        for b, i in enumerate(group):
            states[b, : len(arrays[i])] = arrays[i]
        batches.append(Batch(**laid, states=states))
    return batches

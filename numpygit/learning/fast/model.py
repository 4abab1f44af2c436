"""Twin of `backward/model.py`: loss and gradients of a batch, in pieces side by side."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from itertools import pairwise
from typing import Any, NamedTuple

from ...fast.threads import blas_threads
from ...huggingface.loss import IGNORED
from ...loading.config import GitConfig
from ...model.params import Array, Block, Git, Linear, Text, named_arrays
from ..parameters import lowest_block
from .layers import last_rows, merge, nothing
from .text import (
    Batch,
    allowed_of,
    begin,
    begin_backward,
    block,
    block_backward,
    head_backward,
)
from .vision import vision_tower, vision_tower_backward


class Merged(NamedTuple):
    """The merged projections of all layers, made once a step."""

    vision: tuple[Linear, ...]
    text: tuple[Linear, ...]


def merge_all(params: Git) -> Merged:
    """Merge query, key and value of every layer."""
    towers = (params.vision.blocks, params.text.blocks)
    return Merged(*(tuple(merge(block.attention) for block in blocks) for blocks in towers))


def loss_and_gradients(
    params: Git,
    config: GitConfig,
    batch: Batch,
    *,
    count: int,
    what: str = "all",
    smoothing: float = 0.0,
    merged: Merged | None = None,
) -> tuple[float, Git]:
    """Twin of `backward.model.loss_and_gradients`, of a batch or a piece of one.

    count: the labels of the whole batch, by which sums are divided, so that the losses and
    gradients of pieces add up. what: which parameters are trained (`parameters.KINDS`); the
    others' gradients are zeros, and nothing is computed for them alone.
    """
    p, merged = params.text, merged or merge_all(params)
    x, tokens_saved, begin_saved = first_states(params, config, batch, merged)
    B, S, D = x.shape
    lowest = lowest_block(what, len(p.blocks))
    x, saved = text_layers(x, batch, p, merged.text, config=config, lowest=lowest)
    loss, dx, dhead = head_backward(x, batch, p, count=count, smoothing=smoothing)
    dx, dblocks = text_layers_backward(dx, saved, p, merged.text, config=config, what=what, batch=B)
    if what not in ("all", "text"):
        none = nothing(params)
        return loss, Git(none.vision, replace(none.text, blocks=dblocks, head=dhead))
    dtokens, fields = begin_backward(dx.reshape(B, S, D), batch, begin_saved, p)
    dtext = replace(p, blocks=dblocks, head=dhead, **fields)
    if what == "text" or batch.pixels is None:
        return loss, Git(nothing(params.vision), dtext)
    dvision = vision_tower_backward(
        dtokens.reshape(B, -1, dtokens.shape[1]),
        tokens_saved,
        params.vision,
        merged.vision,
        config=config.vision_config,
        frames=batch.pixels.shape[1] if batch.pixels.ndim == 5 else 0,
    )
    return loss, Git(dvision, dtext)


def text_layers(
    x: Array, batch: Batch, p: Text, qkv: Sequence[Linear], *, config: GitConfig, lowest: int
) -> tuple[Array, list[Any]]:
    """Run the text layers: (B, S, D) -> (B * T, D) of the words, and what trained ones keep.

    Kept states went through the layers below `lowest` already.
    """
    B, S, D = x.shape
    T, layers = batch.ids.shape[1], len(p.blocks)
    allowed = allowed_of(batch.text, S - T, x.dtype)
    x = x.reshape(B * S, D)
    saved = []
    for i in range(0 if batch.states is None else lowest, layers):
        rows = T if i == layers - 1 else None
        x, kept = block(x, p.blocks[i], qkv[i], config=config, batch=B, allowed=allowed, rows=rows)
        if i >= lowest:
            saved.append(kept)
    return x if len(x) == B * T else last_rows(x, B, T), saved


def text_layers_backward(
    dx: Array,
    saved: list[Any],
    p: Text,
    qkv: Sequence[Linear],
    *,
    config: GitConfig,
    what: str,
    batch: int,
) -> tuple[Array, tuple[Block, ...]]:
    """Gradients of the trained layers, the last first; the others' are zeros."""
    layers = len(p.blocks)
    lowest = lowest_block(what, layers)
    dblocks: list[Block] = [nothing(block) for block in p.blocks[:lowest]]
    for i in reversed(range(lowest, layers)):
        dx, dblock = block_backward(
            dx,
            saved.pop(),
            p.blocks[i],
            qkv[i],
            heads=config.num_attention_heads,
            batch=batch,
            wanted="lora" if what.startswith("lora") else "all",
        )
        dblocks.insert(lowest, dblock)
    return dx, tuple(dblocks)


def first_states(
    params: Git, config: GitConfig, batch: Batch, merged: Merged
) -> tuple[Array, list[Any], tuple[Any, ...]]:
    """What goes into the text layers, (B, S, D), from what is given, and what to keep."""
    if batch.states is not None:
        return batch.states, [], ()
    tokens = batch.tokens
    saved: list[Any] = []
    if tokens is None:
        assert batch.pixels is not None
        tokens, saved = vision_tower(
            batch.pixels, params.vision, merged.vision, config=config.vision_config
        )
    x, kept = begin(tokens, batch, params.text, config=config)
    return x, saved, kept


def labels_in(batches: Sequence[Batch]) -> int:
    """Count what is to be learnt."""
    return sum(int((batch.targets != IGNORED).sum()) for batch in batches)


def cut(batch: Batch, pieces: int) -> list[Batch]:
    """Cut a batch into nearly equal pieces, at most one a picture."""
    B = len(batch.ids)
    pieces = min(pieces, B)
    ends = [B * i // pieces for i in range(pieces + 1)]
    return [
        Batch(*(None if array is None else array[a:b] for array in batch))  # type: ignore[arg-type]
        for a, b in pairwise(ends)
    ]


def side_by_side(
    params: Git,
    config: GitConfig,
    batches: Sequence[Batch],
    *,
    pieces: int,
    threads: int,
    what: str = "all",
    smoothing: float = 0.0,
) -> tuple[float, list[Array]]:
    """Loss and gradients of whole batches, in pieces, one thread each; -> in the order of `named`.

    The pieces are added up in their order, so the result does not depend on the threads.
    """
    count = labels_in(batches)
    merged = merge_all(params)
    work = [piece for batch in batches for piece in cut(batch, pieces)]

    def learn(piece: Batch) -> tuple[float, list[Array]]:
        loss, gradients = loss_and_gradients(
            params, config, piece, count=count, what=what, smoothing=smoothing, merged=merged
        )
        return loss, [array for _, array in named_arrays(gradients)]

    if threads == 1 or len(work) == 1:
        with blas_threads(threads):
            return added(map(learn, work))
    with blas_threads(1), ThreadPoolExecutor(threads) as pool:
        return added(pool.map(learn, work))


def added(found: Iterable[tuple[float, list[Array]]]) -> tuple[float, list[Array]]:
    """Add up losses and gradients, one after the other."""
    total, sums = 0.0, None
    for loss, gradients in found:
        total += loss
        if sums is None:
            sums = gradients
            continue
        for whole, part in zip(sums, gradients, strict=True):
            if part.strides and any(part.strides):  # zeros without memory need no adding
                whole += part
    assert sums is not None
    return total, sums

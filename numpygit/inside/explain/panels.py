"""What the page shows of each word: attention, rivals, the lens, one weight by hand, the mask."""

from __future__ import annotations

import math
from typing import Any

import numpy as np

from ...decoding.logits import log_softmax
from ...model.layers import linear
from ...model.params import Array
from .pack import Packed, exact, floats, shares
from .traced_run import Run

TEMPERATURES = [round(0.1 * step, 1) for step in range(1, 21)]
RIVALS = 10


def all_words(run: Run) -> list[dict[str, Any]]:
    """List the words that were said, in order, each with its panels' numbers."""
    return [word(run, number) for number in range(len(run.token_ids))]


def word(run: Run, number: int) -> dict[str, Any]:
    """Gather what one word's choice was made from."""
    return {
        "token": run.token(run.token_ids[number]),
        "is_end": run.finished and number == len(run.token_ids) - 1,
        **rivals(run, number),
        "lens": lens(run, number),
        "by_hand": by_hand(run, number),
        "mask": allowed(run, number),
    }


def scored(run: Run, logits: Array) -> Array:
    """Leave the placeholders of the vocabulary out, as the choice does: (V,) -> (V,) float32."""
    kept = logits.copy()
    kept[run.captioner.processor.vocabulary.unused()] = -np.inf
    return kept


def rivals(run: Run, number: int) -> dict[str, Any]:
    """List the likeliest words with their scores, and the softmax sums at some temperatures."""
    logits = scored(run, run.tensors[f"word.{number}.logits"][0, -1])
    best = np.argsort(-logits, kind="stable")[:RIVALS]
    wide = logits.astype(np.float64)
    highest = wide.max()
    sums = [float(highest / t + np.log(np.exp((wide - highest) / t).sum())) for t in TEMPERATURES]
    chosen = run.token_ids[number]
    return {
        "rivals": [{"token": run.token(int(i)), "logit": exact(logits[i])} for i in best],
        "log_sums": sums,  # log of the sum of exp(logit / t), for each temperature
        "log_probability": float(log_softmax(logits.astype(np.float64))[chosen]),
    }


def lens(run: Run, number: int) -> list[dict[str, Any]]:
    """Ask the output head after every layer what it would say by now.

    Source: the "logit lens", nostalgebraist 2020. Only the last layer was trained to be asked.
    """
    names = ["words", *(f"text.{layer}.x" for layer in range(run.layers))]
    rows = []
    for name in names:
        x = run.tensors[f"word.{number}.{name}"][:, -1:]
        logits = scored(run, linear(x, run.captioner.model.params.text.head)[0, -1])
        chances = log_softmax(logits.astype(np.float64))
        best = np.argsort(-logits, kind="stable")[:3]
        rows.append(
            {
                "name": name,
                "best": [[run.token(int(i)), float(np.exp(chances[i]))] for i in best],
                "chosen": float(np.exp(chances[run.token_ids[number]])),
            }
        )
    return rows


def weights_of(run: Run, number: int) -> Array:
    """Stack what the last token of a step looks at: -> (L, N, S)."""
    names = [f"word.{number}.text.{layer}.weights" for layer in range(run.layers)]
    return np.stack([run.tensors[name][0, :, -1] for name in names])


def attention(run: Run, *, most: int) -> dict[str, Any]:
    """Pack where every word looked: means of heads, and heads, of as many layers as fit.

    `most` weights fit; where none do, the page has means only.
    Every row is filled with zeros up to the longest: to (L, words, S) and (L, N, words, S).
    """
    longest = weights_of(run, len(run.token_ids) - 1).shape[-1]
    rows = []
    for number in range(len(run.token_ids)):
        weights = weights_of(run, number)
        rows.append(np.pad(weights, ((0, 0), (0, 0), (0, longest - weights.shape[-1]))))
    heads = np.stack(rows, axis=2)  # (L, N, words, S)
    fit = most // heads[0].size
    first = max(0, run.layers - fit)
    return {
        "means": looks(run, heads.mean(axis=1)),
        "all_layers": looks(run, heads.mean(axis=(0, 1))),
        "heads": looks(run, heads[first:]) if fit else None,
        "first_layer_with_heads": first if fit else run.layers,
        "head_count": heads.shape[1],
    }


def looks(run: Run, weights: Array) -> Packed:
    """Pack where tokens looked, (..., S), and unrounded what they give to each kind of token.

    Bytes are too coarse to be summed: a sum of 64 of them can be off by 5 %.
    """
    frames, squares = len(run.tensors["vision.x"]), run.grid[0] * run.grid[1]
    image = weights[..., : run.memory].reshape(*weights.shape[:-1], frames, squares + 1)
    words = weights[..., run.memory :].sum(axis=-1, keepdims=True)
    parts = [image[..., 1:].sum(axis=-1), image[..., 0], words]
    return {**shares(weights), "parts": floats(np.concatenate(parts, axis=-1))}


def by_hand(run: Run, number: int) -> dict[str, Any]:
    """Take one look at a patch, a weight near a quarter, and all numbers that lead to it."""
    weights = weights_of(run, number)[:, :, : run.memory]  # (L, N, M)
    patches = weights.copy()
    rows, columns = run.grid
    patches[:, :, :: rows * columns + 1] = 0  # class tokens are no place in the picture
    patches[patches == weights.max(axis=-1, keepdims=True)] = 0  # its power would be just 1
    found = np.abs(patches - 0.25).argmin()
    layer, head, token = (int(i) for i in np.unravel_index(found, patches.shape))
    name = f"word.{number}.text.{layer}"
    q = run.tensors[f"{name}.q"][0, head, -1]
    k = run.tensors[f"image.text.{layer}.k"][0, head, token]
    scores = run.tensors[f"{name}.scores"][0, head, -1]
    return {
        "layer": layer,
        "head": head,
        "token": token,
        "q": exact(q),
        "k": exact(k),
        "product": math.fsum(float(a) * float(b) for a, b in zip(q, k, strict=True)),
        "scores": exact(scores),
        "weight": exact(run.tensors[f"{name}.weights"][0, head, -1, token]),
    }


def allowed(run: Run, number: int) -> list[str]:
    """Say for each token that was read in this step what it may look at, as 1 and 0: words only."""
    mask = run.tensors[f"word.{number}.text.mask"][0, 0]  # (T, S)
    return ["".join("1" if open_ == 0 else "0" for open_ in row[run.memory :]) for row in mask]


def cache(run: Run) -> dict[str, Any]:
    """Count what is remembered: image tokens, and words before each step."""
    blocks = run.captioner.model.params.text.blocks
    N, A = run.tensors["image.text.0.k"].shape[1], run.tensors["image.text.0.k"].shape[3]
    now = [run.tensors[f"word.{n}.text.0.k"].shape[2] for n in range(len(run.token_ids))]
    return {
        "image": run.memory,
        "now": now,
        "bytes_of_a_token": len(blocks) * 2 * N * A * 4,
        "layers": len(blocks),
        "heads": N,
        "width": A,
    }


def vision(run: Run, *, most: int) -> dict[str, Any]:
    """Pack where every patch looks, in as many layers as fit, and how long its vectors are.

    Where `most` has no room for a single layer, the last one is packed, more coarsely.
    """
    depth = len(run.captioner.model.params.vision.blocks)
    one = run.tensors["vision.0.weights.mean"].size
    fit = max(1, min(depth, most // one))
    layers = sorted({round(i) for i in np.linspace(depth - 1, 0, fit)})
    weights = np.stack([run.tensors[f"vision.{layer}.weights.mean"] for layer in layers])
    names = ["vision.x", *(f"vision.{layer}.x" for layer in range(depth)), "vision.image_tokens"]
    norms = np.stack([np.linalg.norm(run.tensors[name], axis=-1) for name in names])
    packed: Packed = shares(weights, levels=255 if one <= most else 15)
    return {"layers": layers, "weights": packed, "names": names, "norms": shares(norms)}


def asked(run: Run) -> Packed | None:
    """Pack where each word of a question looked, mean of all layers and heads: (T, S)."""
    if len(run.prompt) < 2:
        return None
    names = [f"word.0.text.{layer}.weights" for layer in range(run.layers)]
    return looks(run, np.mean([run.tensors[name][0] for name in names], axis=(0, 1)))

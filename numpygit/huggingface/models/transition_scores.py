"""The score of each generated word, looked up in the scores of all words."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from ...decoding.logits import log_softmax
from ...errors import UserError, expect
from ...model.params import Array
from ..arguments import whole_numbers


def compute_transition_scores(
    model: object,
    sequences: Array,
    scores: Sequence[Array],
    beam_indices: Array | None = None,
    normalize_logits: bool = False,
) -> Array:
    """Look up the score of each new word: (R, new words); 0 after the end of a beam's text.

    sequences (R, T), scores, T steps of (rows, V), and beam_indices as `generate` returns them with
    return_dict_in_generate and output_scores. `normalize_logits` makes scores log-probabilities. A
    method of GitForCausalLM. Source: transformers 4.37.2, `generation/utils.py`.
    """
    if isinstance(scores, list | tuple) and not scores:
        raise UserError("scores is empty: call generate with output_scores and "
                        "return_dict_in_generate")  # fmt: skip
    expect("scores", scores, (list, tuple), "what generate returned as scores")
    ids = whole_numbers("sequences", sequences, axes=2)
    if any(np.ndim(step) != 2 for step in scores):
        raise UserError("scores must be arrays (rows, V), a word each, as generate returns them")
    if beam_indices is None:
        rows = np.arange(len(scores[0]))[:, None].repeat(len(scores), axis=1)  # (R, steps)
    else:
        rows = whole_numbers("beam_indices", beam_indices, axes=2)
    has_word = rows >= 0
    length = int(has_word.sum(axis=1).max())
    rows, has_word = rows[:, :length], has_word[:, :length]
    if ids.shape[1] < length:
        raise UserError(f"sequences of {ids.shape[1]} words have no {length} scores")
    new = ids[:, ids.shape[1] - length :]
    found = np.zeros(rows.shape, np.float32)
    for step in range(length):
        of_step = np.asarray(scores[step], np.float32)
        if normalize_logits:
            of_step = log_softmax(of_step)
        found[:, step] = of_step[rows[:, step], new[:, step]]
    return np.where(has_word, found, np.float32(0))

"""The cross-entropy of the next tokens: logits and labels -> loss.

Source: transformers 4.37.2 `modeling_git.py`, GitForCausalLM.forward; for smoothing, the authors'
SmoothLabelCrossEntropyLoss (microsoft/GenerativeImage2Text, `layers/decoder.py`).
"""

from __future__ import annotations

import math

import numpy as np

from ..decoding.logits import log_softmax
from ..errors import UserError
from ..model.params import Array

IGNORED = -100  # a label that says: this word teaches nothing


def next_word_loss(logits: Array, labels: Array, *, smoothing: float = 0.0) -> np.float32:
    """Compare the logits at every word with the label of the word after it.

    logits (B, T, V) of the words alone, labels (B, T) -> the mean over all labels that are not
    -100. This is the one place where labels are shifted: labels are usually the input ids.
    Raises UserError when the labels do not fit, or nothing is left to learn from.
    """
    B, T, V = logits.shape
    check_labels(labels, logits)
    before = logits[:, :-1].reshape(B * (T - 1), V)
    after = labels[:, 1:].reshape(B * (T - 1))
    used = after != IGNORED
    if not used.any():
        raise UserError(
            "there is no label to learn from: the first word has none before it, and all others "
            f"are {IGNORED}"
        )
    return cross_entropy(before[used], after[used], smoothing=smoothing)


def cross_entropy(logits: Array, labels: Array, *, smoothing: float = 0.0) -> np.float32:
    """Take the mean of -log(probability of the label): logits (n, V), labels (n,) -> scalar.

    With smoothing, the label is asked for with probability 1 - smoothing and all other words
    share the rest, and what is returned is the divergence (KL) from that: 0 is the best there
    is. The authors trained with 0.1. torch's `label_smoothing` shares among all V words and
    returns no divergence: it is another number.
    """
    n, V = logits.shape
    log_shares = log_softmax(logits)
    of_label = log_shares[np.arange(n), labels]
    if smoothing == 0:
        return logits.dtype.type(-of_label.mean())
    rest = smoothing / (V - 1)
    of_others = log_shares.sum(axis=-1) - of_label
    asked = (1 - smoothing) * of_label + rest * of_others
    best = (1 - smoothing) * math.log(1 - smoothing) + smoothing * math.log(rest)
    return logits.dtype.type(best - asked.mean())


def answer_labels(input_ids: Array, is_answer: Array) -> Array:
    """Keep the ids of the answer as labels, and put -100 for all other words.

    input_ids and is_answer (B, T) -> labels (B, T). The authors train on the answer and the end
    token alone, never on the question or padding (their `need_predict`).
    """
    if np.shape(input_ids) != np.shape(is_answer):
        raise UserError(
            f"is_answer must have the shape of input_ids, {np.shape(input_ids)}; "
            f"got {np.shape(is_answer)}"
        )
    return np.where(is_answer, input_ids, IGNORED)


def check_labels(labels: Array, logits: Array) -> None:
    """Refuse labels that do not belong to these words."""
    B, T, V = logits.shape
    if labels.shape != (B, T) or not np.issubdtype(labels.dtype, np.integer):
        raise UserError(
            f"labels must be whole numbers of shape {(B, T)}, one for each word that goes in; "
            f"got {labels.dtype} of shape {labels.shape}"
        )
    used = labels[labels != IGNORED]
    if used.size and not 0 <= used.min() <= used.max() < V:
        raise UserError(
            f"labels must lie in 0 to {V - 1}, or be {IGNORED} where there is nothing to learn; "
            f"got {used.min()} to {used.max()}"
        )

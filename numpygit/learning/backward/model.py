"""A whole GIT backwards: pixels, words and labels -> the loss and the gradient of every parameter.

    loss, gradients = loss_and_gradients(params, config, pixels, ids, labels)
    tensors_of(gradients, config)["git.encoder.layer.0.attention.self.query.weight"]

The forward call is that of the model's own files; what they trace is the tape. This is the
definition: readable, and in float64 equal to torch to 12 digits. Training uses its fast twin,
`numpygit/learning/fast/model.py`.
"""

from __future__ import annotations

from dataclasses import replace

import numpy as np

from ...errors import UserError
from ...huggingface.loss import IGNORED, check_labels, cross_entropy
from ...model import text, vision
from ...model.config import Config
from ...model.layers import Trace, no_trace
from ...model.params import Array, Git
from ...trace import Recorder
from .layers import Tape, cross_entropy_backward
from .text import forward_backward, project_backward
from .vision import image_tokens_backward


def loss_and_gradients(
    params: Git,
    config: Config,
    pixels: Array,
    ids: Array,
    labels: Array,
    *,
    attention_mask: Array | None = None,
    smoothing: float = 0.0,
    trace: Trace = no_trace,
) -> tuple[float, Git]:
    """Run a GIT forwards and backwards.

    pixels (B, C, H, W) or (B, frames, C, H, W); ids, labels, attention_mask (B, T). Labels are the
    ids, with -100 where there is nothing to learn; they are shifted here. `smoothing` as in
    `loss.cross_entropy`; `trace` gets the gradient of every tensor that the forward call names.

    Returns the loss, the mean over all labels, and gradients in the dataclasses of params. Raises
    UserError for relative positions, and where there is no label. Of tied embeddings the two
    gradients stand apart: add them (`tied`).
    """
    check_positions(config)
    if attention_mask is None:
        attention_mask = np.ones(ids.shape, np.int64)
    positions = text.word_positions(attention_mask)
    logits, tape = forward(params, config, pixels, ids, attention_mask)
    loss, dlogits = loss_backward(logits, labels, smoothing=smoothing)
    dmemory, dtext = forward_backward(
        dlogits, ids, positions, params.text, config=config, tape=tape, trace=trace
    )
    eps = config.vision_config.layer_norm_eps
    dtokens, dprojection, dnorm = project_backward(
        dmemory, params.text, eps=eps, tape=tape, trace=trace
    )
    dtext = replace(dtext, projection=dprojection, projection_norm=dnorm)
    dvision = image_tokens_backward(
        dtokens, params.vision, config=config.vision_config, tape=tape, trace=trace
    )
    return loss, Git(dvision, dtext)


def check_positions(config: Config) -> None:
    """Refuse relative positions, whose gradients nobody has written here."""
    if config.position_embedding_type != "absolute":
        raise UserError(
            f"position_embedding_type is {config.position_embedding_type!r}; gradients are known "
            "for 'absolute', which all official checkpoints use"
        )


def forward(
    params: Git, config: Config, pixels: Array, ids: Array, attention_mask: Array
) -> tuple[Array, Tape]:
    """Run the model's own files without a cache: -> logits (B, M + T, V), and the tape."""
    trace = Recorder()
    tokens = vision.image_tokens(pixels, params.vision, config=config.vision_config, trace=trace)
    eps = config.vision_config.layer_norm_eps
    memory = text.project(tokens, params.text, eps=eps, trace=trace)
    logits, _ = text.forward(
        memory, ids, params.text, config=config, attention_mask=attention_mask, trace=trace
    )
    return logits, trace.tensors


def loss_backward(logits: Array, labels: Array, *, smoothing: float = 0.0) -> tuple[float, Array]:
    """The loss, and its gradient with respect to all logits: (B, S, V), labels (B, T) -> (B, S, V).

    The logits at a word are held against the label of the word after it; those at image tokens,
    at last words and before a label of -100 get 0.
    """
    B, S, V = logits.shape
    T = labels.shape[1]
    M = S - T
    check_labels(labels, logits[:, M:])
    after = labels[:, 1:]
    used = after != IGNORED
    if not used.any():
        raise UserError(f"there is no label to learn from: all are {IGNORED}, or stand first")
    before = logits[:, M:-1][used]
    loss = cross_entropy(before, after[used], smoothing=smoothing)
    dbefore = cross_entropy_backward(
        before, after[used], count=int(used.sum()), smoothing=smoothing
    )
    dlogits = np.zeros_like(logits)
    dlogits[:, M:-1][used] = dbefore
    return float(loss), dlogits


def tied(gradients: Git) -> Git:
    """Add both gradients of a matrix that is word embedding and vocabulary head at once."""
    both = gradients.text.word_embedding + gradients.text.head.weight
    head = replace(gradients.text.head, weight=both)
    return replace(gradients, text=replace(gradients.text, word_embedding=both, head=head))

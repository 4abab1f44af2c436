"""Sampling: temperature, the filters top-k, top-p (nucleus), min-p and others, and the draw.

Each filter is a logits processor: it takes logits (B, V) and puts -inf where a token may not be
drawn; the `keep` likeliest stay in any case. Source: transformers 4.37.2,
`generation/logits_process.py`, and 5.23 for `filter_min_p`.
"""

from __future__ import annotations

import math
from functools import partial

import numpy as np

from ..model.layers import softmax
from ..model.params import Array
from .logits import LogitsProcessor, log_softmax, normalise
from .options import GenerationConfig


def filters(options: GenerationConfig, *, keep: int) -> list[LogitsProcessor]:
    """List the logits processors of sampling, in the official order."""
    processors: list[LogitsProcessor] = []
    if options.temperature != 1:
        processors.append(partial(scale_temperature, temperature=options.temperature))
    if options.top_k:
        processors.append(partial(filter_top_k, count=max(options.top_k, keep)))
    if options.top_p < 1:
        processors.append(partial(filter_top_p, mass=options.top_p, keep=keep))
    if options.min_p is not None:
        processors.append(partial(filter_min_p, share=options.min_p, keep=keep))
    if options.typical_p < 1:
        processors.append(partial(filter_typical, mass=options.typical_p, keep=keep))
    if options.epsilon_cutoff > 0:
        processors.append(partial(filter_epsilon, epsilon=options.epsilon_cutoff, keep=keep))
    if options.eta_cutoff > 0:
        processors.append(partial(filter_eta, epsilon=options.eta_cutoff, keep=keep))
    if options.renormalize_logits:
        processors.append(normalise)
    return processors


def scale_temperature(ids: Array, logits: Array, *, temperature: float) -> Array:
    """Temperature: above 1 it flattens the distribution, below 1 it sharpens it."""
    return logits / np.float32(temperature)


def filter_top_k(ids: Array, logits: Array, *, count: int) -> Array:
    """Top-k: keep the `count` likeliest tokens, and those as likely as the last of them."""
    count = min(count, logits.shape[1])
    lowest = np.partition(logits, -count, axis=1)[:, -count, None]
    return np.where(logits < lowest, np.float32(-np.inf), logits)


def filter_top_p(ids: Array, logits: Array, *, mass: float, keep: int) -> Array:
    """Top-p (nucleus): keep the fewest likely tokens whose probabilities sum to `mass`.

    Source: Holtzman et al. 2019, arXiv 1904.09751.
    """
    order = np.argsort(logits, axis=1, kind="stable")
    probability = softmax(np.take_along_axis(logits, order, axis=1))
    remove = np.cumsum(probability, axis=1) <= 1 - mass
    remove[:, -keep:] = False
    return remove_sorted(logits, remove, order)


def filter_min_p(ids: Array, logits: Array, *, share: float, keep: int) -> Array:
    """Min-p: keep tokens at least `share` times as likely as the likeliest.

    Source: Nguyen et al. 2024, arXiv 2407.01082.
    """
    probability = softmax(logits)
    remove = probability < np.float32(share) * probability.max(axis=1, keepdims=True)
    return np.where(remove & below_top(logits, keep), np.float32(-np.inf), logits)


def filter_typical(ids: Array, logits: Array, *, mass: float, keep: int) -> Array:
    """Typical sampling: keep tokens whose surprisal is nearest to the entropy, up to `mass`.

    Source: Meister et al. 2022, arXiv 2202.00666.
    """
    surprisal = -log_softmax(logits)
    probability = np.exp(-surprisal)
    finite = np.where(probability > 0, surprisal, np.float32(0))
    entropy = (probability * finite).sum(axis=1, keepdims=True)
    distance = np.abs(surprisal - entropy)
    order = np.argsort(distance, axis=1, kind="stable")
    nearest = np.take_along_axis(distance, order, axis=1)
    sorted_probability = softmax(np.take_along_axis(logits, order, axis=1))
    last = (np.cumsum(sorted_probability, axis=1) < mass).sum(axis=1)
    last = np.minimum(last, logits.shape[1] - 1)
    remove = nearest > np.take_along_axis(nearest, last[:, None], axis=1)
    remove[:, :keep] = False
    return remove_sorted(logits, remove, order)


def filter_epsilon(ids: Array, logits: Array, *, epsilon: float, keep: int) -> Array:
    """Epsilon cutoff: drop tokens below a probability. Source: Hewitt et al., arXiv 2210.15191."""
    remove = (softmax(logits) < epsilon) & below_top(logits, keep)
    return np.where(remove, np.float32(-np.inf), logits)


def filter_eta(ids: Array, logits: Array, *, epsilon: float, keep: int) -> Array:
    """Eta cutoff: an epsilon that falls where the model is unsure (same source)."""
    log_probability = log_softmax(logits)
    probability = np.exp(log_probability)
    finite = np.where(probability > 0, log_probability, np.float32(0))
    entropy = -(probability * finite).sum(axis=1, keepdims=True)
    eta = np.minimum(epsilon, math.sqrt(epsilon) * np.exp(-entropy))
    remove = (probability < eta) & below_top(logits, keep)
    return np.where(remove, np.float32(-np.inf), logits)


def below_top(logits: Array, keep: int) -> Array:
    """Tell which words are less likely than the `keep` likeliest: (B, V) -> (B, V)."""
    keep = min(keep, logits.shape[1])
    lowest = np.partition(logits, -keep, axis=1)[:, -keep, None]
    return logits < lowest


def remove_sorted(logits: Array, remove: Array, order: Array) -> Array:
    """Drop words that are marked in another order: all (B, V)."""
    marked = np.zeros_like(remove)
    np.put_along_axis(marked, order, remove, axis=1)
    return np.where(marked, np.float32(-np.inf), logits)


def draw(logits: Array, rng: np.random.Generator) -> Array:
    """Multinomial draw of a token for each row: logits (B, V) -> (B,).

    The Gumbel-max trick: adding Gumbel noise and taking the highest draws by softmax.
    """
    noise = rng.gumbel(size=logits.shape)
    return (logits + noise).argmax(axis=1)


def draw_several(logits: Array, rng: np.random.Generator, *, count: int) -> Array:
    """Draw different tokens of each row without replacement: (B, V) -> (B, count)."""
    noisy = logits + rng.gumbel(size=logits.shape)
    return np.argsort(-noisy, axis=1, kind="stable")[:, :count]


def random_numbers(options: GenerationConfig) -> np.random.Generator:
    """Take the caller's generator, or make one from the seed.

    Without a seed it starts from NumPy's global random numbers: each run differs, unless
    `set_seed` has fixed them.
    """
    if options.generator is not None:
        return options.generator
    seed = np.random.randint(2**31 - 1) if options.seed is None else options.seed  # noqa: NPY002
    return np.random.default_rng(seed)

"""Decoding methods: greedy, sampling, beam search, contrastive search, constrained decoding.

    decode.py        one call for all of these: prompts and options in, token ids out
    plan.py          prompts and options, checked; the logits processors they ask for
    options/         GenerationConfig: every option with its default
    logits.py        logits processors: penalties, bans, forced tokens
    sampling.py      temperature, top-k, top-p, min-p, and the draw
    beams.py         beam search, in groups and with draws
    contrastive.py   likely tokens whose hidden states do not repeat earlier ones
    constrained.py   texts from a list only: a trie of labels, exact scores, classification
    scores.py        how likely a text is, token by token
    attentions.py    attentions and hidden states of a run
    wording.py       settings of captions: beginning, prefix, suffix, forbidden words

The plain loop that all begin with is `model/generate.py`. All work on (memory, prompt, params,
config, options): pictures are encoded before, token ids are decoded to text after. None changes an
argument. Source: transformers 4.37.2, `generation/`.
"""

from .constrained import Scored, allowed_next, best_of, build_trie, score_texts
from .decode import Generation, decode, lazily
from .options import AUTHORS, GenerationConfig
from .plan import Calls, Plan, make_plan
from .scores import WordScores, word_scores

__all__ = [
    "AUTHORS",
    "Calls",
    "Generation",
    "GenerationConfig",
    "Plan",
    "Scored",
    "WordScores",
    "allowed_next",
    "best_of",
    "build_trie",
    "decode",
    "lazily",
    "make_plan",
    "score_texts",
    "word_scores",
]

"""The small model of the recorded searches, prompts side by side, and one call for all options."""

from __future__ import annotations

from typing import Any

import numpy as np
from generation_golden import MODEL

from numpygit.decoding.decode import Generation, decode
from numpygit.decoding.options import GenerationConfig
from numpygit.decoding.plan import Calls, make_plan

P, CONFIG = MODEL.params.text, MODEL.config
PAD, END = 0, 3


def memory_of(rng: np.random.Generator, B: int, M: int = 7) -> np.ndarray:
    return rng.standard_normal((B, M, 30)).astype(np.float32)


def padded(prompts: list[list[int]], side: str) -> tuple[np.ndarray, np.ndarray]:
    T = max(len(prompt) for prompt in prompts)
    ids, mask = np.full((len(prompts), T), PAD), np.zeros((len(prompts), T), np.int64)
    for row, prompt in enumerate(prompts):
        place = slice(T - len(prompt), T) if side == "left" else slice(0, len(prompt))
        ids[row, place], mask[row, place] = prompt, 1
    return ids, mask


def run(
    memory: np.ndarray,
    ids: np.ndarray,
    mask: np.ndarray | None = None,
    calls: Calls | None = None,
    **options: Any,
) -> Generation:
    chosen = GenerationConfig().change({"max_new_tokens": 8, **options})
    plan = make_plan(ids, config=CONFIG, options=chosen, attention_mask=mask, calls=calls)
    return decode(memory, P, plan)


def strip(row: np.ndarray) -> list[int]:
    ids = row.tolist()
    while ids and ids[-1] == PAD:
        ids.pop()
    return ids

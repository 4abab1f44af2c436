"""The older names of ways to generate, each of which is `generate` with options here.

transformers 4.37.2 still has one method for each way, to be called with finished processors and
criteria, and with a scorer for beams. They take the options that `generate` would have made of
its own: none beyond what is given. Source: `generation/utils.py`.
"""

from __future__ import annotations

from typing import Any

import numpy as np

from ...decoding.options import GenerationConfig
from ...decoding.plan import as_ids
from ...errors import UserError, expect

IDLE = ("synced_gpus", "sequential")


def greedy_search(model: Any, input_ids: Any, **given: Any) -> Any:
    """Greedy decoding: take the likeliest token each time."""
    return search(model, input_ids, given, do_sample=False)


def sample(model: Any, input_ids: Any, **given: Any) -> Any:
    """Sampling: draw each token by its probability."""
    return search(model, input_ids, given, do_sample=True, top_k=0)


def contrastive_search(model: Any, input_ids: Any, **given: Any) -> Any:
    """Contrastive search: likely tokens whose hidden states do not repeat earlier ones."""
    given.setdefault("top_k", 1)
    return search(model, input_ids, given, do_sample=False)


def beam_search(model: Any, input_ids: Any, beam_scorer: Any, **given: Any) -> Any:
    """Beam search with the settings of a BeamSearchScorer: it is read, not called."""
    return search(model, *one_a_picture(input_ids, beam_scorer, given), do_sample=False,
                  **beam_options(beam_scorer))  # fmt: skip


def beam_sample(model: Any, input_ids: Any, beam_scorer: Any, **given: Any) -> Any:
    """Beam search whose tokens are drawn; the scorer is read, not called."""
    return search(model, *one_a_picture(input_ids, beam_scorer, given), do_sample=True, top_k=0,
                  **beam_options(beam_scorer))  # fmt: skip


group_beam_search = beam_search


def search(model: Any, input_ids: Any, given: dict[str, Any], **options: Any) -> Any:
    """Run generate with exactly these options, and the length that the criteria say."""
    given = {name: value for name, value in given.items() if name not in IDLE}
    processors = [
        *several("logits_processor", given),
        *several("logits_warper", given),
    ]
    criteria = several("stopping_criteria", given)
    lengths = [c.max_length for c in criteria if hasattr(c, "max_length")]
    lengths += [given.pop("max_length")] if given.get("max_length") is not None else []
    criteria = [c for c in criteria if not hasattr(c, "max_length")]
    if lengths:
        options["max_length"] = min(lengths)
    base = model.generation_config
    plain = GenerationConfig(
        bos_token_id=base.bos_token_id, eos_token_id=base.eos_token_id,
        pad_token_id=base.pad_token_id, max_length=base.max_length, use_cache=base.use_cache,
    )  # fmt: skip
    return model.generate(
        input_ids, generation_config=plain, logits_processor=processors,
        stopping_criteria=criteria, **options, **given,
    )  # fmt: skip


def several(name: str, given: dict[str, Any]) -> list[Any]:
    """Take a list of functions out of what was given."""
    found = given.pop(name, None)
    expect(name, [] if found is None else found, (list, tuple), "a list of functions")
    return list(found or ())


def one_a_picture(input_ids: Any, scorer: Any, given: dict[str, Any]) -> tuple[Any, dict[str, Any]]:
    """Take one row of each prompt and picture: beams come in as copies, side by side."""
    beams = getattr(scorer, "num_beams", None)
    if not isinstance(beams, int):
        raise UserError(
            "beam_scorer must have num_beams, as a BeamSearchScorer has; or use generate"
        )
    apart = {
        name: np.asarray(value)[::beams] if name in ("attention_mask", "pixel_values") else value
        for name, value in given.items()
    }
    return as_ids(input_ids)[::beams], apart


def beam_options(scorer: Any) -> dict[str, Any]:
    """Read the options that a scorer was made with."""
    return {
        "num_beams": scorer.num_beams,
        "num_beam_groups": getattr(scorer, "num_beam_groups", 1),
        "length_penalty": getattr(scorer, "length_penalty", 1.0),
        "early_stopping": getattr(scorer, "do_early_stopping", False),
        "num_return_sequences": getattr(scorer, "num_beam_hyps_to_keep", 1),
    }

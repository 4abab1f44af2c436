"""Compare the forward call with the official one on random tiny models, many of them.

    python golden/differential_forward.py --cases 400 [--first 0]

Needs the extra [golden] (transformers 4.37.2). Prints one line for every disagreement and the
counts at the end; the exit code is 1 if a disagreement has no explanation. Known differences, where
the official code is wrong, are told apart by their cause, and checked in another way:

  count   the official loss takes the number of image tokens from the config: without pictures,
          with fewer frames than configured, and with a rest of pixels that fills no patch, it is
          wrong or an error. It is then computed from the official logits by torch's cross entropy.
  embeds  the official forward adds positions to the caller's inputs_embeds in place, so that a
          second call with them answers otherwise. Every call gets a copy.
  left    the official forward counts padding on the left as words. It is given the positions.
  selu    the documentation names it, transformers 4.37.2 raises KeyError: torch's is put there.
"""

from __future__ import annotations

import argparse
import collections
import sys
from typing import Any

import numpy as np
import torch
from official import build
from random_models import Case, draw_case
from seeded import seeded_tensors
from transformers.activations import ACT2FN

from numpygit import GitConfig, GitForCausalLM
from numpygit.loading.names import params_from, tensor_shapes

ACT2FN["selu"] = torch.nn.SELU
OFFICIAL_ONLY = "official_position_ids"
LIMITS = {"logits": 1e-4, "hidden": 1e-4, "attentions": 1e-4, "loss": 1e-5}


def both(case: Case) -> tuple[Any, Any, str]:
    """Ask both implementations; also say how the official loss was had."""
    config = GitConfig.from_dict(case.config)
    tensors = seeded_tensors(tensor_shapes(config), seed=case.seed)
    ours = GitForCausalLM(config, params_from(tensors, config, source="seeded"))
    official = build(case.config, tensors)

    def given() -> dict[str, torch.Tensor]:
        return for_official(case)

    labels = case.inputs.get("labels")
    labels = None if labels is None else torch.from_numpy(labels)
    with torch.no_grad():
        theirs = official(**given(), output_hidden_states=True, output_attentions=True)
        how = "none"
        if labels is not None:
            how = "official"
            image = theirs.logits.shape[1] - labels.shape[1]
            if image != official.git.encoder.layer[0].attention.self.image_patch_tokens:
                how = "count"
                theirs.loss = torch.nn.functional.cross_entropy(
                    theirs.logits[:, image:-1].flatten(0, 1), labels[:, 1:].flatten()
                )
            else:
                theirs.loss = official(**given(), labels=labels).loss
    inputs = {name: array for name, array in case.inputs.items() if name != OFFICIAL_ONLY}
    mine = ours(**inputs, output_hidden_states=True, output_attentions=True)
    return mine, theirs, how


def for_official(case: Case) -> dict[str, torch.Tensor]:
    """Copy the arguments for the official code, all but the labels."""
    named = {name: torch.from_numpy(np.array(a)) for name, a in case.inputs.items()}
    if OFFICIAL_ONLY in named:
        named["position_ids"] = named.pop(OFFICIAL_ONLY)
    return {name: tensor for name, tensor in named.items() if name != "labels"}


def padded_left(case: Case) -> Case | None:
    """Put the padding of a case on the left; None where there is none, or places are relative.

    With relative positions an official word is further from the picture for every padding.
    """
    mask = case.inputs.get("attention_mask")
    is_absolute = case.config["position_embedding_type"] == "absolute"
    if mask is None or mask.all() or not is_absolute or "position_ids" in case.inputs:
        return None
    left = np.ascontiguousarray(mask[:, ::-1])
    places = np.maximum(left.cumsum(axis=1) - 1, 0)
    return Case(case.seed, case.config, {**case.inputs, "attention_mask": left,
                                         OFFICIAL_ONLY: places})  # fmt: skip


def distances(mine: Any, theirs: Any, *, loss: bool = True) -> dict[str, float]:
    """Measure how far each kind of result is apart; shapes that differ are infinitely far."""
    pairs = {
        "logits": [(mine.logits, theirs.logits)],
        "hidden": list(zip(mine.hidden_states, theirs.hidden_states, strict=True)),
        "attentions": list(zip(mine.attentions, theirs.attentions, strict=True)),
        "loss": [] if mine.loss is None or not loss else [(mine.loss, theirs.loss)],
    }
    return {name: max([apart(*pair) for pair in pair_list], default=0.0)
            for name, pair_list in pairs.items()}  # fmt: skip


def is_rounding(case: Case, mine: Any, theirs: Any) -> bool:
    """Ask the official code in float64: are we at most 8 times as far from that as its float32?

    The same bound as in tests/golden/test_golden_tiny.py. Towers only 3 wide can amplify rounding.
    """
    config = GitConfig.from_dict(case.config)
    exact = build(case.config, seeded_tensors(tensor_shapes(config), seed=case.seed)).double()
    given = for_official(case)
    given = {n: t.double() if t.is_floating_point() else t for n, t in given.items()}
    with torch.no_grad():
        answer = exact(**given, output_hidden_states=True, output_attentions=True)
    ours, official = distances(mine, answer, loss=False), distances(theirs, answer, loss=False)
    return all(ours[name] <= max(8 * official[name], 1e-5) for name in ours)


def apart(a: np.ndarray, b: torch.Tensor) -> float:
    """Measure the largest difference of two arrays."""
    a, other = np.asarray(a), b.numpy()
    if np.shape(a) != other.shape:
        return float("inf")
    return float(np.abs(a - other).max(initial=0.0))


def main() -> int:
    """Run the cases and count."""
    parser = argparse.ArgumentParser()
    parser.add_argument("--cases", type=int, default=400)
    parser.add_argument("--first", type=int, default=0)
    options = parser.parse_args()
    torch.set_num_threads(1)
    seen: collections.Counter[str] = collections.Counter()
    worst = dict.fromkeys(LIMITS, 0.0)
    failures = rounded = 0
    drawn = [draw_case(seed) for seed in range(options.first, options.first + options.cases)]
    turned = [case for case in map(padded_left, drawn) if case is not None]
    for case in [*drawn, *turned]:
        mine, theirs, how = both(case)
        found = distances(mine, theirs)
        worst = {name: max(worst[name], found[name]) for name in worst}
        wrong = {n: f"{d:.2e}" for n, d in found.items() if not d <= LIMITS[n]}
        if wrong and is_rounding(case, mine, theirs):
            rounded += 1
            print(f"seed {case.seed}: {wrong}: rounding, within 8 times the official float32 error")
        elif wrong:
            failures += 1
            print(f"seed {case.seed}: {wrong} {case.config} {list(case.inputs)}")
        seen.update([f"positions {case.config['position_embedding_type']}", f"loss {how}"])
        seen.update(f"with {name}" for name in case.inputs)
        seen.update([f"acts {case.config['hidden_act']}"])
        seen.update(["clips"] if case.inputs.get("pixel_values", np.zeros(0)).ndim == 5 else [])
    print(
        f"{len(drawn)} cases, {len(turned)} again padded on the left: {rounded} rounding, "
        f"{failures} other disagreements"
    )
    print("worst: " + ", ".join(f"{name} {value:.1e}" for name, value in worst.items()))
    print("cases " + ", ".join(f"{name}: {count}" for name, count in sorted(seen.items())))
    return 1 if failures else 0


if __name__ == "__main__":
    sys.exit(main())

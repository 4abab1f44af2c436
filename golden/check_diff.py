"""Put mistakes into the official model and see where `numpygit diff` points.

    python golden/check_diff.py          # needs the extra [golden]; some minutes
    python golden/check_diff.py --counts # the counts alone, no mistake by name

Runs with transformers 4.37.2 and with 5.23.0. The bundled model is dumped by `dump_torch.py` as it
is, which must agree, for a still and for a clip; then with each mistake, which must be found at its
tensor with its cause. The exit code is 1 if one is not. `tests/helpers/seeded_bugs.py` has many
more mistakes, but puts them into numpygit; here the other program really is another one.
"""

from __future__ import annotations

import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import new_official_mistakes
import official_mistakes
import torch
from dump_torch import dump, load, prepare, say
from official import capture
from official_mistakes import OFFICIAL, Official
from PIL import Image, ImageSequence

import numpygit
from numpygit import storybook
from numpygit.inside.diff.compare import Report, compare
from numpygit.inside.record import IDS, Run, record

sys.path.append(str(Path(__file__).parents[1] / "tests" / "helpers"))
from trial import where_coarse

FOLDER = str(storybook.CHECKPOINT)
EXAMPLES = storybook.CHECKPOINT.parent / "examples"
LISTS = {
    "first": (OFFICIAL, official_mistakes.is_aside),
    "new": (new_official_mistakes.NEW, new_official_mistakes.is_aside),
}
CLIP = EXAMPLES / "clip.gif"


def vision(model: torch.nn.Module) -> torch.nn.Module:
    """The vision encoder."""
    return model.git.image_encoder.vision_model


def transpose(linear: torch.nn.Linear) -> None:
    """Transpose a weight."""
    linear.weight.data = linear.weight.data.T.contiguous()


def exchange(a: torch.nn.Module, b: torch.nn.Module) -> None:
    """Exchange the parameters of two modules."""
    ours = {name: p.clone() for name, p in a.state_dict().items()}
    a.load_state_dict(b.state_dict())
    b.load_state_dict(ours)


def in_text(model: torch.nn.Module, layer: int) -> torch.nn.Module:
    """A layer of the text decoder."""
    return model.git.encoder.layer[layer]


def in_vision(model: torch.nn.Module, layer: int) -> torch.nn.Module:
    """A layer of the vision encoder."""
    return vision(model).encoder.layers[layer]


def exchange_norms(model: torch.nn.Module) -> None:
    """Exchange the two normalisations of a layer."""
    layer = in_text(model, 1)
    exchange(layer.attention.output.LayerNorm, layer.output.LayerNorm)


def forget_times(model: torch.nn.Module) -> None:
    """Take the times of frames away."""
    for name, parameter in model.named_parameters():
        if "img_temp" in name:
            parameter.data.zero_()


def count_from_1(model: torch.nn.Module) -> None:
    """Count positions from 1."""
    places = model.git.embeddings.position_embeddings.weight
    places.data = places.data.roll(-1, dims=0)


def epsilon(norm: torch.nn.LayerNorm, eps: float) -> None:
    """Set another epsilon."""
    norm.eps = eps


BUGS: list[tuple[str, Callable[[torch.nn.Module], object], str, str]] = [
    ("weight transposed", lambda m: transpose(in_text(m, 2).attention.self.query),
     "text.2.q", "with the weight transposed"),
    ("bias missing", lambda m: in_vision(m, 1).self_attn.k_proj.bias.data.zero_(),
     "vision.1.k", "without the bias"),
    ("q and k exchanged", lambda m: exchange(in_text(m, 0).attention.self.query,
                                             in_text(m, 0).attention.self.key),
     "text.0.q", "queries and keys exchanged"),
    ("normalisations exchanged", exchange_norms, "text.1.after_attention", "exchanged"),
    ("epsilon of the vision encoder", lambda m: epsilon(vision(m).pre_layrnorm, 1e-3),
     "vision.x", "with epsilon 1e-03"),
    ("epsilon of the projection",
     lambda m: epsilon(m.git.visual_projection.visual_projection[1], 1e-3),
     "memory", "with epsilon 1e-03"),
    ("tanh gelu", lambda m: setattr(in_text(m, 0).intermediate, "intermediate_act_fn",
                                    torch.nn.GELU(approximate="tanh")),
     "text.0.activated", "tanh approximation"),
    ("gelu, not quick_gelu", lambda m: setattr(in_vision(m, 0).mlp, "activation_fn",
                                               torch.nn.GELU()),
     "vision.0.activated", "with gelu as the activation"),
    ("patch kernel turned", lambda m: setattr(
        vision(m).embeddings.patch_embedding.weight, "data",
        vision(m).embeddings.patch_embedding.weight.data.transpose(2, 3).contiguous()),
     "vision.patch_tokens", "height and width exchanged"),
    ("positions from 1", count_from_1, "place_vectors", "counted from 1"),
    ("head tied", lambda m: setattr(m.output.weight, "data",
                                    m.git.embeddings.word_embeddings.weight.data),
     "logits", "the word embedding as the head"),
    ("no times", forget_times, "clip_tokens", "without the times"),
]  # fmt: skip


def main() -> int:
    """Dump, compare, count."""
    captioner = numpygit.load("storybook")
    params, config = captioner.model.params, captioner.model.config
    failures = 0
    clip = [frame.convert("RGB") for frame in ImageSequence.Iterator(Image.open(CLIP))]
    ours = {
        "still": record(captioner, EXAMPLES / "relation.png", noise=True),
        "clip": record(captioner, clip, noise=True),
    }
    pixels = {
        "still": prepare(FOLDER, [str(EXAMPLES / "relation.png")]),
        "clip": torch.from_numpy(captioner.pixels(clip)),
    }
    ids = {kind: torch.from_numpy(run.tensors["ids"].copy()) for kind, run in ours.items()}
    assert torch.equal(say(load(FOLDER), FOLDER, pixels["still"], ""), ids["still"])
    for kind in ours:
        report = compare(ours[kind], dump(load(FOLDER), pixels[kind], ids[kind]))
        agree = sum(row.status == "OK" for row in report.rows)
        print(f"{kind}, as it is: {agree} tensors agree, first difference {report.first}")
        failures += not report.equal
    for title, bug, tensor, hint in BUGS:
        kind = "clip" if tensor == "clip_tokens" else "still"
        model = load(FOLDER)
        with torch.no_grad():
            bug(model)
        theirs = Run(dump(model, pixels[kind], ids[kind]).tensors, {})
        report = compare(ours[kind], theirs, params=params, config=config)
        first = report.first.name if report.first else "nothing"
        found = first == tensor and hint in " ".join(report.causes)
        failures += not found
        print(f"{'found' if found else 'NOT FOUND'}: {title}: {first}: {' '.join(report.causes)}")
    failures += many(ours, params, config, pixels, ids)
    return 1 if failures else 0


def many(ours: dict[str, Run], params: Any, config: Any, pixels: Any, ids: Any) -> int:
    """Put the mistakes of both lists in, and count what is said: the table."""
    failures = 0
    print(f"{'':16}{'dumped':20}{'mistakes':>9}{'tensor right':>14}{'named':>7}{'misleading':>12}")
    for name, (listed, is_aside) in LISTS.items():
        for coarse in (False, True):
            for aside in (False, True):
                chosen = [m for m in listed if is_aside(m.title) == aside]
                counts = {"right": 0, "named": 0, "misleading": 0}
                for mistake in chosen:
                    tensors = dump_of(mistake, pixels, ids, coarse=coarse)
                    report = compare(
                        ours[mistake.kind], Run(tensors, {}), params=params, config=config
                    )
                    for what, is_so in judged(mistake, report, coarse=coarse).items():
                        counts[what] += is_so
                total = len(chosen)
                enough = counts["named"] >= (0.5 if coarse else 0.7) * total
                failures += counts["misleading"] + (not enough) + (counts["right"] < 0.98 * total)
                dumped = "outputs of blocks" if coarse else "inner tensors"
                numbers = [total, counts["right"], counts["named"], counts["misleading"]]
                print(f"{name + ', aside' * aside:16}{dumped:20}{row_of(numbers)}")
    return failures


def row_of(numbers: list[int]) -> str:
    """Write the numbers of a row of the table."""
    return "".join(
        f"{number:{width}}" for number, width in zip(numbers, (9, 14, 7, 12), strict=True)
    )


def dump_of(mistake: Official, pixels: Any, ids: Any, *, coarse: bool) -> dict[str, Any]:
    """Run the official model with a mistake in it -> what a porter would dump."""
    model = load(FOLDER)
    with torch.no_grad():
        mistake.bug(model)
    given = {"input_ids": ids[mistake.kind], "pixel_values": pixels[mistake.kind]}
    tensors = {IDS: given["input_ids"].numpy(), **capture(model, **given)}
    return {n: a for n, a in tensors.items() if not coarse or is_end_of_block(n)}


def judged(mistake: Official, report: Report, *, coarse: bool) -> dict[str, bool]:
    """Say whether the first tensor is right, the cause named, or another one; tell what is not."""
    first = report.first.name if report.first else "nothing"
    said = " ".join(report.causes)
    right = first == (where_coarse(mistake.tensor) if coarse else mistake.tensor)
    named = any(hint.lower() in said.lower() for hint in mistake.hints)
    misleading = said.startswith(("Theirs equals", "Theirs is nearly")) and not named
    if not (right and named) and "--counts" not in sys.argv:
        print(f"  not so: {mistake.title} [{mistake.tensor}]: {first}: {said}")
    return {"right": right, "named": named, "misleading": misleading}


def is_end_of_block(name: str) -> bool:
    """Tell the tensors of somebody who writes down the outputs of blocks alone."""
    kept = ("ids", "pixels", "memory", "vision.image_tokens", "logits")
    return name in kept or (name.endswith(".x") and name.count(".") == 2)


if __name__ == "__main__":
    sys.exit(main())

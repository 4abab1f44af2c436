"""Which known mistake makes ours equal to theirs: candidates, tried one after the other.

Between the last tensor that agrees and the first that differs lie the operations that may be wrong:
one, where the other program wrote down everything, or a whole block. Each known mistake of each of
them is put in alone, or in all of them at once, and what follows is computed again up to the tensor
that both programs have. What it says has been computed, not guessed.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable, Iterator, Mapping

import numpy as np

from ...model.params import Array
from ...trace import order
from .mistakes.blocks import INSIDE, of_text_layer, of_vision_layer
from .mistakes.bridge import BRIDGE
from .mistakes.heads import of_values
from .mistakes.parts import of_norm, of_product
from .mistakes.picture_ends import PICTURE_ENDS
from .mistakes.text_ends import TEXT_ENDS
from .numbers import fitted
from .operations import OPERATIONS, Normalised, Product, operation_of, row_of, tensors_of
from .rounding import HALVES, OF_OUTPUTS
from .scene import At, Operation, Scene
from .trying import Candidate, Fit, Progress, Target, differing_part, try_out

ENDS = {**PICTURE_ENDS, **BRIDGE, **TEXT_ENDS}
ALIKE = 2e-4  # of the difference: two that explain so nearly the same are both named
MANY_LAYERS = 2  # beyond so many unseen layers, mistakes are tried in all of them at once only


# ---------------------------------------------------------------- what follows from what


def sources_of(name: str, scene: Scene) -> set[str]:
    """Tell which tensors an operation looks up; KeyError where one of them is missing."""
    tensors = tensors_of(scene, anew=frozenset([name]))
    operation_of(name)(At(tensors, name))
    return tensors.asked - {name}


def unseen(name: str, scene: Scene, agrees: Callable[[str], bool]) -> dict[str, set[str]]:
    """Go back from a tensor to those that agree: what lies between, itself included.

    In the order of computation; to each, the tensors that it is computed from.
    """
    found: dict[str, set[str]] = {}
    waiting = [name]
    while waiting:
        now = waiting.pop()
        if now in found:
            continue
        try:
            found[now] = sources_of(now, scene)
        except KeyError:  # the parameters, or a tensor of ours, are missing
            found[now] = set()
        waiting += [source for source in found[now] if not agrees(source)]
    return {each: found[each] for each in sorted(found, key=order)}


# ---------------------------------------------------------------- candidates


def candidates(gap: Mapping[str, set[str]], scene: Scene) -> Iterator[Candidate]:
    """List the mistakes of all unseen operations: each alone, and those alike together."""
    alone: dict[str, dict[str, Operation]] = defaultdict(dict)
    layers = layers_of(gap)
    for name in gap:
        for sentence, operation in mistakes_of(name, scene):
            alone[sentence].setdefault(name, operation)
    for layer in sorted(layers):
        for sentence, changed in together(layer, scene):
            alone[sentence] |= changed
            if len(layers) > 1:
                yield Candidate(sentence, changed)
    for sentence, changed in alone.items():
        yield Candidate(sentence, changed)
        if len(changed) > 1 and len(layers) <= MANY_LAYERS:
            yield from fewer(sentence, changed, set(gap))
    yield from of_outputs(gap, is_near=len(layers) <= MANY_LAYERS)


DISTORTIONS: dict[str, Callable[[Array], Array]] = {  # of any tensor with tokens in axis -2
    "with zeros": lambda x: 0 * x,
    "shifted by one token: each has that of the token before": lambda x: np.roll(x, 1, axis=-2),
    "shifted by one token: each has that of the next token": lambda x: np.roll(x, -1, axis=-2),
    "with the tokens in reverse": lambda x: x[..., ::-1, :],
    "with that of the first token for all": lambda x: np.broadcast_to(x[..., :1, :], x.shape),
    "with the mean of all tokens for each": lambda x: np.broadcast_to(
        x.mean(axis=-2, keepdims=True), x.shape
    ),
    "with its numbers in reverse (the last axis)": lambda x: x[..., ::-1],
    "with its numbers rolled by one (the last axis)": lambda x: np.roll(x, 1, axis=-1),
    "with its numbers rolled by one the other way (the last axis)": lambda x: np.roll(
        x, -1, axis=-1
    ),
    "with negative numbers set to zero (relu)": lambda x: np.maximum(x, 0),
    "with the absolute values": np.abs,
    "through tanh": np.tanh,
    "clipped to between -1 and 1": lambda x: np.clip(x, -1, 1),
}


def of_outputs(gap: Mapping[str, set[str]], *, is_near: bool) -> Iterator[Candidate]:
    """List what may happen to the output of any operation: rounded, shifted, cut off."""
    names = [name for name in gap if row_of(name) not in ("pixels", "text.mask")]
    for kind, half in HALVES.items():
        yield Candidate(f"with everything rounded to {kind}", dict.fromkeys(names, behind(half)))
    if is_near:
        for name in names:
            for kind, rounded in OF_OUTPUTS.items():
                yield Candidate(f"rounded to {kind}", {name: behind(rounded)})
            for sentence, change in DISTORTIONS.items():
                yield Candidate(sentence, {name: behind(change)}, must_fit=True)


def behind(change: Callable[[Array], Array]) -> Operation:
    """Change what the right operation gives."""
    return lambda at: change(operation_of(at.name)(at))


PARTS = (
    ("q", "k", "v"), ("q", "k"), ("k", "v"), ("q", "k", "v", "attended"), ("hidden", "thought"),
    ("q", "k", "v", "attended", "hidden", "thought"),
    ("attention_input", "mlp_input"), ("after_attention", "x"),
)  # fmt: skip


def fewer(sentence: str, changed: dict[str, Operation], gap: set[str]) -> Iterator[Candidate]:
    """Put the mistakes of one sentence into some of the tensors only."""
    if not set(changed) <= gap:  # of a whole layer: all or nothing
        return
    for name, operation in changed.items():
        yield Candidate(sentence, {name: operation})
    inside = {n: op for n, op in changed.items() if layer_of(n)}
    if 1 < len(inside) < len(changed):
        yield Candidate(sentence, inside)
    for part in PARTS:
        some = {n: op for n, op in changed.items() if n.rpartition(".")[2] in part}
        if 1 < len(some) < len(changed):
            yield Candidate(sentence, some)


def layer_of(name: str) -> str | None:
    """Name the layer of a tensor, with its part of a cached run."""
    return name.rpartition(".")[0] if "{i}" in row_of(name) else None


def mistakes_of(name: str, scene: Scene) -> Iterator[tuple[str, Operation]]:
    """List the known mistakes of one operation, as far as what they need is there."""
    row, at = row_of(name), At(tensors_of(scene), name)
    operation = OPERATIONS.get(row)
    known: list[Callable[[At], Iterator[tuple[str, Operation]]]] = []
    if row in ENDS:
        known.append(ENDS[row])
    if "{i}" in row and at.last in INSIDE:
        known.append(INSIDE[at.last])
    if "{i}" in row and at.last in ("k", "v"):
        known.append(of_values)
    for list_them in known:
        yield from as_far_as_known(list_them(at))
    if isinstance(operation, Normalised):
        norm = operation
        yield from as_far_as_known(of_norm(at, norm))
    if isinstance(operation, Product):
        product = operation
        yield from as_far_as_known(of_product(at, product))


def as_far_as_known(listed: Iterator[tuple[str, Operation]]) -> Iterator[tuple[str, Operation]]:
    """Stop a list where a tensor or the parameters are missing."""
    try:
        yield from listed
    except KeyError:
        return


def together(layer: str, scene: Scene) -> Iterator[tuple[str, dict[str, Operation]]]:
    """List the mistakes that several operations of a layer make together."""
    at = At(tensors_of(scene), f"{layer}.x")
    listed = of_vision_layer(at) if at.tower == "vision" else of_text_layer(at)
    try:
        for sentence, changed in listed:
            yield sentence, {f"{layer}.{last}": operation for last, operation in changed.items()}
    except KeyError:
        return


# ---------------------------------------------------------------- trying them


def causes(
    targets: list[Target],
    gap: Mapping[str, set[str]],
    scene: Scene,
    others: Iterator[Candidate],
    progress: Progress | None = None,
) -> list[str]:
    """Try all candidates on the first target; those that fit it, on the others that they change."""
    first, sources = targets[0], sources_around(gap, scene)
    if not np.isfinite(first.reading.theirs).any():  # nothing could fit
        return []
    listed = [*others, *candidates(gap, scene)]
    fits = []
    for number, candidate in enumerate(listed, 1):
        fit = try_out(candidate, targets, sources, scene)
        if fit is not None:
            fits.append(fit)
        if progress is not None:
            progress(number, len(listed))
    if not is_exact(fits) and len(layers_of(gap)) <= MANY_LAYERS:
        numbers = fitted(first, gap, sources, scene)
        fits += [fit for each in numbers if (fit := try_out(each, targets, sources, scene))]
    part = differing_part(first, scene) if len(gap) == 1 and not is_exact(fits) else None
    if part is not None:
        some = first._replace(part=part.positions)
        tried = [fit for each in listed if (fit := try_out(each, [some], sources, scene))]
        return sentences(best_of(tried, some) or best_of(fits, first), first.name, part.name)
    return sentences(best_of(fits, first), first.name)


def is_exact(fits: list[Fit]) -> bool:
    """Tell whether a mistake gives theirs."""
    return any(fit.explained == 1.0 for fit in fits)


def layers_of(gap: Mapping[str, set[str]]) -> set[str]:
    """Name the layers that have not been seen."""
    return {layer for name in gap if (layer := layer_of(name))}


def sources_around(gap: Mapping[str, set[str]], scene: Scene) -> dict[str, set[str]]:
    """Tell what is computed from what, in the gap and in the rest of its layers."""
    found = dict(gap)
    for layer in layers_of(gap):
        for name in scene.ours:
            if name not in found and name.rpartition(".")[0] == layer:
                try:
                    found[name] = sources_of(name, scene)
                except KeyError:
                    continue
    return {name: found[name] for name in sorted(found, key=order)}


# ---------------------------------------------------------------- saying it


def best_of(fits: list[Fit], first: Target) -> list[Fit]:
    """Keep the fits that nothing tells apart: those that explain most, and leave least."""
    if not fits:
        return []
    exact = [fit for fit in fits if fit.explained == 1.0] or fits
    most = max(fit.seen for fit in exact)
    exact = [fit for fit in exact if fit.seen == most]
    best = min(exact, key=lambda fit: (fit.left.mean, len(fit.candidate.changed)))
    if best.explained < 1.0:
        return nearest_of(exact)
    limit = max(3 * best.left.mean, 0.25 * first.allowed.mean)
    kept: dict[str, Fit] = {}
    for fit in exact:
        if fit.left.mean <= limit:
            rival = kept.get(fit.candidate.sentence)
            if rival is None or is_simpler(fit, rival):
                kept[fit.candidate.sentence] = fit
    return list(kept.values())


def nearest_of(fits: list[Fit]) -> list[Fit]:
    """Keep those that explain most of the difference, and as much as each other."""
    most = max(fit.explained for fit in fits)
    kept: dict[str, Fit] = {}
    for fit in fits:
        if fit.explained >= most - ALIKE:
            rival = kept.get(fit.candidate.sentence)
            if rival is None or len(fit.candidate.changed) < len(rival.candidate.changed):
                kept[fit.candidate.sentence] = fit
    return sorted(kept.values(), key=lambda fit: -fit.explained)


def is_simpler(fit: Fit, rival: Fit) -> bool:
    """Prefer fewer tensors, where what is left does not speak for the other."""
    fewer_tensors = len(fit.candidate.changed) < len(rival.candidate.changed)
    return fewer_tensors and fit.left.mean <= 1.5 * rival.left.mean


def sentences(fits: list[Fit], name: str, part: str = "") -> list[str]:
    """Say which mistake it is, or which ones give the same here; of a part of the tokens alone."""
    if not fits:
        return []
    best, tail = fits[0], f", for {part} alone" if part else ""
    sentences = [described(fit, name) + tail for fit in fits[:3]]
    if 0.999 < best.explained < 1.0 and "float16" in best.candidate.sentence:
        return [f"Theirs equals ours {sentences[0]}, but for last bits of that precision."]
    if best.explained < 1.0:
        either = ", or ".join(sentences)
        return [
            f"Theirs is nearly ours {either}: that explains {best.explained:.1%} of the "
            "difference; something else may be wrong besides, or it is not quite this."
        ]
    left = f"what is left is {best.left.largest:.1e}"
    if len(sentences) == 1:
        return [f"Theirs equals ours {sentences[0]}; {left}."]
    more = "" if len(fits) <= 3 else f" ({len(fits) - 3} more would)"
    return [f"Theirs equals ours {', or '.join(sentences)}{more}: all give theirs; {left}."]


def described(fit: Fit, name: str) -> str:
    """Add where the mistake is, if it is not in the tensor itself."""
    tensors = sorted(fit.candidate.changed, key=order)
    if not tensors or tensors == [name] or (name in tensors and fit.seen > 1):
        return fit.candidate.sentence
    if len(tensors) == 1:
        return f"{fit.candidate.sentence} (in {tensors[0]})"
    shown = ", ".join(tensors[:4]) + (", ..." if len(tensors) > 4 else "")
    return f"{fit.candidate.sentence} (in {shown})"

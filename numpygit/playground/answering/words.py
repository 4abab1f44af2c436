"""Word after word as events: how likely each was, its rivals, and where it looked."""

from __future__ import annotations

import base64
import re
from collections.abc import Iterator
from typing import Any

import numpy as np

from ...decoding.logits import log_softmax
from ...errors import UserError
from ...model.generate import Choice, Choose
from ...model.params import Array
from ...model.text import Cache
from ...trace import Recorder, find
from ..protocol import Event, Request, Settings
from .takes import Captioner
from .variants import kept_layers

RIVALS = 6
MOST_WORDS = 40
CORNER = 8  # rows and columns of a tensor that are shown


def events(captioner: Captioner, cache: Cache, request: Request) -> Iterator[Event]:
    """Generate a caption or an answer: with beams a `tree`, then `word` events, then `end`."""
    prompt = captioner.processor.prompt(request.subject.question or None)
    options = captioner.options(length(captioner, prompt))
    settings, forced = request.settings, None
    if settings.beams > 1:
        found = search(captioner, cache, prompt, options, settings)
        yield found["tree"]
        forced = found["ids"]
    elif settings.temperature > 0:
        options = options.change(
            {"do_sample": True, "temperature": settings.temperature, "top_k": 0,
             "seed": settings.seed, "num_beams": 1}
        )  # fmt: skip
    elif options.num_beams > 1:  # the authors' way; the page shows the likeliest words
        options = options.change({"num_beams": 1})
    yield from steps(captioner, cache, prompt, options, forced, settings)


def length(captioner: Captioner, prompt: Array) -> int:
    """Bound the text: as the model's own settings say, at most 40 words."""
    base = captioner.options()
    most = base.max_length or captioner.model.config.max_position_embeddings
    positions = captioner.model.config.max_position_embeddings
    if prompt.shape[1] >= positions:
        raise UserError(
            f"the question has {prompt.shape[1]} tokens, there is room for {positions - 1}"
        )
    return max(prompt.shape[1] + 1, min(most, prompt.shape[1] + MOST_WORDS, positions))


def steps(
    captioner: Captioner,
    cache: Cache,
    prompt: Array,
    options: Any,
    forced: list[int] | None,
    settings: Settings,
) -> Iterator[Event]:
    """Run word by word with everything about each word; `forced` are words chosen before."""
    watch = Watch()
    yield {"event": "prompt", "tokens": [token(captioner, i) for i in prompt[0].tolist()]}
    total, token_ids = 0.0, []
    for step in captioner.model.steps(
        cache,
        prompt,
        generation_config=options.change({"num_beams": 1}),
        choose=None if forced is None else following(forced),
        trace=watch,
    ):
        log_probability = log_probabilities(captioner, step.logits[0])
        token_ids.append(int(step.word[0]))
        total += float(log_probability[token_ids[-1]])
        event = word_event(captioner, token_ids, log_probability, is_end=bool(step.finished[0]))
        yield event | watch.looked(settings, prompt.shape[1])
        if forced is not None and len(token_ids) == len(forced):
            break
    text = captioner.processor.vocabulary.decode(token_ids)
    end = {"text": text, "ids": token_ids, "log_probability": total, "shapes": watch.shapes}
    yield {"event": "end", **end}


def word_event(
    captioner: Captioner, token_ids: list[int], log_probability: Array, *, is_end: bool
) -> Event:
    """Tell of the newest word: its name, the text so far, how likely it and its rivals were."""
    return {
        "event": "word",
        "index": len(token_ids) - 1,
        "token": token(captioner, token_ids[-1]),
        "is_end": is_end,
        "text": captioner.processor.vocabulary.decode(token_ids),
        "probability": float(np.exp(log_probability[token_ids[-1]])),
        "rivals": rivals(captioner, log_probability),
    }


def following(words: list[int]) -> Choose:
    """Choose given words."""
    ahead = iter(words)

    def choose(logits: Array, ids: Array) -> Choice:
        return Choice(np.array([next(ahead)]), np.arange(1))

    return choose


def log_probabilities(captioner: Captioner, logits: Array) -> Array:
    """Turn scores (V,) into log-probabilities; placeholders of the vocabulary do not count."""
    scores = logits.astype(np.float64)
    scores[captioner.processor.vocabulary.unused()] = -np.inf
    found: Array = log_softmax(scores[None])[0]
    return found


class Watch:
    """Keep the attention of the newest token in each layer, and the shapes of all tensors."""

    def __init__(self) -> None:
        self.rows: dict[int, Array] = {}
        self.shapes: dict[str, list[int]] = {}

    def __call__(self, name: str, value: Array) -> None:
        self.shapes.setdefault(re.sub(r"^(image|word\.\d+)\.", "", name), list(value.shape))
        found = re.fullmatch(r"word\.\d+\.text\.(\d+)\.weights", name)
        if found:
            self.rows[int(found[1])] = value[0, :, -1]  # (N, S)

    def looked(self, settings: Settings, prompt: int) -> Event:
        """Pack where the newest token looked: (L, N, S) as bytes, each row up to its highest."""
        weights = np.stack([self.rows[layer] for layer in sorted(self.rows)])
        highest = weights.max(axis=-1, keepdims=True)
        parts = np.rint(weights / np.where(highest == 0, 1, highest) * 255).astype(np.uint8)
        layers = kept_layers(len(self.rows) + len(set(settings.layers_off)), settings)
        return {
            "weights": base64.b64encode(parts.tobytes()).decode("ascii"),
            "highest": highest[..., 0].round(6).tolist(),
            "shape": list(weights.shape),
            "layers": layers,
            "prompt": prompt,
        }


def rivals(captioner: Captioner, log_probability: Array) -> list[list[Any]]:
    """List the likeliest tokens with their probabilities."""
    best = np.argsort(-log_probability, kind="stable")[:RIVALS]
    return [[token(captioner, int(i)), float(np.exp(log_probability[i]))] for i in best]


def token(captioner: Captioner, number: int) -> str:
    """Name a token."""
    return captioner.processor.vocabulary.tokenizer.id_to_token(number) or f"[{number}]"


def search(
    captioner: Captioner, cache: Cache, prompt: Array, options: Any, settings: Settings
) -> dict[str, Any]:
    """Search with beams: -> the ids of the best text, and the event `tree` of all that are left."""
    K = settings.beams
    asked = {"num_beams": K, "num_return_sequences": K, "return_dict_in_generate": True,
             "output_scores": True, "do_sample": False}  # fmt: skip
    found: Any = captioner.model.generate(
        input_ids=prompt, past_key_values=cache, generation_config=options.change(asked)
    )
    vocabulary, T = captioner.processor.vocabulary, prompt.shape[1]
    root: dict[str, Any] = {"token": "", "children": []}
    texts = []
    for row, (ids, from_rows) in enumerate(zip(found.sequences, found.beam_indices, strict=True)):
        node, token_ids, total = root, [], 0.0
        for number, (word, beam) in enumerate(
            zip(ids[T:].tolist(), from_rows.tolist(), strict=False)
        ):
            if beam < 0:
                break
            score = float(found.scores[number][beam, word])
            token_ids.append(word)
            total += score
            node = branch(node, token(captioner, word), float(np.exp(score)))
        node["rank"] = row
        texts.append({"text": vocabulary.decode(token_ids), "log_probability": total,
                      "score": float(found.sequences_scores[row]), "ids": token_ids})  # fmt: skip
    tree = {"event": "tree", "root": root, "texts": texts, "beams": K}
    return {"ids": texts[0]["ids"], "tree": tree}


def branch(node: dict[str, Any], name: str, probability: float) -> dict[str, Any]:
    """Find the child of this name, or make it."""
    for child in node["children"]:
        if child["token"] == name:
            found: dict[str, Any] = child
            return found
    child = {"token": name, "probability": probability, "children": []}
    node["children"].append(child)
    return child


def tensor(captioner: Captioner, pixels: Array, request: Request) -> Event:
    """Run again with a recorder, and show one tensor: shape, range, and a corner of its numbers.

    A name as in a cached run, such as `word.2.text.0.weights`; of the picture, `vision.0.q`.
    """
    if find(request.name) is None:
        raise UserError(f"there is no tensor {request.name!r}; `numpygit trace --table` lists them")
    recorder = Recorder(request.name)
    prompt = captioner.processor.prompt(request.subject.question or None)
    options = captioner.options(length(captioner, prompt)).change({"num_beams": 1})
    for _ in captioner.model.steps(pixels, prompt, generation_config=options, trace=recorder):
        if request.name in recorder.tensors:
            break
    if request.name not in recorder.tensors:
        raise UserError(f"this run has no tensor {request.name!r}")
    return described(request.name, recorder.tensors[request.name])


def described(name: str, value: Array) -> Event:
    """Say of a tensor what a person can take in."""
    location = find(name)
    finite = value[np.isfinite(value)]
    flat = value.reshape(-1, value.shape[-1]) if value.ndim else value.reshape(1, 1)
    corner = flat[:CORNER, :CORNER]
    numbers = [[float(x) if np.isfinite(x) else None for x in row] for row in corner]
    return {
        "event": "tensor",
        "name": name,
        "letters": location.row.shape if location else "",
        "meaning": location.row.meaning if location else "",
        "function": location.row.function if location else "",
        "shape": list(value.shape),
        "low": float(finite.min()) if finite.size else None,
        "high": float(finite.max()) if finite.size else None,
        "mean": float(finite.mean()) if finite.size else None,
        "blocked": int(value.size - finite.size),
        "corner": numbers,
    }

"""Rows of a data set -> what a model learns from: pictures, ids of words, and what is asked.

Padding is never a label. Of a question, [CLS] and the question are no labels either: only the
answer and [SEP] are, as in the authors' code (`need_predict`).
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Sequence
from typing import Any, NamedTuple

import numpy as np
from PIL import Image

from ...data.rows import Row
from ...errors import UserError
from ...huggingface.loss import IGNORED
from ...huggingface.processing.picture_steps import opened, opened_still, reading, source_of
from ...huggingface.processing.processor import GitProcessor
from ...huggingface.processing.vocabulary import Vocabulary
from ...model.params import Array
from ..fast.text import Batch


class Text(NamedTuple):
    """One thing to say about a picture."""

    prompt: tuple[int, ...]  # ids of the question, empty for a caption
    target: tuple[int, ...]  # ids of the caption or answer, without [CLS] and [SEP]


class Example(NamedTuple):
    """A picture and everything that may be said about it."""

    row: Row
    texts: tuple[Text, ...]  # one is drawn each epoch


class Data(NamedTuple):
    """What is learnt from, and what is held back to see how well."""

    training: list[Example]
    validation: list[Example]


def split_of(examples: list[Example], share: float, *, seed: int) -> Data:
    """Hold back a share of the pictures, by chance; at least one is learnt from."""
    count = min(round(len(examples) * share), len(examples) - 1)
    order = np.random.default_rng([seed, 1]).permutation(len(examples))
    held = set(order[:count].tolist())
    training = [example for i, example in enumerate(examples) if i not in held]
    return Data(training, [examples[i] for i in sorted(held)])


def examples_of(rows: Iterable[Row], vocabulary: Vocabulary, *, longest: int) -> list[Example]:
    """Turn all rows into examples, or refuse them in one sentence before any training.

    Raises UserError naming the first row that is wrong and how many are: no picture, a picture that
    does not open, no text, a letter that the vocabulary lacks, more than `longest` tokens.
    """
    found, wrong = [], []
    for row in rows:
        try:
            found.append(example_of(row, vocabulary, longest=longest))
        except UserError as error:
            wrong.append(str(error))
    if wrong:
        more = f" (and {len(wrong) - 1} more rows like this)" if len(wrong) > 1 else ""
        raise UserError(f"this data cannot be learnt from: {wrong[0]}{more}")
    if not found:
        raise UserError("there is nothing to learn from: the data has no pictures with texts")
    return found


def example_of(row: Row, vocabulary: Vocabulary, *, longest: int) -> Example:
    """Turn one row into an example."""
    check_picture(row)
    if row.question is not None:
        if not row.answers:
            raise UserError(f"{row.key} has a question and no answer")
        answer = Counter(row.answers).most_common(1)[0][0]
        pairs = [(row.question, answer)]
    else:
        pairs = [("", text) for text in row.texts]
    if not pairs:
        raise UserError(f"{row.key} has no text; give it a .txt file beside it, or a caption")
    return Example(row, tuple(text_of(*pair, row, vocabulary, longest) for pair in pairs))


def text_of(prompt: str, target: str, row: Row, vocabulary: Vocabulary, longest: int) -> Text:
    """Turn a caption, or a question and its answer, into ids; refuse what cannot be said."""
    if not target.strip():
        raise UserError(f"{row.key} has an empty text")
    asked = [vocabulary.encode(text) if text else [] for text in (prompt, target)]
    for text, ids in zip((prompt, target), asked, strict=True):
        if vocabulary.unknown_id in ids:
            raise UserError(
                f"{row.key}: the vocabulary of this model has no tokens for {text!r}; "
                "write it with letters and words that it has"
            )
    length = len(asked[0]) + len(asked[1]) + 1  # [SEP] is a label, and never goes in
    if length > longest:
        raise UserError(
            f"{row.key}: {target!r} makes {length} tokens with [CLS]; this model reads {longest}"
        )
    return Text(tuple(asked[0]), tuple(asked[1]))


def check_picture(row: Row) -> None:
    """Refuse a picture that is not there or does not open; its pixels are not read yet."""
    try:
        source, name = source_of(row.read())
        with reading(source, name), opened(source):
            pass
    except UserError as error:
        raise UserError(f"{row.key}: {error}") from None


def pixels_of(
    row: Row, processor: GitProcessor, *, frames: int | None, crop: np.random.Generator | None
) -> Array:
    """Prepare the picture of a row: (C, H, W), or of a clip (frames, C, H, W).

    With `crop`, the authors' augmentation: a part of the picture with 80 to 100 % of its sides.
    """
    content: Any = row.read()
    try:
        if crop is not None:  # a clip stays whole
            content = opened_still(content, processor.options, clips=bool(frames))
            content = cropped(content, crop) if isinstance(content, Image.Image) else content
        return processor.pixels(content, frames=frames)[0]
    except UserError as error:
        raise UserError(f"{row.key}: {error}") from None


def cropped(picture: Image.Image, rng: np.random.Generator) -> Image.Image:
    """Cut out a part as the authors do: 80 to 100 % of the sides, their ratio kept.

    Source: microsoft/GenerativeImage2Text, `input_small_scale` 0.8; no flip, no other colours.
    """
    share = rng.uniform(0.8, 1.0)
    width, height = max(1, round(picture.width * share)), max(1, round(picture.height * share))
    left = int(rng.integers(picture.width - width + 1))
    top = int(rng.integers(picture.height - height + 1))
    return picture.crop((left, top, left + width, top + height))


def words_in(texts: Sequence[Text], vocabulary: Vocabulary) -> dict[str, Array]:
    """Lay texts into the arrays of a Batch, padded to the longest: ids, targets, text, positions.

    What goes in is [CLS] prompt said; what should come after each word is the next one, and [SEP]
    at the end; where the prompt stands there is no label.
    """
    B = len(texts)
    T = max(1 + len(text.prompt) + len(text.target) for text in texts)
    ids = np.full((B, T), vocabulary.pad_id, np.int64)
    targets = np.full((B, T), IGNORED, np.int64)
    belongs = np.zeros((B, T), np.int64)
    for b, text in enumerate(texts):
        row = [vocabulary.start_id, *text.prompt, *text.target]
        ids[b, : len(row)] = row
        belongs[b, : len(row)] = 1
        targets[b, len(text.prompt) : len(row)] = [*text.target, vocabulary.end_id]
    positions = np.broadcast_to(np.arange(T), (B, T))
    return {"ids": ids, "targets": targets, "text": belongs, "positions": positions}


def by_shape(arrays: Sequence[Array]) -> list[list[int]]:
    """Group the numbers of pictures by their shape: stills apart from clips."""
    groups: dict[tuple[int, ...], list[int]] = {}
    for i, array in enumerate(arrays):
        groups.setdefault(array.shape, []).append(i)
    return list(groups.values())


def batches_of(
    pixels: Sequence[Array], texts: Sequence[Text], vocabulary: Vocabulary
) -> list[Batch]:
    """Make batches of pictures and their texts, one for each shape of pictures."""
    return [
        Batch(
            **words_in([texts[i] for i in group], vocabulary),
            pixels=np.stack([pixels[i] for i in group]),
        )
        for group in by_shape(pixels)
    ]

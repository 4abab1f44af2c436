"""How well a training goes, by what it generates for the pictures that are held back."""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

import numpy as np

from ..evaluation.measures import cider_d
from ..evaluation.tokens import tokenise
from .fast.model import labels_in, loss_and_gradients
from .lessons.examples import Text
from .teacher import Teacher, batches_for, model_of, read_pixels
from .weights import Weights

AT_ONCE = 16
SAMPLES = 8


class Look(NamedTuple):
    """What a look at the held-back pictures found."""

    loss: float
    exact: float  # the share of whole texts that come out right
    cider: float | None  # CIDEr-D of the captions; None for fewer than two of them
    several: bool  # whether pictures have several captions each
    samples: list[list[str]]  # [key, what it should be, what it is]

    @property
    def score(self) -> tuple[float, ...]:
        """What the best model is chosen by, the more the better.

        With several captions a picture none is the only right one, so CIDEr decides; with one,
        how many come out whole. Ties go to the other of the two, and then to the loss.
        """
        first, second = self.exact, self.cider or 0.0
        return (second, first, -self.loss) if self.several else (first, second, -self.loss)


def look(teacher: Teacher, weights: Weights) -> Look:
    """Generate a text for every picture that is held back, and measure the loss on them."""
    held, vocabulary = teacher.data.validation, teacher.processor.vocabulary
    predictions = [generated(teacher, weights, number) for number in range(len(held))]
    wanted = [[vocabulary.decode(list(text.target)) for text in example.texts] for example in held]
    right = sum(one in several for one, several in zip(predictions, wanted, strict=True))
    captions = [n for n, example in enumerate(held) if not example.texts[0].prompt]
    samples = [
        [held[n].row.key, wanted[n][0], predictions[n]] for n in range(min(SAMPLES, len(held)))
    ]
    return Look(
        loss_of(teacher, weights),
        right / max(1, len(held)),
        cider_of([predictions[n] for n in captions], [wanted[n] for n in captions]),
        any(len(wanted[n]) > 1 for n in captions),
        samples,
    )


def generated(teacher: Teacher, weights: Weights, number: int) -> str:
    """The caption or answer that the model gives to a picture that is held back."""
    prompt = teacher.data.validation[number].texts[0].prompt
    vocabulary = teacher.processor.vocabulary
    ids = model_of(teacher, weights).generate(
        np.array([[vocabulary.start_id, *prompt]]),
        pixel_values=read_pixels(teacher, True, number)[None],
        max_length=teacher.config.max_position_embeddings,
    )
    prediction: str = vocabulary.decode(np.asarray(ids)[0, 1 + len(prompt) :].tolist())
    return prediction


def cider_of(predictions: Sequence[str], wanted: Sequence[Sequence[str]]) -> float | None:
    """CIDEr-D of captions; of a single picture it is 0 by definition, and left out."""
    if len(predictions) < 2:
        return None
    references = [[tokenise(text) for text in several] for several in wanted]
    return cider_d([tokenise(text) for text in predictions], references).all


def loss_of(teacher: Teacher, weights: Weights) -> float:
    """Mean loss over all labels of what is held back, the first text of each picture."""
    held = teacher.data.validation
    total, labels = 0.0, 0
    for start in range(0, len(held), AT_ONCE):
        numbers = list(range(start, min(start + AT_ONCE, len(held))))
        texts: list[Text] = [held[n].texts[0] for n in numbers]
        for batch in batches_for(teacher, True, numbers, texts, [0] * len(numbers), None):
            count = labels_in([batch])
            loss, _ = loss_and_gradients(
                weights.params, teacher.config, batch, count=count, what=teacher.settings.what
            )
            total += count * loss
            labels += count
    return total / max(1, labels)

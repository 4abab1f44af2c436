"""The state of one training: its data, its model, and the batch of each step."""

from __future__ import annotations

from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import NamedTuple

import numpy as np

from ..decoding.options import GenerationConfig
from ..fast.threads import blas_threads
from ..huggingface.models import GitForCausalLM
from ..huggingface.processing.processor import GitProcessor
from ..loading.config import GitConfig
from ..model.params import Array
from .fast.text import Batch
from .lessons.examples import Data, Text, batches_of, pixels_of
from .lessons.kept import Kept, batch_of_kept, make
from .settings import Settings
from .weights import Weights

MEMORY = 2**29  # bytes of pixels that are kept in memory; beyond, pictures are read again


class Teacher(NamedTuple):
    """Everything that one training needs and that does not change."""

    settings: Settings
    config: GitConfig
    processor: GitProcessor
    data: Data
    kept: Kept | None
    pixels: dict[tuple[bool, int], Array]  # in memory: (held back, number) -> pixels
    output: Path
    base: str
    options: GenerationConfig
    total: int
    threads: int


def read_pictures(teacher: Teacher) -> None:
    """Read all pictures once: they are there and whole; keep their pixels while memory lasts."""
    room = MEMORY
    for held, examples in enumerate(teacher.data):
        for number in range(len(examples)):
            pixels = read_pixels(teacher, bool(held), number)
            if held or not teacher.settings.augment:
                room -= pixels.nbytes
                if room > 0:
                    teacher.pixels[bool(held), number] = pixels


def read_pixels(
    teacher: Teacher, held: bool, number: int, crop: np.random.Generator | None = None
) -> Array:
    """The pixels of an example, from memory or from its picture."""
    found = teacher.pixels.get((held, number))
    if found is not None and crop is None:
        return found
    row = teacher.data[int(held)][number].row
    frames = teacher.config.num_image_with_embedding
    return pixels_of(row, teacher.processor, frames=frames, crop=crop)


def order_of(teacher: Teacher, step: int) -> list[int]:
    """The examples of a step, by number: every epoch has all of them, in an order of its own."""
    size = teacher.settings.batch * teacher.settings.accumulate
    count = len(teacher.data.training)
    numbers: list[int] = []
    for place in range(step * size, (step + 1) * size):
        epoch, at = divmod(place, count)
        if not numbers or at == 0:
            order = np.random.default_rng([teacher.settings.seed, 2, epoch]).permutation(count)
        numbers.append(int(order[at]))
    return numbers


def batches_at(teacher: Teacher, step: int) -> list[Batch]:
    """Pictures and words of a step; of several captions one is drawn."""
    rng = np.random.default_rng([teacher.settings.seed, 3, step])
    numbers = order_of(teacher, step)
    examples = [teacher.data.training[n] for n in numbers]
    picked = [int(rng.integers(len(example.texts))) for example in examples]
    texts = [example.texts[i] for example, i in zip(examples, picked, strict=True)]
    return batches_for(teacher, False, numbers, texts, picked, rng)


def batches_for(
    teacher: Teacher,
    held: bool,
    numbers: Sequence[int],
    texts: Sequence[Text],
    picked: Sequence[int],
    rng: np.random.Generator | None,
) -> list[Batch]:
    """Lay examples into batches, from pixels or from what is kept of them."""
    vocabulary, kept = teacher.processor.vocabulary, teacher.kept
    if kept is None:
        crop = rng if teacher.settings.augment else None
        pixels = [read_pixels(teacher, held, n, crop) for n in numbers]
        return batches_of(pixels, texts, vocabulary)
    offset = len(teacher.data.training) if held else 0

    def find(place: int) -> Array:
        n = numbers[place]
        pixels = read_pixels(teacher, held, n)
        return make(kept, offset + n, pixels, texts[place], vocabulary, which=picked[place])

    with blas_threads(1), ThreadPoolExecutor(teacher.threads) as pool:
        arrays = list(pool.map(find, range(len(numbers))))
    return batch_of_kept(kept, arrays, texts, vocabulary)


def model_of(teacher: Teacher, weights: Weights) -> GitForCausalLM:
    """The model as it stands, to generate with or to write."""
    model = GitForCausalLM(teacher.config, weights.params)
    model.generation_config = teacher.options
    model.threads = teacher.threads
    return model

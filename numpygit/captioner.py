"""A model with its processor: ask it for captions and answers."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np

from . import loading
from .decoding.constrained import best_of
from .decoding.decode import Generation, decode
from .decoding.options import AUTHORS, GenerationConfig, load_options
from .decoding.plan import make_plan
from .errors import UserError, shown
from .fast.threads import blas_threads, check_threads
from .huggingface.call import threads_of, towers_of
from .huggingface.models import GitForCausalLM
from .huggingface.processing.authors import original_config
from .huggingface.processing.picture_steps import ImageProcessor, Picture, is_one_picture
from .huggingface.processing.processor import GitProcessor
from .huggingface.reading import PictureOptions
from .loading.config import GitConfig
from .model.generate import keep_rows
from .model.layers import Trace, no_trace
from .model.params import Array
from .model.text import Cache

if TYPE_CHECKING:
    from .inside.explain import Explanation
    from .playground import Live

Subject = Picture | Sequence[Picture] | Cache  # what one can ask about


class Captioner:
    """A model and its processor: ask it for captions and answers.

    A picture is a path, a Pillow picture, a list of these as the frames of a clip, or what `see`
    returned. For a model of clips a path may lead to a clip: GIF, WebP, APNG, or a video.
    """

    def __init__(
        self,
        model: GitForCausalLM,
        processor: GitProcessor,
        name: str,
        *,
        source: Path | None = None,
    ) -> None:
        self.model = model
        self.processor = processor
        self.name = name
        self.source = source  # the file that the weights came from

    def pixels(self, picture: Picture | Sequence[Picture]) -> Array:
        """Prepare a picture or a clip for the model: (1, C, H, W) or (1, frames, C, H, W)."""
        frames = self.model.config.num_image_with_embedding
        return self.processor.pixels(picture, frames=frames)

    def see(self, picture: Picture | Sequence[Picture], *, trace: Trace = no_trace) -> Cache:
        """Look at a picture once, to ask several things about it."""
        interpolate = self.processor.original
        return self.model.see(
            self.pixels(picture), interpolate_pos_encoding=interpolate, trace=trace
        )

    def caption(self, picture: Subject, *, max_length: int | None = None) -> str:
        """Say what the picture shows."""
        text: list[int] = []
        pixels = picture if isinstance(picture, Cache) else self.pixels(picture)
        for ids in self.say(pixels, self.processor.prompt(), max_length=max_length):
            text = ids[0, 1:].tolist()
        return self.processor.words.decode(text)

    def captions(
        self, pictures: Sequence[Picture | Sequence[Picture]], *, max_length: int | None = None
    ) -> list[str]:
        """Say what each of several pictures shows, all of them at once as one batch."""
        if is_one_picture(pictures):
            raise UserError("captions takes a list of pictures; for one picture use caption")
        prepared = [self.pixels(picture) for picture in pictures]
        return self.caption_pixels(prepared, max_length=max_length)

    def caption_pixels(
        self, prepared: Sequence[Array], *, max_length: int | None = None
    ) -> list[str]:
        """Caption what `pixels` has prepared: stills, and clips of equal length, go together."""
        found = [""] * len(prepared)
        for shape in sorted({one.shape for one in prepared}):
            places = [i for i, one in enumerate(prepared) if one.shape == shape]
            batch = np.concatenate([prepared[i] for i in places])
            prompt = self.processor.prompt().repeat(len(batch), axis=0)
            for step in self.say(batch, prompt, max_length=max_length):
                ids = step
            for i, row in zip(places, ids.tolist(), strict=True):
                found[i] = self.processor.words.decode(row[1:])
        return found

    def answer(self, picture: Subject, question: str, *, max_length: int | None = None) -> str:
        """Answer a question about the picture. The question itself is not repeated."""
        return "".join(self.stream(picture, question, max_length=max_length))

    def answers(
        self, picture: Subject, questions: Sequence[str], *, max_length: int | None = None
    ) -> list[str]:
        """Answer several questions about one picture, which is looked at only once."""
        if isinstance(questions, str):
            raise UserError(f"questions is the text {questions!r}; give a list, or use answer")
        seen = picture if isinstance(picture, Cache) else self.see(picture)
        return [self.answer(seen, question, max_length=max_length) for question in questions]

    def stream(
        self,
        picture: Subject,
        question: str | None = None,
        *,
        max_length: int | None = None,
        trace: Trace = no_trace,
    ) -> Iterator[str]:
        """Yield a caption or an answer piece by piece, as its words come.

        A piece is held back until the next token has come, because that can still change it: a
        space before a full stop or an apostrophe goes away.
        """
        if question is not None and not question.strip():
            raise UserError("the question is empty; ask something, or ask for a caption")
        pixels = picture if isinstance(picture, Cache) else self.pixels(picture)
        prompt = self.processor.prompt(question)
        told, before = "", ""
        for ids in self.say(pixels, prompt, max_length=max_length, trace=trace):
            now = self.processor.words.decode(ids[0, prompt.shape[1] :].tolist())
            stable = common_start(before, now)
            if len(stable) > len(told):
                yield stable[len(told) :]
                told = stable
            before = now
        if before[len(told) :]:
            yield before[len(told) :]

    def explain(
        self,
        picture: Picture | Sequence[Picture],
        question: str | None = None,
        *,
        max_length: int | None = None,
        measure: bool = True,
        progress: Callable[[int, int], None] | None = None,
    ) -> Explanation:
        """Make a page of how a caption or an answer comes about; see `numpygit.inside.explain`."""
        from .inside.explain import (
            explain,  # a page is seldom asked for, and takes a while to import
        )

        told = {} if progress is None else {"progress": progress}
        return explain(self, picture, question, max_length=max_length, measure=measure, **told)

    def play(self, *, port: int = 0, height: int = 900) -> Live:
        """Start the playground on this machine: in a notebook its page is shown in the cell.

        `port` 0 takes any that is free. The page ends with the process, or with `.close()`.
        """
        from .playground import Live  # seldom asked for

        return Live(self, port=port, height=height)

    def say(
        self,
        pictures: Array | Cache,
        prompt: Array,
        *,
        max_length: int | None = None,
        trace: Trace = no_trace,
    ) -> Iterator[Array]:
        """Continue prompts: -> ids (B, T), longer by a word each time, or all at once.

        A search with beams, such as the authors', knows its text only at the end.
        """
        asked: dict[str, Any] = {
            "generation_config": self.options(max_length),
            "interpolate_pos_encoding": self.processor.original,
            "trace": trace,
        }
        if asked["generation_config"].num_beams == 1:
            for step in self.model.steps(pictures, prompt, **asked):
                yield step.ids
            return
        pixels, seen = (None, pictures) if isinstance(pictures, Cache) else (pictures, None)
        yield self.model.generate(prompt, pixel_values=pixels, past_key_values=seen, **asked)

    def options(self, max_length: int | None = None) -> GenerationConfig:
        """Say how words are chosen: as `generation_config.json` says, or as the authors do.

        One text for each prompt, and no placeholders of the vocabulary.
        """
        base, places = self.model.generation_config, self.model.config.max_position_embeddings
        if self.processor.original:
            base = AUTHORS.change({"max_length": min(AUTHORS.max_length or places, places)})
        quiet = [*(base.suppress_tokens or ()), *self.processor.words.placeholders]
        length = {} if max_length is None else {"max_length": max_length, "max_new_tokens": None}
        one = {"num_return_sequences": 1, "return_dict_in_generate": False}
        return base.change({"suppress_tokens": quiet, **one, **length})


def common_start(a: str, b: str) -> str:
    """Return what two texts begin with alike."""
    length = 0
    while length < min(len(a), len(b)) and a[length] == b[length]:
        length += 1
    return a[:length]


def load(
    name: str | Path = "microsoft/git-base-coco",
    *,
    revision: str | None = None,
    local_files_only: bool = False,
    token: str | bool | None = None,
    cache_dir: str | Path | None = None,
    preprocessing: str = "hf",
    threads: int | None = None,
    plain: bool = False,
    pictures: PictureOptions | None = None,
) -> Captioner:
    """Load "storybook", a folder, or a model of the Hugging Face Hub, ready to caption.

    `token` and `cache_dir` are for the Hub; without them the environment decides (HF_TOKEN,
    HF_HOME, HF_HUB_CACHE, HF_HUB_OFFLINE, TRANSFORMERS_CACHE, TRANSFORMERS_OFFLINE).
    `preprocessing` "hf" prepares pictures and questions as the checkpoint's files say, "original"
    as the authors' code does: see original.py. `threads` is how many cores to use, None for all
    that NumPy may. `plain` runs the five files of the model alone, to read along or to step
    through; else the room `fast` takes part.
    """
    check_threads(threads)
    where: dict[str, Any] = {"revision": revision, "token": token, "cache_dir": cache_dir}
    folder = loading.find(name, local_files_only=local_files_only, **where)
    processor = GitProcessor.from_folder(folder, preprocessing=preprocessing)
    how = PictureOptions() if pictures is None else pictures
    offline = how.local_files_only or local_files_only
    processor.read_with(replace(how, local_files_only=offline))
    config, params = loading.load(folder)
    check_sizes(processor, config, folder)
    if processor.original:
        config = original_config(config)
    options = load_options(folder, config)
    model = GitForCausalLM(config, params, generation_config=options)
    model.threads, model.plain = threads, plain
    return Captioner(model, processor, str(name), source=loading.weights_file(folder))


def check_sizes(processor: GitProcessor, config: GitConfig, folder: Path) -> None:
    """Refuse settings that prepare pictures of another size than the model takes."""
    steps, size = processor.image_processor.steps, config.vision_config.image_size
    if isinstance(steps, ImageProcessor) and steps.do_center_crop:
        made = (steps.crop_height, steps.crop_width)
        if made != (size, size):
            raise UserError(
                f"{folder / 'preprocessor_config.json'}: crop_size makes pictures of "
                f"{made[0]}x{made[1]}, and the model takes {size}x{size} (image_size)"
            )


class ScoredText(NamedTuple):
    """A caption or an answer, and how likely the model finds it."""

    text: str
    log_probability: float  # of the whole text, its end token included
    mean: float  # the same for each token: comparable between texts of different lengths
    words: list[tuple[str, float]]  # each token and its log-probability


class Label(NamedTuple):
    """One of a list of labels, and how likely the model finds it."""

    label: str
    log_probability: float  # of its tokens and the end token
    share: float | None  # of the probability of all labels; None after a search with beams


def captions(
    captioner: Captioner,
    picture: Subject,
    question: str | None = None,
    **options: Any,
) -> list[ScoredText]:
    """Say what a picture shows, or answer, with scores: the options of `generate` -> texts.

    As many texts as num_return_sequences, the best first.
    """
    cache = look(captioner, picture)
    prompt = captioner.processor.prompt(question)
    found = speak(captioner, cache, prompt, {**options, "output_log_probabilities": True})
    scores = found.log_probabilities
    if scores is None:
        raise AssertionError("asked for just above")
    words = captioner.processor.words
    texts = []
    for row, ids in enumerate(found.sequences[:, prompt.shape[1] :].tolist()):
        counted = scores.words[row].tolist()
        ended = next((i for i, word in enumerate(ids) if word == words.end_id), len(ids) - 1)
        said = [
            (words.tokenizer.id_to_token(i) or "", s) for i, s in zip(ids, counted, strict=True)
        ]
        text, total, mean = words.decode(ids), float(scores.total[row]), float(scores.mean[row])
        texts.append(ScoredText(text, total, mean, said[: ended + 1]))
    return texts


def answers(
    captioner: Captioner,
    picture: Subject,
    questions: Iterable[str],
    **options: Any,
) -> Iterator[str]:
    """Answer one question after the other; only their words are read anew."""
    cache = look(captioner, picture)
    for question in questions:
        if not question.strip():
            raise UserError("a question is empty; ask something, or ask for a caption")
        prompt = captioner.processor.prompt(question)
        ids = speak(captioner, cache, prompt, options).sequences[0, prompt.shape[1] :]
        yield captioner.processor.words.decode(ids.tolist())


def classify(
    captioner: Captioner,
    picture: Subject,
    labels: Sequence[str],
    *,
    top: int = 5,
    question: str | None = None,
    beams: int | None = None,
) -> list[Label]:
    """Say which of the labels the model would rather say of a picture, the best first.

    Every label is scored exactly: the log-probability of its tokens and the end token. For lists
    of many thousands `beams` searches instead, and may miss a label with an unlikely beginning.
    The captioner prepares picture and question its own way; no option of `generate` takes part.
    Source: generation-based classification, arXiv 2205.14100, section 4.3.
    """
    model, texts = captioner.model, encode_labels(captioner, labels)
    if top < 1:
        raise UserError(f"top is {top}; it must be at least 1")
    found = best_of(
        look(captioner, picture),
        captioner.processor.prompt(question),
        texts,
        model.params.text,
        config=model.config,
        top=len(texts) if beams is None else top,
        beams=beams,
    )
    highest = found[0].log_probability if found else 0.0
    all_labels = sum(math.exp(scored.log_probability - highest) for scored in found)
    named = []
    for number, score in found[:top]:
        share = None if beams is not None else math.exp(score - highest) / all_labels
        named.append(Label(labels[number], score, share))
    return named


def encode_labels(captioner: Captioner, labels: Sequence[str]) -> list[list[int]]:
    """Turn labels into token ids; refuse a single text, and labels without words."""
    if isinstance(labels, str):
        raise UserError(f"labels is the text {shown(labels)!r}; give a list of labels")
    texts = [captioner.processor.words.encode(label) for label in labels]
    empty = [label for label, ids in zip(labels, texts, strict=True) if not ids]
    if empty or not texts:
        raise UserError(f"give labels, one or more, with words in them; got {empty or labels!r}")
    return texts


def look(captioner: Captioner, picture: Subject) -> Cache:
    """Encode a picture or a clip once, and let its tokens look at each other."""
    return picture if isinstance(picture, Cache) else captioner.see(picture)


def speak(captioner: Captioner, cache: Cache, prompt: Array, options: dict[str, Any]) -> Generation:
    """Generate from a picture that was looked at, as `Captioner.options` says but for `options`."""
    model = captioner.model
    chosen = captioner.options(options.get("max_length")).change(options)
    plan = make_plan(prompt, config=model.config, options=chosen)
    plan = plan._replace(towers=towers_of(model))
    with blas_threads(threads_of(model)):
        return decode(keep_rows(cache, np.zeros(len(prompt), np.int64)), model.params.text, plan)

"""The three kinds of pipeline, and `pipeline`, which makes them."""

from __future__ import annotations

import logging
from collections.abc import Callable, Iterable, Iterator, Mapping
from copy import copy
from dataclasses import replace
from itertools import islice
from pathlib import Path
from typing import Any

import numpy as np

from ...errors import UserError
from ...loading.hub.keywords import sort_keywords
from ..models import GitForCausalLM
from ..processing.processor import GitProcessor
from .inputs import Item, asked, generate_options, is_several, pairs_of, without

LOG = logging.getLogger("numpygit")
MOST_NEW = 256  # words of image-text-to-text where nobody says how many, as in 5.23


class Pipeline:
    """A model and its processor behind one call; made by `pipeline`."""

    task = ""

    def __init__(self, model: GitForCausalLM, processor: GitProcessor, **defaults: Any) -> None:
        self.model, self.processor = model, processor
        self.tokenizer, self.image_processor = processor.tokenizer, processor.image_processor
        self.defaults = defaults  # of every call
        self.device, self.framework = model.device, "np"

    def run(self, given: Any, item_of: Callable[[Any], Item], options: dict[str, Any]) -> Any:
        """Work through what was given: one thing, a list of things, or a generator of them."""
        options = {**self.defaults, **{n: v for n, v in options.items() if v is not None}}
        check_call(options)
        size = options.pop("batch_size", None) or 1
        if is_several(given):
            results = self.in_batches(map(item_of, given), size, options)
            return list(results) if isinstance(given, list | tuple) else results
        (result,) = self.in_batches([item_of(given)], 1, options)
        return result

    def in_batches(
        self, items: Iterable[Item], size: int, options: dict[str, Any]
    ) -> Iterator[list[dict[str, Any]]]:
        """Go through items, so many at once."""
        waiting = iter(items)
        while batch := list(islice(waiting, size)):
            lengths = [0 if item.text is None else len(self.prompt(item.text)) for item in batch]
            found: list[Any] = [None] * len(batch)
            for length in sorted(set(lengths)):  # prompts of one length need no padding
                numbers = [i for i, each in enumerate(lengths) if each == length]
                made = self.records([batch[i] for i in numbers], **options)
                for i, records in zip(numbers, made, strict=True):
                    found[i] = records
            yield from found

    def records(self, batch: list[Item], **options: Any) -> list[list[dict[str, Any]]]:
        """Make the records of each item of a batch, all with prompts of one length."""
        raise NotImplementedError

    def generated(
        self, batch: list[Item], ids: list[list[int]] | None, options: Mapping[str, Any]
    ) -> Any:
        """Generate for a batch -> rows of ids for each item, (items, texts, T)."""
        pictures = [item.picture for item in batch]
        if getattr(self.image_processor, "is_video", False):  # a picture is a clip of one frame
            pictures = [p if isinstance(p, list | tuple) else [p] for p in pictures]
        prepare: Any = self.image_processor
        if options.get("timeout") is not None:  # of pictures that lie at an address
            prepare = copy(prepare)
            prepare.options = replace(prepare.options, timeout=options["timeout"])
        pixels = prepare(images=pictures, return_tensors="np").pixel_values
        prompt = None if ids is None else np.array(ids, np.int64)
        rows = self.model.generate(prompt, pixel_values=pixels, **generate_options(options))
        rows = getattr(rows, "sequences", rows)
        return rows.reshape(len(batch), -1, rows.shape[-1])

    def prompt(self, text: str) -> list[int]:
        """Write the start token, then a text without special tokens."""
        ids = self.tokenizer(text, add_special_tokens=False).input_ids
        return [self.tokenizer.cls_token_id, *ids]

    def texts(self, rows: Any) -> list[str]:
        """Read rows of ids."""
        return [self.tokenizer.decode(row, skip_special_tokens=True) for row in rows]


class ImageToTextPipeline(Pipeline):
    """Caption pictures, or continue one prompt for all: -> [{"generated_text": ...}, ...]."""

    task = "image-to-text"

    def __call__(
        self,
        images: Any = None,
        prompt: str | None = None,
        max_new_tokens: int | None = None,
        generate_kwargs: Mapping[str, Any] | None = None,
        batch_size: int | None = None,
        timeout: float | None = None,
        inputs: Any = None,
        num_workers: int | None = None,
    ) -> Any:
        """Caption one picture, a list or a generator of pictures."""
        images = inputs if images is None else images
        if images is None:
            raise UserError("give images: a picture, a list of them, or a generator")
        prompt = self.defaults.get("prompt") if prompt is None else prompt
        if prompt is not None and not isinstance(prompt, str):
            raise UserError(
                f"prompt must be one text, for all pictures; got {type(prompt).__name__}"
            )
        options = {"max_new_tokens": max_new_tokens, "generate_kwargs": generate_kwargs,
                   "batch_size": batch_size, "timeout": timeout,
                   "num_workers": num_workers}  # fmt: skip
        return self.run(images, lambda picture: Item(picture, prompt), options)

    def records(self, batch: list[Item], **options: Any) -> list[list[dict[str, Any]]]:
        """Make the records of each picture."""
        has_prompt = batch[0].text is not None
        ids = [self.prompt(item.text or "") for item in batch] if has_prompt else None
        found = self.generated(batch, ids, options)
        return [[{"generated_text": text} for text in self.texts(rows)] for rows in found]


class VisualQuestionAnsweringPipeline(Pipeline):
    """Answer questions: -> [{"answer": ...}, ...]. The question is not repeated."""

    task = "visual-question-answering"

    def __call__(
        self,
        image: Any = None,
        question: Any = None,
        top_k: int | None = None,
        max_new_tokens: int | None = None,
        generate_kwargs: Mapping[str, Any] | None = None,
        batch_size: int | None = None,
        timeout: float | None = None,
        padding: Any = None,
        truncation: Any = None,
        num_workers: int | None = None,
    ) -> Any:
        """Answer questions about pictures, given in one of these ways.

        A picture and a question; one of them, and a list of the other; two lists of one length;
        or {"image": ..., "question": ...}, alone, in a list, or from a generator.
        """
        if top_k not in (None, 1):
            raise UserError(
                f"top_k={top_k} is for models that classify; GIT writes its answer: pass "
                "generate_kwargs={'num_beams': 4, 'num_return_sequences': 4} for several"
            )
        if padding not in (None, False) or truncation not in (None, False):
            raise UserError(
                "questions are neither padded nor cut here; leave padding and truncation out"
            )
        given = image if question is None else pairs_of(image, question)
        options = {"max_new_tokens": max_new_tokens, "generate_kwargs": generate_kwargs,
                   "batch_size": batch_size, "timeout": timeout,
                   "num_workers": num_workers}  # fmt: skip
        return self.run(given, asked, options)

    def records(self, batch: list[Item], **options: Any) -> list[list[dict[str, Any]]]:
        """Make the records of each question."""
        ids = [self.prompt(item.text or "") for item in batch]
        found = self.generated(batch, ids, options)[..., len(ids[0]) :]
        return [[{"answer": text.strip()} for text in self.texts(rows)] for rows in found]


class ImageTextToTextPipeline(Pipeline):
    """Continue texts beside pictures: -> [{"input_text": ..., "generated_text": ...}, ...]."""

    task = "image-text-to-text"

    def __call__(
        self,
        images: Any = None,
        text: Any = None,
        max_new_tokens: int | None = None,
        generate_kwargs: Mapping[str, Any] | None = None,
        return_full_text: bool | None = None,
        return_tensors: bool | None = None,
        batch_size: int | None = None,
        timeout: float | None = None,
        image: Any = None,
        inputs: Any = None,
        num_workers: int | None = None,
    ) -> Any:
        """Continue a text beside a picture, or lists of both; or {"images": ..., "text": ...}."""
        images = next((given for given in (images, image, inputs) if given is not None), None)
        if images is None:
            raise UserError("give images and text; chats and texts alone are not for GIT")
        if return_full_text is not None and return_tensors:
            raise UserError("return_full_text and return_tensors do not go together; leave one out")
        options = {"max_new_tokens": max_new_tokens, "generate_kwargs": generate_kwargs,
                   "batch_size": batch_size, "timeout": timeout, "num_workers": num_workers,
                   "return_full_text": return_full_text,
                   "return_tensors": return_tensors}  # fmt: skip
        if text is None and isinstance(images, Mapping):
            images, text = images.get("images", images.get("image")), images.get("text")
        if text is None and not is_several(images):
            raise UserError("give text as well: the beginning that is continued, or a question")
        given = images if text is None else pairs_of(images, text, names=("images", "text"))
        found = self.run(given, asked, options)
        if isinstance(text, list | tuple):
            return [record for records in found for record in records]
        return found

    def prompt(self, text: str) -> list[int]:
        """Write a text between [CLS] and [SEP], as the official pipeline does."""
        ids: list[int] = self.tokenizer(text).input_ids
        return ids

    def records(self, batch: list[Item], **options: Any) -> list[list[dict[str, Any]]]:
        """Make the records of each text."""
        if "max_new_tokens" not in {**options, **(options.get("generate_kwargs") or {})}:
            positions = self.model.config.max_position_embeddings
            length = len(self.prompt(batch[0].text or ""))
            options["max_new_tokens"] = max(1, min(MOST_NEW, positions - length))
        ids = [self.prompt(item.text or "") for item in batch]
        found = self.generated(batch, ids, options)
        records = []
        for item, rows in zip(batch, found, strict=True):
            if options.get("return_tensors"):
                made = [{"input_text": item.text, "generated_token_ids": row} for row in rows]
            else:
                start = self.texts([self.prompt(item.text or "")])[0]
                is_full = options.get("return_full_text") in (None, True)
                made = [{"input_text": item.text,
                         "generated_text": (item.text or "") * is_full + without(text, start)}
                        for text in self.texts(rows)]  # fmt: skip
            records.append(made)
        return records


TASKS = {
    "image-to-text": ImageToTextPipeline,
    "visual-question-answering": VisualQuestionAnsweringPipeline,
    "vqa": VisualQuestionAnsweringPipeline,
    "image-text-to-text": ImageTextToTextPipeline,
}


def pipeline(
    task: str | None = None,
    model: Any = None,
    *,
    processor: Any = None,
    tokenizer: Any = None,
    image_processor: Any = None,
    feature_extractor: Any = None,
    model_kwargs: Mapping[str, Any] | None = None,
    framework: str | None = None,
    config: Any = None,
    **keywords: Any,
) -> Any:
    """Make a pipeline: a model and its processor behind one call, which gives lists of dicts.

    Parameters
    ----------
    task : str, optional
        "image-to-text", the default, "visual-question-answering", or "image-text-to-text".
    model : str, Path or GitForCausalLM
        A name, a folder, or a model.
    processor, tokenizer, image_processor, feature_extractor : optional
        What prepares texts and pictures; without them what comes with the model.
    model_kwargs : mapping, optional
        Keywords of `from_pretrained`, as those that stand alone.
    framework : str, optional
        Accepted; the arrays are NumPy's.
    config : GitConfig, optional
        Settings in place of those of the files.
    **keywords
        Those of loading, `revision`, `token`, ...; those of a call, `max_new_tokens`,
        `batch_size`, ..., hold for every call.

    Returns
    -------
    Pipeline

    Raises
    ------
    UserError
        For tasks that GIT does not do, and for no model.

    Examples
    --------
    >>> import numpygit
    >>> from numpygit.storybook import EXAMPLES
    >>> captioner = numpygit.pipeline("image-to-text", model="storybook")
    >>> captioner(str(EXAMPLES / "relation.png"))
    [{'generated_text': 'an orange fish in front of a green boat'}]

    Source: transformers 4.37.2 and 5.23, `pipelines/`.
    """
    if task is not None and task not in TASKS:
        raise UserError(f"GIT does not do the task {task!r}; there are: {', '.join(TASKS)}")
    if model is None:
        raise UserError("name a model: pipeline('image-to-text', model='microsoft/git-base-coco')")
    check_framework(framework)
    if keywords.get("device") == -1:  # the CPU, by its number
        del keywords["device"]
    check_call(defaults := {n: keywords.pop(n) for n in CALL_OPTIONS if n in keywords})
    where, rest = sort_keywords({**(model_kwargs or {}), **keywords})
    name = model if isinstance(model, str | Path) else model.name_or_path
    if isinstance(model, str | Path):
        model = GitForCausalLM.from_pretrained(model, config=config, **where, **rest)
    elif rest:
        raise UserError(f"pipeline has no {', '.join(sorted(rest))}")
    pictures = feature_extractor if image_processor is None else image_processor
    if processor is None and tokenizer is not None and pictures is not None:
        processor = GitProcessor(pictures, tokenizer)
    processor = processor_of(processor or name, where)
    return TASKS[task or "image-to-text"](model, processor, **defaults)


def processor_of(given: Any, where: Mapping[str, Any]) -> GitProcessor:
    """Take a processor, or load the one of this name."""
    if not given:
        raise UserError("give the processor too: processor=GitProcessor.from_pretrained(...)")
    is_name = isinstance(given, str | Path)
    made: GitProcessor = GitProcessor.from_pretrained(given, **where) if is_name else given
    return made


CALL_OPTIONS = ("batch_size", "max_new_tokens", "generate_kwargs", "prompt", "timeout",
                "return_full_text", "return_tensors", "num_workers")  # fmt: skip


def check_framework(framework: object) -> None:
    """Take the names of NumPy and PyTorch, whose scripts run here; refuse the others."""
    if framework not in (None, "np", "pt"):
        raise UserError(
            f"framework is {framework!r}; numpygit computes with NumPy: leave framework out"
        )
    LOG.debug("pipeline: framework changes nothing here")


def check_call(options: Mapping[str, Any]) -> None:
    """Refuse options of a call that cannot be; say in the log which change nothing."""
    for name, least in (("batch_size", 1), ("num_workers", 0), ("max_new_tokens", 1)):
        value = options.get(name)
        is_whole = isinstance(value, int | np.integer) and not isinstance(value, bool)
        if value is not None and not (is_whole and value >= least):
            raise UserError(f"{name} is {value!r}, expected a whole number, at least {least}")
    if options.get("num_workers") is not None:
        LOG.debug("pipeline: num_workers changes nothing here; numpygit.scale has workers")
    seconds = options.get("timeout")
    is_number = isinstance(seconds, int | float | np.number) and not isinstance(seconds, bool)
    if seconds is not None and not (is_number and seconds > 0):
        raise UserError(f"timeout is {seconds!r}, expected seconds, more than 0")
    if not isinstance(options.get("generate_kwargs") or {}, Mapping):
        raise UserError(
            f"generate_kwargs is {options['generate_kwargs']!r}, expected options of generate"
        )

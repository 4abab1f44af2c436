"""A model with its processor: ask it for captions and answers."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from .. import loading
from ..decoding.options import AUTHORS, GenerationConfig, load_options
from ..decoding.wording import Wording, common_start
from ..errors import UserError
from ..fast.processes.group import check_running
from ..huggingface.call import fork_for
from ..huggingface.models import GitForCausalLM
from ..huggingface.processing.authors import original_config
from ..huggingface.processing.picture_steps import Picture, is_one_picture
from ..huggingface.processing.processor import GitProcessor
from ..huggingface.reading import PictureOptions
from ..model.layers import Trace, no_trace
from ..model.params import Array
from ..model.text import Cache
from .given import check_frames, check_kind, check_text, list_of, texts_of

if TYPE_CHECKING:
    from ..inside.explain import Explanation
    from ..playground import Live

Subject = Picture | Sequence[Picture] | Cache  # what one can ask about


class Captioner:
    """A model and its processor: ask it for captions and answers. `load` makes one.

    A picture is a path, a Pillow picture, a list of these as the frames of a clip, or what
    `prefill` returned. For a model of clips a path may lead to a clip: GIF, WebP, APNG, or a video.

    Parameters
    ----------
    model : GitForCausalLM
        Config, parameters and the way they are run.
    processor : GitProcessor
        Turns pictures into pixels (1, C, H, W) and questions into token ids (1, T).
    name : str
        What was loaded; it is shown on pages and in files.
    source : Path, optional
        The file that the weights came from.

    Raises
    ------
    UserError
        From every method, for pictures and questions that cannot be, before any large work.

    Examples
    --------
    >>> import numpygit
    >>> from numpygit.storybook import EXAMPLES
    >>> storybook = numpygit.load("storybook")
    >>> picture = EXAMPLES / "relation.png"
    >>> storybook.caption(picture)
    'an orange fish in front of a green boat'

    Source: arXiv 2205.14100.
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
        self.wording = Wording()  # how captions shall be

    def __repr__(self) -> str:
        return f"Captioner({self.name!r}): {self.model!r}"

    def pixels(self, picture: Picture | Sequence[Picture]) -> Array:
        """Prepare a picture or a clip for the model: (1, C, H, W) or (1, frames, C, H, W)."""
        config = self.model.config
        self.processor.check_sizes(config, self.name)
        pixels = self.processor.pixels(picture, frames=config.num_image_with_embedding)
        if pixels.ndim == 5:
            check_frames(pixels, config.num_image_with_embedding, self.name)
        return pixels

    def prefill(self, picture: Picture | Sequence[Picture], *, trace: Trace = no_trace) -> Cache:
        """Prefill the KV cache with a picture once, to ask several things about it."""
        pixels, interpolate = self.pixels(picture), self.processor.original
        return self.model.prefill(pixels, interpolate_pos_encoding=interpolate, trace=trace)

    see = prefill  # its earlier name

    def caption(
        self,
        picture: Subject,
        *,
        max_length: int | None = None,
        begin: str | None = None,
        **options: Any,
    ) -> str:
        """Say what the picture shows.

        `begin` are words that the caption begins with, "a photo of"; `options` are those of
        `generate`, for this caption. What is not given is as `self.wording` says.
        """
        text: list[int] = []
        pixels = picture if isinstance(picture, Cache) else self.pixels(picture)
        begin = self.wording.begin if begin is None else begin
        prompt = self.processor.prompt(begin=begin)
        for ids in self.generate(pixels, prompt, max_length=max_length, **options):
            text = ids[0, 1:].tolist()
        return self.wording.around(self.processor.vocabulary.decode(text))

    def caption_prompt(self, begin: str | None = None) -> Array:
        """Write the words that a caption starts with: the start token, then `begin` -> (1, T)."""
        return self.processor.prompt(begin=self.wording.begin if begin is None else begin)

    def captions(
        self,
        pictures: Sequence[Picture | Sequence[Picture]],
        *,
        max_length: int | None = None,
        begin: str | None = None,
        **options: Any,
    ) -> list[str]:
        """Say what each of several pictures shows, all of them at once as one batch.

        The keywords are those of `caption`.
        """
        if is_one_picture(pictures):
            raise UserError("captions takes a list of pictures; for one picture use caption")
        prepared = [self.pixels(picture) for picture in list_of(pictures, "pictures")]
        return self.caption_pixels(prepared, max_length=max_length, begin=begin, **options)

    def caption_pixels(
        self,
        prepared: Sequence[Array],
        *,
        max_length: int | None = None,
        begin: str | None = None,
        **options: Any,
    ) -> list[str]:
        """Caption what `pixels` has prepared: stills, and clips of equal length, go together."""
        found = [""] * len(prepared)
        for shape in sorted({one.shape for one in prepared}):
            numbers = [i for i, one in enumerate(prepared) if one.shape == shape]
            batch = np.concatenate([prepared[i] for i in numbers])
            prompt = self.caption_prompt(begin).repeat(len(batch), axis=0)
            for step in self.generate(batch, prompt, max_length=max_length, **options):
                ids = step
            for i, row in zip(numbers, ids.tolist(), strict=True):
                found[i] = self.wording.around(self.processor.vocabulary.decode(row[1:]))
        return found

    def answer(self, picture: Subject, question: str, *, max_length: int | None = None) -> str:
        """Answer a question about the picture. The question itself is not repeated."""
        check_text(question, "the question")
        return "".join(self.stream(picture, question, max_length=max_length))

    def answers(
        self, picture: Subject, questions: Sequence[str], *, max_length: int | None = None
    ) -> list[str]:
        """Answer several questions about one picture, which is looked at only once."""
        asked = texts_of(questions, "questions", instead=", or use answer")
        cache = picture if isinstance(picture, Cache) else self.prefill(picture)
        return [self.answer(cache, question, max_length=max_length) for question in asked]

    def stream(
        self,
        picture: Subject,
        question: str | None = None,
        *,
        max_length: int | None = None,
        trace: Trace = no_trace,
        **options: Any,
    ) -> Iterator[str]:
        """Yield a caption or an answer piece by piece, as its words come.

        A piece is held back until the next token has come, because that can still change it: a
        space before a full stop or an apostrophe goes away.
        """
        if question is not None:
            check_text(question, "the question")
        if question is not None and not question.strip():
            raise UserError("the question is empty; ask something, or ask for a caption")
        pixels = picture if isinstance(picture, Cache) else self.pixels(picture)
        is_caption = question is None
        prompt = self.caption_prompt() if is_caption else self.processor.prompt(question)
        first = 1 if is_caption else prompt.shape[1]
        yielded, before = "", ""
        if is_caption and self.wording.prefix:
            yield self.wording.prefix
        for ids in self.generate(pixels, prompt, max_length=max_length, trace=trace, **options):
            now = self.processor.vocabulary.decode(ids[0, first:].tolist())
            stable = common_start(before, now)
            if len(stable) > len(yielded):
                yield stable[len(yielded) :]
                yielded = stable
            before = now
        if before[len(yielded) :]:
            yield before[len(yielded) :]
        if is_caption and self.wording.suffix:
            yield self.wording.suffix

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
        from ..inside.explain import explain  # seldom asked for, and slow to import

        more = {} if progress is None else {"progress": progress}
        return explain(self, picture, question, max_length=max_length, measure=measure, **more)

    def play(self, *, port: int = 0, height: int = 900) -> Live:
        """Start the playground on this machine: in a notebook its page is shown in the cell.

        `port` 0 takes any that is free. The page ends with the process, or with `.close()`.
        """
        from ..playground import Live  # seldom asked for

        return Live(self, port=port, height=height)

    def generate(
        self,
        pictures: Array | Cache,
        prompt: Array,
        *,
        max_length: int | None = None,
        trace: Trace = no_trace,
        **options: Any,
    ) -> Iterator[Array]:
        """Continue prompts: -> ids (B, T), longer by a token each time, or all at once.

        A search with beams, such as the authors', has its text only at the end.
        """
        asked: dict[str, Any] = {
            "generation_config": self.options(max_length, **options),
            "interpolate_pos_encoding": self.processor.original,
            "trace": trace,
        }
        if asked["generation_config"].num_beams == 1:
            for step in self.model.steps(pictures, prompt, **asked):
                yield step.ids
            return
        pixels, cache = (None, pictures) if isinstance(pictures, Cache) else (pictures, None)
        yield self.model.generate(prompt, pixel_values=pixels, past_key_values=cache, **asked)

    say = generate  # its earlier name

    def options(self, max_length: int | None = None, **options: Any) -> GenerationConfig:
        """Say how words are chosen: as `generation_config.json` says, or as the authors do.

        One text for each prompt, and no placeholders of the vocabulary.
        """
        base, positions = self.model.generation_config, self.model.config.max_position_embeddings
        if self.processor.original:
            base = AUTHORS.change({"max_length": min(AUTHORS.max_length or positions, positions)})
        vocabulary = self.processor.vocabulary
        return chosen(
            base,
            self.wording,
            vocabulary.encode,
            placeholders=vocabulary.placeholders,
            max_length=max_length,
            asked=options,
        )


def chosen(
    base: GenerationConfig,
    wording: Wording,
    encode: Callable[[str], list[int]],
    *,
    placeholders: Sequence[int],
    max_length: int | None,
    asked: Mapping[str, Any],
) -> GenerationConfig:
    """Say how one text for each prompt is chosen: `base`, then the wording's options, then `asked`.

    Placeholders of the vocabulary are never chosen. Raises UserError for several texts, and for
    forbidden words that are empty.
    """
    options = {**wording.options, **asked}
    if options.pop("num_return_sequences", 1) != 1:
        raise UserError(
            "a caption is one text; for several with their scores use numpygit.captioner.captions"
        )
    suppressed = [*(base.suppress_tokens or ()), *options.pop("suppress_tokens", ()), *placeholders]
    banned = [*(base.bad_words_ids or ()), *(options.pop("bad_words_ids", None) or ())]
    for word in wording.forbid:
        ids = encode(word)
        if not ids:
            raise UserError(f"forbid has {word!r}, which has no words in it")
        banned.append(ids)
    if max_length is not None:
        options |= {"max_length": max_length, "max_new_tokens": None}
    if banned:
        options["bad_words_ids"] = banned
    one = {"num_return_sequences": 1, "return_dict_in_generate": False}
    return base.change({"suppress_tokens": suppressed, **one, **options})


def load(
    name: str | Path = "microsoft/git-base-coco",
    *,
    base: str | Path | None = None,
    revision: str | None = None,
    local_files_only: bool = False,
    token: str | bool | None = None,
    cache_dir: str | Path | None = None,
    preprocessing: str = "hf",
    threads: int | None = None,
    plain: bool = False,
    processes: bool = False,
    pictures: PictureOptions | None = None,
    wording: Wording | None = None,
) -> Captioner:
    """Load "storybook", a folder, or a model of the Hugging Face Hub, ready to caption.

    Parameters
    ----------
    name : str or Path
        "storybook", the bundled model; a folder with the files of the Hub or of the authors; an id
        of the Hub, downloaded once; or an adapter of PEFT (LoRA), added to its base model.
    base : str or Path, optional
        The base model of an adapter, where its own settings do not name it, or name another place.
    revision : str, optional
        A branch, tag or commit of the Hub.
    local_files_only : bool
        Take what is on this machine and never ask the network.
    token : str, optional
        Of the Hub; without it the environment decides (HF_TOKEN).
    cache_dir : str or Path, optional
        Where downloads are kept; without it HF_HOME, HF_HUB_CACHE and TRANSFORMERS_CACHE decide.
    preprocessing : "hf" or "original"
        Prepare pictures and questions as the checkpoint's files say, or as the authors' code does.
    threads : int, optional
        How many cores to use; None for all that NumPy may.
    plain : bool
        Run the five files of `model/` alone, to read along or to step through; the same words.
    processes : bool
        Fork processes that share the work, as threads else do: quicker, mostly on many cores.
        Linux on x86-64, while no other thread computes. See `numpygit.fast.processes`.
    pictures : PictureOptions, optional
        Where pictures may come from, and how they are read.
    wording : Wording, optional
        How captions shall be: their beginning, forbidden words, the options of `generate`.

    Returns
    -------
    Captioner

    Raises
    ------
    NotFoundError
        For a name or a folder that is not there, or no network; it names the cache.
    UserError
        For files that are damaged, or do not fit their config; for processes without a fork.

    Examples
    --------
    >>> import numpygit
    >>> numpygit.load("storybook").name
    'storybook'
    """
    check_running(threads, processes=processes, plain=plain)
    check_kind(pictures, PictureOptions, "pictures")
    check_kind(wording, Wording, "wording")
    where: dict[str, Any] = {"revision": revision, "token": token, "cache_dir": cache_dir}
    where["local_files_only"] = local_files_only
    is_original = preprocessing == "original"  # then the config is asked too
    files = loading.SMALL_FILES if is_original else (*loading.PICTURE_FILES, *loading.WORD_FILES)
    small = loading.find(name, files=files, base=base, **where)  # before any weight is fetched
    processor = GitProcessor.from_folder(small, preprocessing=preprocessing)
    folder, adapter = loading.find_with_adapter(name, base=base, **where)
    how = pictures or PictureOptions()
    processor.read_with(replace(how, local_files_only=how.local_files_only or local_files_only))
    config, params = loading.load(folder, adapter=adapter)
    config = original_config(config) if processor.original else config
    model = GitForCausalLM(config, params, generation_config=load_options(folder, config))
    model.threads, model.plain = threads, plain
    model.group = fork_for(model) if processes else None
    captioner = Captioner(model, processor, str(name), source=loading.weights_file(folder))
    captioner.wording = wording or Wording()
    return captioner

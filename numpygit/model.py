"""Parameters and config behind the names that Hugging Face users know. No mathematics: that is in
the five files.

`GitVisionModel` is the picture tower, `GitModel` adds the text tower, `GitForCausalLM` the
vocabulary head. Arguments, outputs and defaults are those of the documentation of transformers
4.37.2, with NumPy arrays. `docs/official-bugs.md` lists where results differ on purpose.
"""

from __future__ import annotations

import warnings
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np

from . import adapt, checkpoint, pretrained
from .call import (
    Ran,
    check_past,
    mask_of_new_words,
    masked_attentions,
    memory_of,
    pictures,
    run,
)
from .config import GitConfig, GitVisionConfig
from .decoding import Calls, Generation, GenerationConfig, Plan, decode, lazily, make_plan
from .errors import NotFiniteError, UserError
from .fast import PLAIN, Towers, fast_towers
from .generate import Choose, Step
from .initial import random_model, random_tower
from .layers import Trace, no_trace, scope
from .loss import next_word_loss
from .outputs import ModelOutput
from .params import Array, Git, Vision
from .text import Cache, forward
from .threads import blas_threads, check_threads, default_threads, keep_freed_memory, limited
from .trace import Recorder, together

Pixels = Array | list[Array]
SMALL = 1_000_000  # numbers of a matrix
Outputs = ModelOutput | tuple[Any, ...]


class GitVisionModel:
    """The picture tower. Without params, random ones are drawn from `seed`."""

    threads: int | None = None  # see GitForCausalLM
    plain: bool = False

    def __init__(
        self, config: GitVisionConfig, params: Vision | None = None, *, seed: int = 0
    ) -> None:
        self.config = config
        self.params = random_tower(config, seed=seed) if params is None else params

    @classmethod
    def from_pretrained(
        cls, name: str | Path, *, revision: str | None = None, local_files_only: bool = False
    ) -> GitVisionModel:
        """Load the picture tower of a whole GIT, or one that was saved alone."""
        folder = checkpoint.find(name, revision=revision, local_files_only=local_files_only)
        return cls(*pretrained.load_tower(folder))

    def save_pretrained(self, save_directory: str | Path) -> None:
        """Write config and parameters into a folder."""
        pretrained.save_tower(save_directory, self.config, self.params)

    def forward(
        self,
        pixel_values: Pixels | None = None,
        output_attentions: bool | None = None,
        output_hidden_states: bool | None = None,
        interpolate_pos_encoding: bool = False,
        return_dict: bool | None = None,
        *,
        trace: Trace = no_trace,
    ) -> Outputs:
        """Encode stills (B, C, H, W) -> last_hidden_state (B, P + 1, D), hidden_states, attentions.

        The last hidden state is normalised once more; the last of hidden_states is not.
        Attentions (B, N, P + 1, P + 1), one a layer. Raises UserError for none, and for clips.
        """
        if pixel_values is None:
            raise UserError("You have to specify pixel_values")
        pixels = pictures(pixel_values)
        if pixels.ndim != 4:
            raise UserError(
                f"the picture tower takes stills (B, C, H, W); got shape {pixels.shape}. "
                "Clips go into GitModel or GitForCausalLM"
            )
        asked = chosen(self.config, output_attentions, output_hidden_states, return_dict)
        recorder, seen = Recorder("vision.x", "vision.*.x", "vision.*.weights"), trace
        if asked["hidden_states"] or asked["attentions"]:
            seen = together(recorder, trace)
        p, stretch = self.params, interpolate_pos_encoding
        tower = towers_of(self).image_tokens
        last = tower(pixels, p, config=self.config, interpolate=stretch, trace=seen)
        check_finite(last, p)
        states = recorder.like("vision.x", "vision.*.x")
        attentions = recorder.like("vision.*.weights")
        outputs = ModelOutput(
            last_hidden_state=last,
            hidden_states=states if asked["hidden_states"] else None,
            attentions=attentions if asked["attentions"] else None,
        )
        return outputs if asked["dict"] else outputs.to_tuple()

    __call__ = forward

    def get_input_embeddings(self) -> Array:
        """Return the matrix that turns patches into tokens: (D, C * patch * patch)."""
        return self.params.patch_embedding

    def eval(self) -> GitVisionModel:
        """Return the model: it has no other mode."""
        return self


class GitModel:
    """Both towers, without the vocabulary head. Without params, random ones from `seed`."""

    threads: int | None = None  # see GitForCausalLM
    plain: bool = False

    def __init__(self, config: GitConfig, params: Git | None = None, *, seed: int = 0) -> None:
        self.config = config
        self.params = adapt.headless(random_model(config, seed=seed) if params is None else params)

    @classmethod
    def from_pretrained(
        cls, name: str | Path, *, revision: str | None = None, local_files_only: bool = False
    ) -> GitModel:
        """Load "storybook", a folder, or a model of the Hugging Face Hub."""
        folder = checkpoint.find(name, revision=revision, local_files_only=local_files_only)
        return cls(*pretrained.load_body(folder))

    def save_pretrained(self, save_directory: str | Path) -> None:
        """Write config and parameters into a folder."""
        pretrained.save_model(save_directory, self.config, self.params)

    def forward(
        self,
        input_ids: Array | None = None,
        attention_mask: Array | None = None,
        position_ids: Array | None = None,
        pixel_values: Pixels | None = None,
        head_mask: Array | None = None,
        inputs_embeds: Array | None = None,
        past_key_values: Cache | None = None,
        use_cache: bool | None = None,
        output_attentions: bool | None = None,
        output_hidden_states: bool | None = None,
        return_dict: bool | None = None,
        interpolate_pos_encoding: bool = False,
        *,
        trace: Trace = no_trace,
    ) -> Outputs:
        """Read words beside pictures: see GitForCausalLM for the arguments.

        -> last_hidden_state (B, M + T, D), past_key_values, hidden_states, attentions.
        """
        ran = call(
            self, input_ids, attention_mask, position_ids, pixel_values, head_mask, inputs_embeds,
            past_key_values, interpolate_pos_encoding, 0, trace,
        )  # fmt: skip
        asked = chosen(self.config, output_attentions, output_hidden_states, return_dict, use_cache)
        return outputs_of(ran, asked, last_hidden_state=ran.hidden)

    __call__ = forward

    def get_input_embeddings(self) -> Array:
        """Return the word embedding (V, D)."""
        return self.params.text.word_embedding

    def set_input_embeddings(self, value: Array) -> None:
        """Put another word embedding (V, D) in its place."""
        self.params = adapt.replace_words(self.params, value)

    def prune_heads(self, heads_to_prune: Mapping[int, Sequence[int]]) -> None:
        """Silence heads of the text tower for good: {layer: [head, ...]}."""
        prune(self, heads_to_prune)

    def eval(self) -> GitModel:
        """Return the model: it has no other mode."""
        return self


class GitForCausalLM:
    """GIT with its vocabulary head. Without params, random ones are drawn from `seed`.

    A call takes input_ids (B, T), or inputs_embeds (B, T, D), vectors in their place;
    attention_mask (B, T), 1 a word, 0 padding; position_ids (B, T), else words are counted,
    padding on the left left out; pixel_values: stills (B, C, H, W), clips (B, frames, C, H, W), a
    list of frames, or none, of other sizes with interpolate_pos_encoding; head_mask (N,) or
    (L, N), 0 silences a head; labels (B, T), see `loss.next_word_loss`; past_key_values of an
    earlier call, after which only new words, one or several, go in, and no picture.

    -> loss with labels, logits (B, M + T, V), past_key_values, hidden_states L + 1 times
    (B, M + T, D), attentions L times (B, N, M + T, M + T). After a cache the first M + T is T.
    `logits_to_keep` keeps the last logits only. Raises UserError, a ValueError, for what does not
    fit.

    `threads` is how many cores to use, None for all that NumPy may. `plain` runs the five files
    alone, to read along or to step through; else, unless something traces, fast.py takes part.
    """

    threads: int | None = None
    plain: bool = False

    def __init__(
        self,
        config: GitConfig,
        params: Git | None = None,
        *,
        generation_config: GenerationConfig | None = None,
        seed: int = 0,
    ) -> None:
        self.config = config
        self.params = random_model(config, seed=seed) if params is None else params
        self.generation_config = generation_config or GenerationConfig.from_model_config(config)

    @classmethod
    def from_pretrained(
        cls, name: str | Path, *, revision: str | None = None, local_files_only: bool = False
    ) -> GitForCausalLM:
        """Load "storybook", a folder, or a model of the Hugging Face Hub."""
        folder = checkpoint.find(name, revision=revision, local_files_only=local_files_only)
        config, params = checkpoint.load(folder)
        return cls(config, params, generation_config=pretrained.load_options(folder, config))

    def save_pretrained(self, save_directory: str | Path) -> None:
        """Write config, options and parameters into a folder, for transformers 4.26 to 4.56 too.

        Later versions, 5.23 included, read all but the temporal embeddings of a clip model: they
        look for `img_temporal_embedding` where official files say `img_temperal_embedding`.
        """
        pretrained.save_model(save_directory, self.config, self.params)
        pretrained.save_options(save_directory, self.generation_config)

    def forward(
        self,
        input_ids: Array | None = None,
        attention_mask: Array | None = None,
        position_ids: Array | None = None,
        pixel_values: Pixels | None = None,
        head_mask: Array | None = None,
        inputs_embeds: Array | None = None,
        labels: Array | None = None,
        past_key_values: Cache | None = None,
        use_cache: bool | None = None,
        output_attentions: bool | None = None,
        output_hidden_states: bool | None = None,
        return_dict: bool | None = None,
        interpolate_pos_encoding: bool = False,
        logits_to_keep: int = 0,
        *,
        label_smoothing: float = 0.0,
        trace: Trace = no_trace,
    ) -> Outputs:
        """Read words beside pictures and score every next word: arguments as for the class."""
        keep = 0 if labels is not None else logits_to_keep
        ran = call(
            self, input_ids, attention_mask, position_ids, pixel_values, head_mask, inputs_embeds,
            past_key_values, interpolate_pos_encoding, keep, trace,
        )  # fmt: skip
        asked = chosen(self.config, output_attentions, output_hidden_states, return_dict, use_cache)
        loss = None
        if labels is not None:
            asked["cache"] = False
            loss = loss_of(ran, past_key_values, labels, smoothing=label_smoothing)
        return outputs_of(ran, asked, loss=loss, logits=ran.logits[:, -logits_to_keep:])

    __call__ = forward

    @property
    def git(self) -> GitModel:
        """The same model without its vocabulary head."""
        return GitModel(self.config, self.params)

    def get_input_embeddings(self) -> Array:
        """Return the word embedding (V, D)."""
        return self.params.text.word_embedding

    def set_input_embeddings(self, value: Array) -> None:
        """Put another word embedding (V, D) in its place."""
        self.params = adapt.replace_words(self.params, value)

    def get_output_embeddings(self) -> Array:
        """Return the matrix of the vocabulary head (V, D)."""
        return self.params.text.head.weight

    def resize_token_embeddings(self, new_num_tokens: int, *, seed: int = 0) -> Array:
        """Cut or extend the vocabulary and its head; new vectors are random. -> (V, D)."""
        self.params = adapt.resize_words(
            self.params, new_num_tokens, spread=self.config.initializer_range, seed=seed
        )
        self.config.vocab_size = new_num_tokens
        return self.params.text.word_embedding

    def prune_heads(self, heads_to_prune: Mapping[int, Sequence[int]]) -> None:
        """Silence heads of the text tower for good: {layer: [head, ...]}."""
        prune(self, heads_to_prune)

    def eval(self) -> GitForCausalLM:
        """Return the model: it has no other mode."""
        return self

    def memory(
        self,
        pixel_values: Pixels | None,
        *,
        interpolate_pos_encoding: bool = False,
        trace: Trace = no_trace,
    ) -> Array:
        """Encode pictures for the text tower: (B, C, H, W) or clips -> (B, M, D)."""
        interpolate = interpolate_pos_encoding
        return memory_of(
            pixel_values,
            self.params,
            config=self.config,
            interpolate=interpolate,
            towers=towers_of(self),
            trace=trace,
        )

    def see(
        self,
        pixel_values: Pixels | None,
        *,
        interpolate_pos_encoding: bool = False,
        trace: Trace = no_trace,
    ) -> Cache:
        """Look at pictures once: what `steps` needs of them, for as many prompts as you like."""
        memory = self.memory(
            pixel_values, interpolate_pos_encoding=interpolate_pos_encoding, trace=trace
        )
        return towers_of(self).see(
            memory, self.params.text, config=self.config, trace=scope(trace, "image")
        )

    def logits(
        self,
        input_ids: Array,
        pixel_values: Array | None = None,
        *,
        attention_mask: Array | None = None,
        interpolate_pos_encoding: bool = False,
        trace: Trace = no_trace,
    ) -> Array:
        """Score every next word at every place, without a cache: -> (B, M + T, V)."""
        input_ids = as_ids(input_ids)
        memory = self.memory(
            pixel_values, interpolate_pos_encoding=interpolate_pos_encoding, trace=trace
        )
        logits, _ = forward(
            same_rows(memory, input_ids),
            input_ids,
            self.params.text,
            config=self.config,
            attention_mask=attention_mask,
            trace=trace,
        )
        check_finite(logits, self.params)
        return logits

    def steps(
        self,
        pixel_values: Pixels | Cache | None = None,
        input_ids: Array | None = None,
        *,
        attention_mask: Array | None = None,
        generation_config: GenerationConfig | None = None,
        choose: Choose | None = None,
        interpolate_pos_encoding: bool = False,
        trace: Trace = no_trace,
        **options: Any,
    ) -> Iterator[Step]:
        """Continue a prompt word by word; arguments and options as for `generate`.

        Pictures that `see` has looked at may be given as its Cache. `choose` replaces the
        likeliest word, or the draw, by a choice of your own.
        """
        chosen = (generation_config or self.generation_config).change(options)
        plan = self.plan(pixel_values, input_ids, attention_mask, chosen, Calls())
        try:
            known = self.known(pixel_values, interpolate_pos_encoding, trace)
            steps = lazily(known, self.params.text, plan, choose=choose, trace=trace)
            yield from limited(steps, threads_of(self))
        except NotFiniteError:
            raise self.why_not_finite() from None

    def why_not_finite(self) -> UserError:
        """Say where infinities and NaN come from."""
        return why_not_finite(self.params)

    def generate(
        self,
        pixel_values: Pixels | None = None,
        input_ids: Array | None = None,
        *,
        attention_mask: Array | None = None,
        inputs_embeds: Array | None = None,
        head_mask: Array | None = None,
        past_key_values: Cache | None = None,
        generation_config: GenerationConfig | None = None,
        logits_processor: Sequence[Callable[[Array, Array], Array]] | None = None,
        stopping_criteria: Sequence[Callable[..., Any]] | None = None,
        prefix_allowed_tokens_fn: Callable[[int, Array], Sequence[int]] | None = None,
        streamer: Any = None,
        interpolate_pos_encoding: bool = False,
        trace: Trace = no_trace,
        **options: Any,
    ) -> Array | Generation:
        """Continue prompts to the end: -> ids (B, T), prompt included, padded where finished.

        Without input_ids every picture starts from the start token. One picture serves several
        prompts, padded on either side. Of prompts as inputs_embeds (B, T, D) only the new words
        come back. past_key_values, from an earlier Generation or from `see`, stands for pictures
        and for the first words of the prompt. Options are the fields of `GenerationConfig`, by
        default as in `generation_config`; return_dict_in_generate gives a `Generation`.
        """
        processors, criteria = logits_processor or (), stopping_criteria or ()
        calls = Calls(processors, criteria, prefix_allowed_tokens_fn, streamer)
        params, stand_ins = self.prepared(head_mask, inputs_embeds)
        seen = past_key_values or pixel_values
        chosen = (generation_config or self.generation_config).change(options)
        plan = self.plan(seen, input_ids, attention_mask, chosen, calls, stand_ins)
        try:
            known = self.known(seen, interpolate_pos_encoding, trace)
            with blas_threads(threads_of(self)):
                found = decode(known, params.text, plan, trace=trace)
        except NotFiniteError:
            raise self.why_not_finite() from None
        found = show_masked(found, head_mask)
        return found if plan.options.return_dict_in_generate else found.sequences

    def prepared(
        self, head_mask: Array | None, inputs_embeds: Array | None
    ) -> tuple[Git, Array | None]:
        """Mask heads, and give vectors ids to stand for them: -> params, and those ids (B, T)."""
        params = self.params
        if head_mask is not None:
            heads = self.config.num_attention_heads
            params = adapt.mask_heads(params, head_mask, heads=heads)
        if inputs_embeds is None:
            return params, None
        return adapt.with_vectors(params, as_vectors(inputs_embeds, self.config.hidden_size))

    def known(self, seen: Pixels | Cache | None, interpolate: bool, trace: Trace) -> Array | Cache:
        """Encode pictures, unless they have been looked at before."""
        if isinstance(seen, Cache):
            return seen
        return self.memory(seen, interpolate_pos_encoding=interpolate, trace=trace)

    def plan(
        self,
        seen: Pixels | Cache | None,
        input_ids: Array | None,
        attention_mask: Array | None,
        chosen: GenerationConfig,
        calls: Calls,
        stand_ins: Array | None = None,
    ) -> Plan:
        """Check what `generate` was given, before any work."""
        if input_ids is None and stand_ins is not None:
            input_ids = stand_ins[:, :0]
        elif input_ids is None:
            rows = 1 if seen is None else count_rows(seen)
            start = self.config.bos_token_id
            start = start if chosen.bos_token_id is None else chosen.bos_token_id
            input_ids = np.full((rows, 1), start, np.int64)
            attention_mask = np.ones((rows, 1), np.int64)
        return make_plan(
            as_ids(input_ids),
            config=self.config,
            options=chosen,
            attention_mask=attention_mask,
            calls=calls,
            stand_ins=stand_ins,
        )._replace(towers=towers_of(self))


def threads_of(model: GitVisionModel | GitModel | GitForCausalLM) -> int:
    """Say how many cores a model uses: what was asked for, else all that NumPy may.

    A small model gets one: its products end before a second thread has begun, and threads that
    wait for one another are slow on a machine that has other work.
    """
    check_threads(model.threads)
    if model.threads is not None:
        return model.threads
    is_small = model.config.hidden_size * model.config.intermediate_size < SMALL
    return 1 if is_small else default_threads()


def towers_of(model: GitVisionModel | GitModel | GitForCausalLM) -> Towers:
    """Choose the functions that run a model."""
    keep_freed_memory()
    return PLAIN if model.plain else fast_towers(threads_of(model))


def show_masked(found: Generation, head_mask: Array | None) -> Generation:
    """Multiply the attentions of a run, if it has any, by its head mask, if it has one."""
    if found.attentions is None or head_mask is None:
        return found
    shown = tuple(masked_attentions(step, head_mask) for step in found.attentions)
    return replace(found, attentions=shown)


def as_ids(input_ids: Array) -> Array:
    """Refuse what cannot be rows of token ids."""
    ids = np.asarray(input_ids)
    if ids.ndim != 2 or not np.issubdtype(ids.dtype, np.integer):
        raise UserError(
            f"input_ids must be whole numbers of shape (B, T); got {ids.dtype} of shape {ids.shape}"
        )
    return ids


def check_finite(result: Array, params: Git | Vision) -> None:
    """Stop at infinities and NaN instead of handing them out."""
    with np.errstate(all="ignore"):
        if not np.isfinite(result.sum()) and not np.isfinite(result).all():
            raise why_not_finite(params)


def why_not_finite(params: Git | Vision) -> UserError:
    """Say where infinities and NaN come from: weights that are mapped are first read here."""
    broken = list(checkpoint.not_finite(params))
    if broken:
        return UserError(
            f"the weights are damaged: {', '.join(broken[:5])} hold numbers that are not finite"
        )
    return UserError(
        "pixel_values, or vectors in place of words, hold numbers that are not finite, or far too "
        "large"
    )


def same_rows(memory: Array, input_ids: Array) -> Array:
    """Give each row of words its picture: one picture serves all rows, else one a row."""
    rows = input_ids.shape[0]
    if memory.shape[0] == rows:
        return memory
    if memory.shape[0] == 1:
        return np.repeat(memory, rows, axis=0)
    raise UserError(
        f"got {memory.shape[0]} pictures and {rows} rows of input_ids; "
        "give one row for each picture, or one picture for all rows"
    )


def count_rows(seen: Pixels | Cache) -> int:
    """Count the pictures in pixels or in a Cache."""
    return len(seen.attention_mask if isinstance(seen, Cache) else pictures(seen))


def call(
    model: GitModel | GitForCausalLM,
    input_ids: Array | None,
    attention_mask: Array | None,
    position_ids: Array | None,
    pixel_values: Pixels | None,
    head_mask: Array | None,
    inputs_embeds: Array | None,
    past: Cache | None,
    interpolate: bool,
    keep: int,
    trace: Trace,
) -> Ran:
    """Check what was given, and run the model once."""
    words = words_of(input_ids, inputs_embeds, model.config.hidden_size)
    if past is not None:
        check_past(past, len(words), model.config)
    if attention_mask is None and input_ids is not None:
        warn_of_padding(words, model.config)
    mask, past = mask_of_new_words(attention_mask, words.shape[:2], past)
    if past is None:
        memory = memory_of(
            pixel_values, model.params, config=model.config, interpolate=interpolate,
            towers=towers_of(model), trace=trace,
        )  # fmt: skip
        memory = same_rows(memory, words)
    else:
        if pixel_values is not None and past.image[0].k.shape[2] == 0:
            raise UserError(
                "past_key_values comes from a call without a picture; pass pixel_values in the "
                "first call, the later ones remember it"
            )
        memory = np.zeros((len(words), 0, model.config.hidden_size), np.float32)
    ran = run(
        words, memory, model.params, config=model.config, attention_mask=mask,
        position_ids=position_ids, head_mask=head_mask, past=past, keep=keep, trace=trace,
    )  # fmt: skip
    check_finite(ran.hidden, model.params)
    check_finite(ran.logits, model.params)
    return ran


def words_of(input_ids: Array | None, inputs_embeds: Array | None, width: int) -> Array:
    """Take the words, ids (B, T) or vectors (B, T, D), whichever is given."""
    if input_ids is not None and inputs_embeds is not None:
        raise UserError("You cannot specify both input_ids and inputs_embeds at the same time")
    if input_ids is not None:
        return as_ids(input_ids)
    if inputs_embeds is None:
        raise UserError("You have to specify either input_ids or inputs_embeds")
    return as_vectors(inputs_embeds, width)


def as_vectors(inputs_embeds: Array, width: int) -> Array:
    """Refuse what cannot be rows of vectors in place of words."""
    vectors = np.asarray(inputs_embeds, np.float32)
    if vectors.ndim != 3 or vectors.shape[2] != width:
        raise UserError(f"inputs_embeds must be of shape (B, T, {width}); got {vectors.shape}")
    return vectors


def chosen(
    config: GitConfig | GitVisionConfig,
    output_attentions: bool | None,
    output_hidden_states: bool | None,
    return_dict: bool | None,
    use_cache: bool | None = None,
) -> dict[str, bool]:
    """Decide what to return: what the call says, else what the config says."""
    return {
        "attentions": config.output_attentions if output_attentions is None else output_attentions,
        "hidden_states": config.output_hidden_states
        if output_hidden_states is None
        else output_hidden_states,
        "dict": config.use_return_dict if return_dict is None else return_dict,
        "cache": getattr(config, "use_cache", False) if use_cache is None else use_cache,
    }


def outputs_of(ran: Ran, asked: Mapping[str, bool], **first: Any) -> Outputs:
    """Put together what was asked for; `first` comes first."""
    outputs = ModelOutput(
        **first,
        past_key_values=ran.cache if asked["cache"] else None,
        hidden_states=ran.hidden_states if asked["hidden_states"] else None,
        attentions=ran.attentions if asked["attentions"] else None,
    )
    return outputs if asked["dict"] else outputs.to_tuple()


def loss_of(ran: Ran, past: Cache | None, labels: Array, *, smoothing: float) -> Any:
    """Hold the logits of the words that went in against their labels."""
    known = 0 if past is None else past.words[0].k.shape[2]
    words = ran.cache.words[0].k.shape[2] - known
    of_words = ran.logits[:, ran.logits.shape[1] - words :]
    return next_word_loss(of_words, np.asarray(labels), smoothing=smoothing)


def warn_of_padding(ids: Array, config: GitConfig) -> None:
    """Warn where padding would be read as words, as the official code does."""
    ends = np.append(config.eos_token_id, config.bos_token_id)
    if config.pad_token_id not in ends and np.any(ids[:, [0, -1]] == config.pad_token_id):
        warnings.warn(
            "input_ids begin or end with the pad token, and there is no attention_mask: padding "
            "is read as words; pass the attention_mask that the processor returns",
            stacklevel=4,
        )


def prune(model: GitModel | GitForCausalLM, heads: Mapping[int, Sequence[int]]) -> None:
    """Silence heads for good."""
    config = model.config
    mask = adapt.heads_without(config.num_hidden_layers, config.num_attention_heads, heads)
    model.params = adapt.mask_heads(model.params, mask, heads=config.num_attention_heads)

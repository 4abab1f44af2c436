"""Parameters and config behind the names that Hugging Face users know. No mathematics: that is in
the five files.

`GitVisionModel` is the picture tower, `GitModel` adds the text tower, `GitForCausalLM` the
vocabulary head. Arguments, outputs and defaults are those of the documentation of transformers
4.37.2, with NumPy arrays. `docs/official-bugs.md` lists where results differ on purpose.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from .. import loading
from ..decoding.decode import Generation, decode, lazily
from ..decoding.options import GenerationConfig, load_options, save_options
from ..decoding.plan import Calls, Plan, make_plan
from ..errors import NotFiniteError, UserError
from ..fast.threads import blas_threads, limited
from ..loading.checkpoint import headless
from ..loading.config import GitConfig, GitVisionConfig
from ..loading.random_weights import random_model, random_tower
from ..model.generate import Choose, Step
from ..model.layers import Trace, no_trace, scope
from ..model.params import Array, Git, Vision
from ..model.text import Cache, forward
from ..trace import Recorder, together
from . import edit_params, pretrained
from .arguments import (
    Pixels,
    as_ids,
    as_vectors,
    check_finite,
    chosen,
    count_rows,
    pictures,
    same_rows,
    why_not_finite,
)
from .call import (
    call,
    loss_of,
    memory_of,
    outputs_of,
    show_masked,
    threads_of,
    towers_of,
)
from .outputs import ModelOutput, Outputs


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
        folder = loading.find(name, revision=revision, local_files_only=local_files_only)
        return cls(*loading.load_tower(folder))

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
        self.params = headless(random_model(config, seed=seed) if params is None else params)

    @classmethod
    def from_pretrained(
        cls, name: str | Path, *, revision: str | None = None, local_files_only: bool = False
    ) -> GitModel:
        """Load "storybook", a folder, or a model of the Hugging Face Hub."""
        folder = loading.find(name, revision=revision, local_files_only=local_files_only)
        return cls(*loading.load_body(folder))

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
        self.params = edit_params.replace_words(self.params, value)

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
        folder = loading.find(name, revision=revision, local_files_only=local_files_only)
        config, params = loading.load(folder)
        return cls(config, params, generation_config=load_options(folder, config))

    def save_pretrained(self, save_directory: str | Path) -> None:
        """Write config, options and parameters into a folder, for transformers 4.26 to 4.56 too.

        Later versions, 5.23 included, read all but the temporal embeddings of a clip model: they
        look for `img_temporal_embedding` where official files say `img_temperal_embedding`.
        """
        pretrained.save_model(save_directory, self.config, self.params)
        save_options(save_directory, self.generation_config)

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
        self.params = edit_params.replace_words(self.params, value)

    def get_output_embeddings(self) -> Array:
        """Return the matrix of the vocabulary head (V, D)."""
        return self.params.text.head.weight

    def resize_token_embeddings(self, new_num_tokens: int, *, seed: int = 0) -> Array:
        """Cut or extend the vocabulary and its head; new vectors are random. -> (V, D)."""
        self.params = edit_params.resize_words(
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
        return towers_of(self).prefill(
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
        chosen = generation_config or self.generation_config
        if options:
            chosen = chosen.change(options)
        plan = self.plan(pixel_values, input_ids, attention_mask, chosen, Calls())
        try:
            known = self.known(pixel_values, interpolate_pos_encoding, trace)
            steps = lazily(known, self.params.text, plan, choose=choose, trace=trace)
            if not self.plain:
                steps = limited(steps, threads_of(self))
            yield from steps
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
            params = edit_params.mask_heads(params, head_mask, heads=heads)
        if inputs_embeds is None:
            return params, None
        return edit_params.with_vectors(params, as_vectors(inputs_embeds, self.config.hidden_size))

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


def prune(model: GitModel | GitForCausalLM, heads: Mapping[int, Sequence[int]]) -> None:
    """Silence heads for good."""
    config = model.config
    mask = edit_params.heads_without(config.num_hidden_layers, config.num_attention_heads, heads)
    model.params = edit_params.mask_heads(model.params, mask, heads=config.num_attention_heads)

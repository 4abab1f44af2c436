"""`GitForCausalLM`: both towers and the vocabulary head. No mathematics: that is in the five files.

Arguments, outputs and defaults are those of the documentation of transformers 4.37.2, with NumPy
arrays. `docs/official-bugs.md` lists where results differ on purpose.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from typing import Any

import numpy as np

from ... import loading
from ...decoding.decode import decode, lazily
from ...decoding.options import GenerationConfig, check_absent, noted_options
from ...decoding.plan import Calls, Plan, as_ids, make_plan
from ...errors import NotFiniteError, UserError, expect
from ...fast.threads import blas_threads, limited
from ...loading.config import GitConfig
from ...loading.random_weights import random_model
from ...model.generate import Choose, Step
from ...model.layers import Trace, no_trace, scope
from ...model.params import Array, Git
from ...model.text import Cache
from ...model.variants.choose import text_of
from .. import edit_params, pretrained
from ..arguments import (
    Pixels,
    Prompt,
    as_vectors,
    calls_of,
    check_finite,
    chosen,
    refuse_more,
    same_rows,
    step_inputs,
    why_not_finite,
)
from ..call import Given, count_rows, memory_of, scored, show_heads, threads_of, towers_of
from ..outputs import GenerateOutput, Outputs
from ..processing.encoding import warn_once
from . import searches
from .base import HasWords, PretrainedModel
from .matrix import Matrix
from .opened import opened_whole
from .towers import GitModel
from .transition_scores import compute_transition_scores


class GitForCausalLM(HasWords, PretrainedModel):
    """GIT with its vocabulary head: scores next words, and generates.

    Parameters
    ----------
    config : GitConfig
        Sizes and settings.
    params : Git, optional
        The learned numbers, float32; without them random ones are drawn.
    generation_config : GenerationConfig, optional
        What `generate` does unless a call says otherwise; by default what `config` says.
    seed : int
        Of the random parameters.

    Attributes: `threads`, cores to use; `plain`, whether the five files of `model/` run alone;
    `group`, forked processes that take the place of threads (`numpygit.load`, `processes=True`).

    Raises
    ------
    UserError
        From every method, for arguments that do not fit, before any work. It is a ValueError.

    Examples
    --------
    >>> import numpygit
    >>> model = numpygit.GitForCausalLM.from_pretrained("storybook")
    >>> outputs = model([[2, 5, 6]], output_attentions=True)
    >>> outputs.logits.shape, len(outputs.attentions)
    ((1, 3, 154), 4)

    Source: transformers 4.37.2, `modeling_git.py`; arXiv 2205.14100.
    """

    config_class = GitConfig
    opens = staticmethod(opened_whole)
    generation_config: GenerationConfig

    def __init__(
        self,
        config: GitConfig,
        params: Git | None = None,
        *,
        generation_config: GenerationConfig | None = None,
        seed: int = 0,
    ) -> None:
        expect("config", config, GitConfig, "a GitConfig")
        config.check()
        self.config = config
        self.params = random_model(config, seed=seed) if params is None else params
        self.silence_pruned()
        self.noted = noted_options(config)  # what the config says of generation, so far
        self.generation_config = generation_config or GenerationConfig.from_model_config(config)

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
        **more: Any,
    ) -> Outputs:
        """Run words beside pictures and score every next word.

        input_ids (B, T), or inputs_embeds (B, T, D); attention_mask (B, T), 1 a word, 0 padding;
        position_ids (B, T); pixel_values: stills (B, C, H, W), clips (B, frames, C, H, W), a list
        of frames, or none; head_mask (N,) or (L, N), 0 silences a head; labels (B, T), see
        `loss.next_word_loss`; past_key_values of an earlier call, then only new words go in.
        -> loss, logits (B, M + T, V), past_key_values, hidden_states, attentions.
        """
        refuse_more(more)
        given = Given(
            input_ids, attention_mask, position_ids, pixel_values, head_mask, inputs_embeds,
            past_key_values, interpolate_pos_encoding, logits_to_keep or 0,
        )  # fmt: skip
        asked = chosen(self.config, output_attentions, output_hidden_states, return_dict, use_cache)
        return scored(self, given, asked, labels, smoothing=label_smoothing, trace=trace)

    __call__ = forward

    @property
    def git(self) -> GitModel:
        """The same model without its vocabulary head."""
        return GitModel(self.config, self.params)

    base_model = git

    def tensors(self) -> dict[str, Array]:
        """List all parameters by their official names."""
        return pretrained.whole_tensors(self.params, self.config)

    def put(self, tensors: dict[str, Array]) -> None:
        """Make params of all tensors, called as `tensors` calls them."""
        self.params = loading.whole_from(tensors, self.config, source="state_dict")

    def get_output_embeddings(self) -> Matrix:
        """Return the matrix of the vocabulary head (V, D), with its bias."""
        head = self.params.text.head
        return Matrix.of(head.weight, head.bias)

    def set_output_embeddings(self, new_embeddings: Any) -> None:
        """Put another vocabulary head in its place: (V, D), with a bias (V,) if it has one."""
        self.params = edit_params.replace_head(self.params, new_embeddings)

    def tie_weights(self, *args: Any, **more: Any) -> None:
        """Share the word embedding with the vocabulary head, where the config says so."""
        if self.config.tie_word_embeddings:
            self.params = edit_params.replace_head(self.params, self.params.text.word_embedding)

    def memory(
        self,
        pixel_values: Pixels | None,
        *,
        interpolate_pos_encoding: bool = False,
        trace: Trace = no_trace,
    ) -> Array:
        """Encode pictures for the text decoder: (B, C, H, W) or clips -> (B, M, D)."""
        return memory_of(
            pixel_values, self.params, config=self.config, interpolate=interpolate_pos_encoding,
            towers=towers_of(self), trace=trace,
        )  # fmt: skip

    def prefill(
        self,
        pixel_values: Pixels | None,
        *,
        interpolate_pos_encoding: bool = False,
        trace: Trace = no_trace,
    ) -> Cache:
        """Prefill the KV cache with pictures: for `steps`, and as many prompts as you like."""
        memory = self.memory(
            pixel_values, interpolate_pos_encoding=interpolate_pos_encoding, trace=trace
        )
        return towers_of(self).prefill(
            memory, self.params.text, config=self.config, trace=scope(trace, "image")
        )

    see = prefill  # its earlier name

    def logits(
        self,
        input_ids: Array,
        pixel_values: Array | None = None,
        *,
        attention_mask: Array | None = None,
        interpolate_pos_encoding: bool = False,
        trace: Trace = no_trace,
    ) -> Array:
        """Score every next word at every position, without a cache: -> (B, M + T, V)."""
        input_ids = as_ids(input_ids)
        memory = self.memory(
            pixel_values, interpolate_pos_encoding=interpolate_pos_encoding, trace=trace
        )
        logits, _ = text_of(self.config).forward(
            same_rows(memory, input_ids), input_ids, self.params.text, config=self.config,
            attention_mask=attention_mask, trace=trace,
        )  # fmt: skip
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

        Pictures that `prefill` has encoded may be given as its Cache. `choose` replaces the
        likeliest word, or the draw, by a choice of your own.
        """
        chosen = generation_config or self.options()
        if options:
            chosen = chosen.change(options)
        plan = self.plan(pixel_values, input_ids, attention_mask, chosen, Calls())
        try:
            encoded = self.encoded(pixel_values, interpolate_pos_encoding, trace)
            steps = lazily(encoded, self.params.text, plan, choose=choose, trace=trace)
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
        inputs: Array | None = None,
        generation_config: GenerationConfig | None = None,
        logits_processor: Sequence[Callable[[Array, Array], Array]] | None = None,
        stopping_criteria: Sequence[Callable[..., Any]] | None = None,
        prefix_allowed_tokens_fn: Callable[[int, Array], Sequence[int]] | None = None,
        synced_gpus: bool | None = None,
        assistant_model: Any = None,
        streamer: Any = None,
        negative_prompt_ids: Array | None = None,
        negative_prompt_attention_mask: Array | None = None,
        **options: Any,
    ) -> Any:
        """Continue prompts to the end: -> ids (B, T), prompt included, padded where finished.

        `inputs` are the prompt ids (B, T), `input_ids` by another name; without them every picture
        starts from the start token. `options` may hold what a call takes, pixel_values and all
        that `Prompt` lists. All others are fields of `GenerationConfig`, by default as in
        `generation_config`; return_dict_in_generate gives a `GenerateOutput`.
        """
        check_absent(
            synced_gpus=synced_gpus, assistant_model=assistant_model,
            negative_prompt_ids=negative_prompt_ids,
            negative_prompt_attention_mask=negative_prompt_attention_mask,
        )  # fmt: skip
        given = Prompt.of(inputs, options)
        calls = calls_of(logits_processor, stopping_criteria, prefix_allowed_tokens_fn, streamer)
        params, stand_ins = self.prepared(given.head_mask, given.inputs_embeds)
        chosen = self.options(generation_config).change(options)
        plan = self.plan(given.subject, given.ids, given.attention_mask, chosen, calls, stand_ins)
        try:
            encoded = self.encoded(given.subject, given.interpolate_pos_encoding, given.trace)
            with blas_threads(threads_of(self)):
                found = decode(encoded, params.text, plan, trace=given.trace)
        except NotFiniteError:
            raise self.why_not_finite() from None
        shown = GenerateOutput.of(show_heads(found, given.head_mask, self.config))
        return shown if chosen.return_dict_in_generate else shown.sequences

    def options(self, given: GenerationConfig | None = None) -> GenerationConfig:
        """Say how to generate: as given, else `generation_config` and what was set in `config`.

        Setting them in the config is the way of old, which 4.37.2 still follows with a warning.
        """
        if given is not None:
            expect("generation_config", given, GenerationConfig, "a GenerationConfig")
            return given
        now = noted_options(self.config)
        changed = {name: value for name, value in now.items() if value != self.noted.get(name)}
        if changed:
            warn_once("options of generation were set in model.config; set them in "
                      "model.generation_config, or pass them to generate")  # fmt: skip
        return self.generation_config.change(changed)

    def prepare_inputs_for_generation(
        self, input_ids: Array, past_key_values: Any = None, attention_mask: Any = None,
        use_cache: bool | None = None, inputs_embeds: Any = None, **more: Any,
    ) -> dict[str, Any]:  # fmt: skip
        """Put together what one decoding step is called with: after a cache, the last words.

        What else is given goes along, as in transformers 5.
        """
        return step_inputs(
            as_ids(input_ids), past_key_values, attention_mask, inputs_embeds,
            {"use_cache": use_cache, **more},
        )  # fmt: skip

    greedy_search = searches.greedy_search
    sample = searches.sample
    beam_search = searches.beam_search
    beam_sample = searches.beam_sample
    group_beam_search = searches.group_beam_search
    contrastive_search = searches.contrastive_search
    compute_transition_scores = compute_transition_scores

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

    def encoded(self, subject: Pixels | Cache | None, stretch: bool, trace: Trace) -> Array | Cache:
        """Encode pictures, unless they have been looked at before."""
        if isinstance(subject, Cache):
            return subject
        return self.memory(subject, interpolate_pos_encoding=stretch, trace=trace)

    def plan(
        self,
        subject: Pixels | Cache | None,
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
            start = self.config.bos_token_id
            start = start if chosen.bos_token_id is None else chosen.bos_token_id
            if start is None:
                raise UserError("there is no bos_token_id to start from: pass input_ids, or set it")
            input_ids = np.full((1 if subject is None else count_rows(subject), 1), start, np.int64)
            attention_mask = np.ones(input_ids.shape, np.int64)
        return make_plan(
            as_ids(input_ids),
            config=self.config,
            options=chosen,
            attention_mask=attention_mask,
            calls=calls,
            stand_ins=stand_ins,
        )._replace(towers=towers_of(self))

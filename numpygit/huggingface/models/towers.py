"""`GitVisionModel`, the vision encoder, and `GitModel`, both towers without a vocabulary head."""

from __future__ import annotations

from typing import Any

from ... import loading
from ...errors import UserError
from ...loading.config import GitConfig, GitVisionConfig
from ...loading.random_weights import random_model, random_tower
from ...model.layers import Trace, no_trace
from ...model.params import Array, Git, Vision
from ...model.text import Cache
from ...trace import Recorder, together
from .. import pretrained
from ..arguments import Pixels, check_finite, chosen, refuse_more
from ..call import Given, call, outputs_of, pictures, towers_of
from ..outputs import ModelOutput, Outputs
from .base import HasWords, PretrainedModel
from .matrix import Matrix
from .opened import opened_body, opened_tower


class GitVisionModel(PretrainedModel):
    """The vision encoder, a CLIP ViT: pixel_values (B, C, H, W) -> image tokens (B, P + 1, D).

    Parameters
    ----------
    config : GitVisionConfig
        Sizes and settings.
    params : numpygit.model.params.Vision, optional
        The learned numbers, float32; without them random ones are drawn.
    seed : int
        Of the random parameters.

    Raises
    ------
    UserError
        From a call, for pictures of another size or rank, before any work.

    Examples
    --------
    >>> import numpy, numpygit
    >>> model = numpygit.GitVisionModel.from_pretrained("storybook")
    >>> model(numpy.zeros((1, 3, 96, 96), numpy.float32)).last_hidden_state.shape
    (1, 65, 160)

    Source: transformers 4.37.2, `modeling_git.py`; arXiv 2010.11929.
    """

    config_class = GitVisionConfig
    opens = staticmethod(opened_tower)
    main_input_name = "pixel_values"

    def __init__(
        self, config: GitVisionConfig, params: Vision | None = None, *, seed: int = 0
    ) -> None:
        config.check()
        self.config = config
        self.params = random_tower(config, seed=seed) if params is None else params

    def forward(
        self,
        pixel_values: Pixels | None = None,
        output_attentions: bool | None = None,
        output_hidden_states: bool | None = None,
        interpolate_pos_encoding: bool = False,
        return_dict: bool | None = None,
        *,
        trace: Trace = no_trace,
        **more: Any,
    ) -> Outputs:
        """Encode stills (B, C, H, W) -> last_hidden_state (B, P + 1, D), hidden_states, attentions.

        The last hidden state is normalised once more, the last of hidden_states is not;
        attentions (B, N, P + 1, P + 1), one a layer. Raises UserError for none, and for clips.
        """
        refuse_more(more)
        if pixel_values is None:
            raise UserError("You have to specify pixel_values")
        pixels = pictures(pixel_values)
        if pixels.ndim != 4:
            raise UserError(
                f"the vision encoder takes stills (B, C, H, W); got shape {pixels.shape}. "
                "Clips go into GitModel or GitForCausalLM"
            )
        asked = chosen(self.config, output_attentions, output_hidden_states, return_dict)
        recorder, observer = Recorder("vision.x", "vision.*.x", "vision.*.weights"), trace
        if asked["hidden_states"] or asked["attentions"]:
            observer = together(recorder, trace)
        tower, stretch = towers_of(self).image_tokens, interpolate_pos_encoding
        last = tower(pixels, self.params, config=self.config, interpolate=stretch, trace=observer)
        check_finite(last, self.params)
        states = recorder.like("vision.x", "vision.*.x")
        attentions = recorder.like("vision.*.weights")
        outputs = ModelOutput(
            last_hidden_state=last,
            hidden_states=states if asked["hidden_states"] else None,
            attentions=attentions if asked["attentions"] else None,
        )
        return outputs if asked["dict"] else outputs.to_tuple()

    __call__ = forward

    def tensors(self) -> dict[str, Array]:
        """List all parameters by the names that this class writes into a file."""
        return pretrained.tower_tensors(self.params, self.config)

    def put(self, tensors: dict[str, Array]) -> None:
        """Make params of all tensors, called as `tensors` calls them."""
        self.params = loading.tower_from(tensors, self.config, source="state_dict")

    def get_input_embeddings(self) -> Matrix:
        """Return the matrix that turns patches into tokens: (D, C * patch * patch)."""
        return Matrix.of(self.params.patch_embedding)


class GitModel(HasWords, PretrainedModel):
    """Both towers, without the vocabulary head: pictures and words -> hidden states (B, M + T, D).

    Parameters
    ----------
    config : GitConfig
        Sizes and settings.
    params : numpygit.model.params.Git, optional
        The learned numbers, float32; without them random ones are drawn.
    seed : int
        Of the random parameters.

    Raises
    ------
    UserError
        From a call, for arguments that do not fit, before any work.

    Examples
    --------
    >>> import numpy, numpygit
    >>> model = numpygit.GitModel.from_pretrained("storybook")
    >>> pixels = numpy.zeros((1, 3, 96, 96), numpy.float32)
    >>> model([[2, 5, 6]], pixel_values=pixels).last_hidden_state.shape
    (1, 68, 160)

    Source: transformers 4.37.2, `modeling_git.py`; arXiv 2205.14100.
    """

    config_class = GitConfig
    opens = staticmethod(opened_body)

    def __init__(self, config: GitConfig, params: Git | None = None, *, seed: int = 0) -> None:
        config.check()
        self.config = config
        drawn = random_model(config, seed=seed) if params is None else params
        self.params = loading.headless(drawn)
        self.silence_pruned()

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
        **more: Any,
    ) -> Outputs:
        """Read words beside pictures: see GitForCausalLM for the arguments.

        -> last_hidden_state (B, M + T, D), past_key_values, hidden_states, attentions.
        """
        refuse_more(more)
        given = Given(
            input_ids, attention_mask, position_ids, pixel_values, head_mask, inputs_embeds,
            past_key_values, interpolate_pos_encoding,
        )  # fmt: skip
        ran = call(self, given, trace=trace)
        asked = chosen(self.config, output_attentions, output_hidden_states, return_dict, use_cache)
        return outputs_of(ran, asked, last_hidden_state=ran.hidden)

    __call__ = forward

    def tensors(self) -> dict[str, Array]:
        """List all parameters by the names that this class writes into a file."""
        return pretrained.body_tensors(self.params, self.config)

    def put(self, tensors: dict[str, Array]) -> None:
        """Make params of all tensors, called as `tensors` calls them."""
        self.params = loading.body_from(tensors, self.config, source="state_dict")

"""`config.json` <-> the settings of a model: `model/config.py` with what reads and writes them."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, ClassVar

import numpy as np

from ...errors import UserError, shown
from ...model.config import Config, VisionConfig
from ...model.layers import activate
from ..authors import authors_config
from ..fields import CONFIG, MOST_PATCHES, VISION, checked
from ..find import is_authors
from ..formats import read_json, read_tensors
from .settings import Settings, keep_unknown


@keep_unknown
@dataclass(eq=False, repr=False)
class GitVisionConfig(Settings, VisionConfig):
    """Sizes and settings of the vision encoder, a CLIP ViT; by default those of git-base.

    Parameters
    ----------
    hidden_size, intermediate_size, num_hidden_layers, num_attention_heads : int
        Width D, MLP width F, layers L and heads N.
    num_channels, image_size, patch_size : int
        Colours C, and the sides of a picture and of a patch, in pixels.
    hidden_act : str or function
        The activation of the MLP: "quick_gelu", "gelu", "gelu_new", "relu", "silu", "selu".
    layer_norm_eps : float
        What layer normalisation adds to a variance.
    attention_dropout, initializer_range : float
        Of a training that has been, and the standard deviation of random weights.

    Any other keyword is kept as an attribute.

    Raises
    ------
    UserError
        For sizes that cannot be.

    Examples
    --------
    >>> import numpygit
    >>> numpygit.GitVisionConfig(image_size=480).num_patches
    900

    Source: transformers 4.37.2, `configuration_git.py`.
    """

    model_type: ClassVar[str] = "git_vision_model"

    @classmethod
    def from_folder(cls, folder: Path) -> GitVisionConfig:
        """Read the settings of a vision encoder, alone or of a whole GIT."""
        if not is_authors(folder):
            path = folder / "config.json"
            values = read_json(path)
            if values.get("model_type") == cls.model_type:
                made: GitVisionConfig = usable(cls, checked(values, VISION, where=path), path)
                return made
        return read_config(folder).vision_config


@keep_unknown
@dataclass(eq=False, repr=False)
class GitConfig(Settings, Config):
    """Sizes and settings of a whole GIT: those of the text decoder, and a GitVisionConfig.

    Parameters
    ----------
    vision_config : GitVisionConfig or dict, optional
        The vision encoder; by default that of `microsoft/git-base`.
    vocab_size, hidden_size, num_hidden_layers, num_attention_heads, intermediate_size : int
        Words V, width D, layers L, heads N and MLP width F of the text decoder.
    hidden_act : str or function
        The activation of the MLP, "gelu".
    hidden_dropout_prob, attention_probs_dropout_prob, initializer_range : float
        Of a training that has been, and the standard deviation of random weights.
    max_position_embeddings : int
        The most tokens of a text.
    layer_norm_eps, embedding_norm_eps : float
        What layer normalisation adds to a variance; at the embeddings None is the same number.
    pad_token_id, bos_token_id, eos_token_id : int
        Token ids: padding, start, and the end, of which there may be several.
    position_embedding_type : str
        "absolute", as in all official models, or "relative_key", "relative_key_query".
    use_cache, tie_word_embeddings : bool
        Whether calls return a KV cache; whether the vocabulary head is the word embedding.
    num_image_with_embedding : int, optional
        The most frames of a clip; None for stills alone.

    Any other keyword is kept as an attribute.

    Raises
    ------
    UserError
        For sizes and names that cannot be.

    Examples
    --------
    >>> import numpygit
    >>> config = numpygit.GitConfig.from_pretrained("storybook")
    >>> config.hidden_size, config.vision_config.num_patches
    (160, 64)

    Source: transformers 4.37.2, `configuration_git.py`.
    """

    vision_config: GitVisionConfig = None  # type: ignore[assignment]

    model_type: ClassVar[str] = "git"

    def __post_init__(self) -> None:
        if not isinstance(self.vision_config, GitVisionConfig):
            self.vision_config = GitVisionConfig.from_dict(self.vision_config or {})  # type: ignore[unreachable]

    @classmethod
    def from_folder(cls, folder: Path) -> GitConfig:
        """Read the settings of a checkpoint folder."""
        return read_config(folder)


def read_config(folder: Path) -> GitConfig:
    """Read `config.json`, or what stands for it in a folder of the authors."""
    if is_authors(folder):
        return stored(authors_config(folder, read_tensors(folder, look_only=True)))
    path = folder / "config.json"
    values = read_json(path)
    kind = values.get("model_type", "git")
    if kind != "git":
        raise UserError(
            f"{path} describes a {shown(str(kind))!r} model; numpygit runs models of type 'git'"
        )
    made: GitConfig = usable(GitConfig, checked(values, CONFIG, where=path), path)
    return made


def usable(kind: Any, values: Mapping[str, Any], path: Path) -> Any:
    """Make settings of what a file holds, after its fields were checked one by one."""
    try:
        config = kind.from_dict(values)
        vision = config.vision_config if kind is GitConfig else config
        if vision.num_patches > MOST_PATCHES:
            raise UserError(
                f"image_size {vision.image_size} and patch_size {vision.patch_size} make "
                f"{vision.num_patches} patches; the most is {MOST_PATCHES}"
            )
        for part in (config, vision):
            activate(np.zeros(1, np.float32), name=part.hidden_act)
    except UserError as error:
        raise UserError(f"{path}: {error}") from None
    return config


def stored(config: Config) -> GitConfig:
    """Give plain settings the methods that read and write them."""
    vision = GitVisionConfig(**vars(config.vision_config))
    return GitConfig(**{**vars(config), "vision_config": vision})

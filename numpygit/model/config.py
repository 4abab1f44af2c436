"""The sizes and settings of a GIT model: the fields and defaults of `config.json`, nothing else.

Source of names and defaults: transformers 4.37.2, `models/git/configuration_git.py`. Reading and
writing them is `loading/config/`.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import ClassVar

from ..errors import UserError
from .params import Activation

POSITIONS = ("absolute", "relative_key", "relative_key_query")


@dataclass(eq=False, repr=False)
class VisionConfig:
    """The vision encoder, a CLIP ViT. The defaults are those of `microsoft/git-base`.

    Raises UserError for sizes that cannot be.
    """

    hidden_size: int = 768
    intermediate_size: int = 3072
    num_hidden_layers: int = 12
    num_attention_heads: int = 12
    num_channels: int = 3
    image_size: int = 224
    patch_size: int = 16
    hidden_act: Activation = "quick_gelu"
    layer_norm_eps: float = 1e-5
    attention_dropout: float = 0.0
    initializer_range: float = 0.02

    model_type: ClassVar[str] = "git_vision_model"

    def check(self) -> None:
        """Refuse sizes that no model can have; done when a model is made or read."""
        check_heads("vision_config", self.hidden_size, self.num_attention_heads)
        if self.image_size < self.patch_size:
            raise UserError(
                f"vision_config: image_size {self.image_size} is smaller than "
                f"patch_size {self.patch_size}; a picture needs at least one patch"
            )

    @property
    def num_patches(self) -> int:
        """Patches of one picture, P. What does not fill a patch at the border is dropped."""
        return (self.image_size // self.patch_size) ** 2


@dataclass(eq=False, repr=False)
class Config:
    """The whole model: the text decoder's fields, and the vision encoder's in `vision_config`.

    Raises UserError for sizes and names that cannot be.
    """

    vision_config: VisionConfig = field(default_factory=VisionConfig)
    vocab_size: int = 30522
    hidden_size: int = 768
    num_hidden_layers: int = 6
    num_attention_heads: int = 12
    intermediate_size: int = 3072
    hidden_act: Activation = "gelu"
    hidden_dropout_prob: float = 0.1
    attention_probs_dropout_prob: float = 0.1
    max_position_embeddings: int = 1024
    initializer_range: float = 0.02
    layer_norm_eps: float = 1e-12
    pad_token_id: int = 0
    position_embedding_type: str = "absolute"
    use_cache: bool = True
    tie_word_embeddings: bool = False
    bos_token_id: int = 101
    eos_token_id: int | list[int] = 102
    num_image_with_embedding: int | None = None
    # in no config.json: None stands for layer_norm_eps; the authors' code has 1e-8
    embedding_norm_eps: float | None = None

    model_type: ClassVar[str] = "git"

    def check(self) -> None:
        """Refuse sizes and names that no model can have; done when a model is made or read."""
        self.vision_config.check()
        check_heads("config", self.hidden_size, self.num_attention_heads)
        if self.position_embedding_type not in POSITIONS:
            raise UserError(
                f"config: position_embedding_type is {self.position_embedding_type!r}; "
                f"known are: {', '.join(POSITIONS)}"
            )

    @property
    def embedding_eps(self) -> float:
        """Epsilon of the layer normalisation of word embeddings."""
        eps = self.embedding_norm_eps
        return self.layer_norm_eps if eps is None else eps


def check_heads(where: str, hidden_size: int, heads: int) -> None:
    """Refuse a width that the heads cannot share evenly."""
    if heads < 1 or hidden_size % heads != 0:
        raise UserError(
            f"{where}: hidden_size {hidden_size} is not a multiple of num_attention_heads {heads}"
        )

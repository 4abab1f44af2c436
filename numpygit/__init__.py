"""GIT, the Generative Image-to-text Transformer, as NumPy functions that a person can read.

    import numpygit
    captioner = numpygit.load("storybook")
    captioner.caption("picture.png")

Read the model in this order: image.py, layers.py, vision.py, text.py, generate.py.

One letter for each axis, in every shape comment:

    B  pictures in the batch            N  heads of attention
    C  colours                          A  width of one head
    H  height, W  width, of pixels      D  width of a token
    P  patches of one picture           F  width inside the MLP
    M  image tokens, frames * (P + 1)   V  words in the vocabulary
    T  tokens that go in now            L  layers
    S  tokens seen: image, cached, now

Names on the way: pixels -> patches -> image_tokens -> memory (projected image tokens) -> x (the
residual stream) -> q, k, v -> scores -> weights (after softmax) -> mixed -> joined -> hidden
-> logits -> word.
"""

from .asking import classify
from .auto import (
    AutoConfig,
    AutoImageProcessor,
    AutoModel,
    AutoModelForCausalLM,
    AutoProcessor,
    AutoTokenizer,
)
from .captioner import Captioner, load
from .config import GitConfig, GitVisionConfig
from .debugging import debug
from .decoding import GenerationConfig
from .errors import NotFoundError, UserError
from .image_processor import GitImageProcessor
from .model import GitForCausalLM, GitModel, GitVisionModel
from .processor import GitProcessor
from .tokenizer import GitTokenizer

__version__ = "0.1.0"

__all__ = [
    "AutoConfig",
    "AutoImageProcessor",
    "AutoModel",
    "AutoModelForCausalLM",
    "AutoProcessor",
    "AutoTokenizer",
    "Captioner",
    "GenerationConfig",
    "GitConfig",
    "GitForCausalLM",
    "GitImageProcessor",
    "GitModel",
    "GitProcessor",
    "GitTokenizer",
    "GitVisionConfig",
    "GitVisionModel",
    "NotFoundError",
    "UserError",
    "classify",
    "debug",
    "load",
]

"""GIT, the Generative Image-to-text Transformer, as NumPy functions that a person can read.

    import numpygit
    captioner = numpygit.load("storybook")
    captioner.caption("picture.png")

Read `model/` in this order: image.py, layers.py, vision.py, text.py, generate.py.

    model/        the mathematics            fast/        the same, arranged for speed
    loading/      name -> files -> params    decoding/    every way to choose words
    huggingface/  the names that users of transformers know
    captioner/    picture in, words out      trace.py     the name of every tensor
    inside/       record, step, compare, explain a run
    data/         where pictures come from   evaluation/  how good captions are
    learning/     gradients and training     playground/  the page of `numpygit play`
    storybook/    the bundled model          scale/       many machines
    cli/          the command line           errors.py    what a user reads

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

from __future__ import annotations

TYPE_CHECKING = False  # that of `typing`, which takes longer to import than all of this
if TYPE_CHECKING:
    from .captioner import Captioner, classify, load
    from .decoding.options import GenerationConfig
    from .decoding.wording import Wording
    from .errors import NotFoundError, UserError
    from .huggingface.auto import (
        AutoConfig,
        AutoFeatureExtractor,
        AutoImageProcessor,
        AutoModel,
        AutoModelForCausalLM,
        AutoModelForImageTextToText,
        AutoModelForVision2Seq,
        AutoProcessor,
        AutoTokenizer,
    )
    from .huggingface.models import GitForCausalLM, GitModel, GitVisionModel
    from .huggingface.pipeline import pipeline
    from .huggingface.processing.encoding import BatchEncoding, BatchFeature
    from .huggingface.processing.image_processor import (
        CLIPImageProcessor,
        GitImageProcessor,
        VideoMAEImageProcessor,
    )
    from .huggingface.processing.processor import GitProcessor
    from .huggingface.processing.tokenizer import GitTokenizer
    from .huggingface.processing.tokenizer import GitTokenizer as BertTokenizer
    from .huggingface.processing.tokenizer import GitTokenizer as BertTokenizerFast
    from .huggingface.reading import PictureOptions
    from .huggingface.streamers import (
        LogitsProcessorList,
        StoppingCriteriaList,
        TextIteratorStreamer,
        TextStreamer,
        set_seed,
    )
    from .inside.debug import debug
    from .loading.config import GitConfig, GitVisionConfig
    from .model import generate, image, layers, text, vision

__version__ = "0.1.0"

# Where each public name is defined, after a space under which other name. It is imported when it is
# first asked for, so that nobody waits for what is not used.
WHERE = {
    "AutoConfig": ".huggingface.auto",
    "AutoFeatureExtractor": ".huggingface.auto",
    "AutoImageProcessor": ".huggingface.auto",
    "AutoModel": ".huggingface.auto",
    "AutoModelForCausalLM": ".huggingface.auto",
    "AutoModelForImageTextToText": ".huggingface.auto",
    "AutoModelForVision2Seq": ".huggingface.auto",
    "AutoProcessor": ".huggingface.auto",
    "AutoTokenizer": ".huggingface.auto",
    "BatchEncoding": ".huggingface.processing.encoding",
    "BatchFeature": ".huggingface.processing.encoding",
    "BertTokenizer": ".huggingface.processing.tokenizer GitTokenizer",
    "BertTokenizerFast": ".huggingface.processing.tokenizer GitTokenizer",
    "CLIPImageProcessor": ".huggingface.processing.image_processor",
    "Captioner": ".captioner",
    "GenerationConfig": ".decoding.options",
    "GitConfig": ".loading.config",
    "GitForCausalLM": ".huggingface.models",
    "GitImageProcessor": ".huggingface.processing.image_processor",
    "GitModel": ".huggingface.models",
    "GitProcessor": ".huggingface.processing.processor",
    "GitTokenizer": ".huggingface.processing.tokenizer",
    "GitVisionConfig": ".loading.config",
    "GitVisionModel": ".huggingface.models",
    "LogitsProcessorList": ".huggingface.streamers",
    "NotFoundError": ".errors",
    "PictureOptions": ".huggingface.reading",
    "StoppingCriteriaList": ".huggingface.streamers",
    "TextIteratorStreamer": ".huggingface.streamers",
    "TextStreamer": ".huggingface.streamers",
    "UserError": ".errors",
    "VideoMAEImageProcessor": ".huggingface.processing.image_processor",
    "Wording": ".decoding.wording",
    "classify": ".captioner",
    "debug": ".inside.debug",
    "generate": ".model.generate",
    "image": ".model.image",
    "layers": ".model.layers",
    "load": ".captioner",
    "pipeline": ".huggingface.pipeline",
    "set_seed": ".huggingface.streamers",
    "text": ".model.text",
    "vision": ".model.vision",
}

__all__ = [
    "AutoConfig",
    "AutoFeatureExtractor",
    "AutoImageProcessor",
    "AutoModel",
    "AutoModelForCausalLM",
    "AutoModelForImageTextToText",
    "AutoModelForVision2Seq",
    "AutoProcessor",
    "AutoTokenizer",
    "BatchEncoding",
    "BatchFeature",
    "BertTokenizer",
    "BertTokenizerFast",
    "CLIPImageProcessor",
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
    "LogitsProcessorList",
    "NotFoundError",
    "PictureOptions",
    "StoppingCriteriaList",
    "TextIteratorStreamer",
    "TextStreamer",
    "UserError",
    "VideoMAEImageProcessor",
    "Wording",
    "classify",
    "debug",
    "generate",
    "image",
    "layers",
    "load",
    "pipeline",
    "set_seed",
    "text",
    "vision",
]


if not TYPE_CHECKING:  # for a type checker the imports above say it all

    def __getattr__(name: str) -> object:
        """Import a public name, or a room, when it is first asked for."""
        from importlib import import_module
        from importlib.util import find_spec

        module, _, original = WHERE.get(name, f".{name}").partition(" ")
        if name not in WHERE and (name.startswith("_") or not find_spec(module, __name__)):
            said = f"module {__name__!r} has no attribute {name!r}"
            package = import_module(__name__)  # with it Python says which name was meant
            raise AttributeError(said, name=name, obj=package)
        if name in WHERE:
            import_module(".fast", __name__).load_numpy()
        found = import_module(module, __name__)
        if name in WHERE and not module.startswith(".model."):
            found = getattr(found, original or name)
        globals()[name] = found
        return found


def __dir__() -> list[str]:
    return sorted({*globals(), *__all__})

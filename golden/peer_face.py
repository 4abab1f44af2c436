"""numpygit with the face that the official tests look at: tensors in, tensors out.

`install` puts these classes in the places of the official ones, `transformers.GitModel` and so on;
test files that are imported afterwards get them. The face turns tensors into arrays on the way in
and arrays into tensors on the way out, and answers what a test asks of torch alone: whether a
class supports FlashAttention, is stateful, can be compiled.
"""

from __future__ import annotations

import importlib
import inspect
import sys
import tempfile
from collections import OrderedDict
from collections.abc import Callable, Iterator
from dataclasses import field, make_dataclass
from functools import cache
from pathlib import Path
from typing import Any

import numpy as np
import torch
import transformers
from transformers.generation import utils as generation
from transformers.utils import ModelOutput

import numpygit
from numpygit.huggingface import outputs

VERSION = int(transformers.__version__.split(".")[0])


# ---------------------------------------------------------------- tensors and arrays


def arrays(value: Any) -> Any:
    """Turn tensors into arrays, in lists and dicts as well."""
    if isinstance(value, Model):
        return value.inner
    if hasattr(value, "of_numpygit"):
        return value.of_numpygit
    if isinstance(value, torch.nn.Embedding | torch.nn.Linear):
        return value.weight.detach().numpy()
    if isinstance(value, torch.Tensor):
        return value.detach().numpy()
    if isinstance(value, dict):
        return {name: arrays(each) for name, each in value.items()}
    if isinstance(value, list | tuple) and not hasattr(value, "_fields"):
        return [arrays(each) for each in value]
    if isinstance(value, transformers.LogitsProcessor | LogitsWarper):
        return lambda ids, scores: arrays(value(tensors(ids), tensors(scores)))
    return value


Diversity: Any = getattr(transformers, "HammingDiversityLogitsProcessor", ())
LogitsWarper = getattr(transformers, "LogitsWarper", transformers.LogitsProcessor)


def tensors(value: Any) -> Any:
    """Turn arrays into tensors; outputs become those of transformers, caches its caches."""
    if isinstance(value, outputs.ModelOutput):
        given = {name: tensors(each) for name, each in value.items()}
        return kind_of_output(value)(**given)
    if hasattr(value, "image_kv"):
        return past_of(value)
    if isinstance(value, np.ndarray | np.floating):
        return torch.from_numpy(np.array(value))
    if isinstance(value, list | tuple) and not hasattr(value, "_fields"):
        return type(value)(tensors(each) for each in value)
    return value


def kind_of_output(value: outputs.ModelOutput) -> Any:
    """Choose the official class of an output: generation has two, a call one with its fields."""
    if not isinstance(value, outputs.GenerateOutput):
        return dataclass_of(tuple(value), ModelOutput)
    is_beam = value.sequences_scores is not None or value.beam_indices is not None
    plain = "GenerateBeamDecoderOnlyOutput" if is_beam else "GenerateDecoderOnlyOutput"
    official = getattr(generation, plain)
    own = {name for name in value if name not in official.__dataclass_fields__}
    return dataclass_of(tuple(own), official) if own else official


@cache
def dataclass_of(names: tuple[str, ...], base: Any) -> Any:
    """Make a class of outputs with these fields, as transformers declares them."""
    made = [(name, Any, field(default=None)) for name in names]
    return make_dataclass("Output", made, bases=(base,))


class Past(tuple[Any, ...]):
    """Keys and values of the words, a pair a layer, as 4.37.2 has them."""

    of_numpygit: Any


def past_of(kept: Any) -> Any:
    """Show a cache as the installed version does; it remembers what it was made of."""
    if VERSION < 5:
        past: Any = Past((tensors(layer.k), tensors(layer.v)) for layer in kept.text_kv)
    else:
        past = transformers.DynamicCache()
        for i, (image, words) in enumerate(zip(kept.image_kv, kept.text_kv, strict=True)):
            rows = len(words.k) // len(image.k)
            k = np.concatenate([np.repeat(image.k, rows, axis=0), words.k], axis=2)
            v = np.concatenate([np.repeat(image.v, rows, axis=0), words.v], axis=2)
            past.update(tensors(k), tensors(v), i)
    past.of_numpygit = kept
    return past


# ---------------------------------------------------------------- models


def faced(function: Callable[..., Any]) -> Callable[..., Any]:
    """Let a function of numpygit take and return tensors, under its own signature."""

    def face(*args: Any, **more: Any) -> Any:
        return tensors(function(*arrays(args), **arrays(more)))

    signature = inspect.signature(function)
    if VERSION < 5 and function.__name__ == "prepare_inputs_for_generation":
        kept = [p for name, p in signature.parameters.items() if name != "inputs_embeds"]
        signature = signature.replace(parameters=kept)  # 4.37.2's has none, and its test asks
    face.__signature__ = signature  # type: ignore[attr-defined]
    return face


class Model:
    """A model of numpygit that talks in tensors."""

    inner_class: Any
    _keep_in_fp32_modules = None
    _keys_to_ignore_on_save = _keys_to_ignore_on_load_missing = None
    _no_split_modules = None
    _tied_weights_keys: Any = None
    supports_gradient_checkpointing = False
    is_parallelizable = False
    _supports_flash_attn_2 = _supports_flash_attn = _supports_sdpa = False
    _can_compile_fullgraph = _is_stateful = False

    def __init__(self, config: Any, *args: Any, **more: Any) -> None:
        self.inner = self.inner_class(config, seed=int(torch.randint(2**31 - 1, ())))

    @classmethod
    def around(cls, inner: Any) -> Model:
        """Give a model of numpygit the face."""
        made = cls.__new__(cls)
        made.inner = inner
        return made

    @classmethod
    def from_pretrained(cls, *args: Any, **more: Any) -> Any:
        """Load."""
        found = cls.inner_class.from_pretrained(*arrays(args), **arrays(more))
        if isinstance(found, tuple):
            return cls.around(found[0]), found[1]
        return cls.around(found)

    def __getattr__(self, name: str) -> Any:
        if name == "inner":  # while it is being copied
            raise AttributeError(name)
        found = getattr(self.inner, name)
        return faced(found) if callable(found) else tensors(found)

    def __call__(self, *args: Any, **more: Any) -> Any:
        return tensors(self.inner(*arrays(args), **arrays(more)))

    def to(self, *args: Any, **more: Any) -> Model:
        """Stay."""
        self.inner.to(*args, **more)
        return self

    def eval(self) -> Model:
        """Stay."""
        return self

    cpu = float = eval

    def train(self, mode: bool = True) -> Model:
        """Stay."""
        return self

    def generate(self, *args: Any, **more: Any) -> Any:
        """Generate; draws follow torch's seed."""
        return self.drawing("generate", args, more)

    def sample(self, *args: Any, **more: Any) -> Any:
        """Draw tokens."""
        return self.drawing("sample", args, more)

    def beam_sample(self, *args: Any, **more: Any) -> Any:
        """Search with beams whose tokens are drawn."""
        return self.drawing("beam_sample", args, more)

    def group_beam_search(self, ids: Any, scorer: Any, **more: Any) -> Any:
        """Search in groups; the processor of their diversity, which wants to know more, aside."""
        several = more.pop("logits_processor", None) or []
        more["logits_processor"] = [p for p in several if not isinstance(p, Diversity)]
        for each in several:
            if isinstance(each, Diversity):
                more["diversity_penalty"] = each._diversity_penalty
        return self.drawing("group_beam_search", (ids, scorer), more)

    def drawing(self, name: str, args: Any, more: dict[str, Any]) -> Any:
        """Call a method that may draw, with the global numbers of NumPy set by torch's."""
        np.random.seed(torch.randint(2**31 - 1, ()).item())  # noqa: NPY002
        return tensors(getattr(self.inner, name)(*arrays(args), **arrays(more)))

    def parameters(self) -> Iterator[Any]:
        """Go through the parameters."""
        return (tensors(array) for array in self.inner.parameters())

    def named_parameters(self) -> Iterator[Any]:
        """Go through the parameters and their names."""
        return ((name, tensors(array)) for name, array in self.inner.named_parameters())

    def state_dict(self) -> Any:
        """List the parameters."""
        return OrderedDict((n, tensors(a)) for n, a in self.inner.state_dict().items())

    def get_input_embeddings(self) -> Any:
        """Return the matrix, which is called with tensors."""
        matrix = self.inner.get_input_embeddings()
        return torch.nn.Embedding.from_pretrained(torch.from_numpy(np.array(matrix.weight)))

    def resize_token_embeddings(self, *args: Any, **more: Any) -> Any:
        """Resize, and return the embedding."""
        self.inner.resize_token_embeddings(*args, **more)
        return self.get_input_embeddings()

    def get_output_embeddings(self) -> Any:
        """Return the vocabulary head as a torch layer; None, there is none."""
        matrix = self.inner.get_output_embeddings()
        if matrix is None:
            return None
        head = torch.nn.Linear(matrix.shape[1], matrix.shape[0])
        head.weight.data, head.bias.data = tensors(matrix.weight), tensors(matrix.bias)
        return head

    @property
    def config(self) -> Any:
        """The settings, which tests change."""
        return self.inner.config

    @config.setter
    def config(self, value: Any) -> None:
        self.inner.config = value

    @property
    def generation_config(self) -> Any:
        """The options of generation, which tests change."""
        return self.inner.generation_config

    @property
    def base_model(self) -> Model:
        """The model without its head."""
        return Model.around(self.inner.base_model)


def face_of(inner: Any) -> Any:
    """Make the face of one class of models."""

    def forward(self: Model, *args: Any, **more: Any) -> Any:
        return self(*args, **more)

    forward.__signature__ = inspect.signature(inner.forward)  # type: ignore[attr-defined]
    return type(inner.__name__, (Model,), {
        "inner_class": inner, "forward": forward, "config_class": inner.config_class,
        "main_input_name": inner.main_input_name, "base_model_prefix": inner.base_model_prefix,
        "can_generate": classmethod(lambda cls: inner.can_generate()),
    })  # fmt: skip


def face_of_config(inner: Any) -> Any:
    """Make a config name its dtype by torch's object."""

    class Config(inner):  # type: ignore[misc]
        @property
        def torch_dtype(self) -> Any:
            name = vars(self).get("torch_dtype")
            return getattr(torch, name) if name else None

        @torch_dtype.setter
        def torch_dtype(self, value: Any) -> None:
            vars(self)["torch_dtype"] = value

        def get_text_config(self, decoder: bool | None = None) -> Any:
            return self

    Config.__name__ = inner.__name__
    return Config


# ---------------------------------------------------------------- processors


def face_of_images(inner: Any) -> Any:
    """Make an image processor return tensors for "pt"."""

    class Images(inner):  # type: ignore[misc]
        def __call__(self, *args: Any, **more: Any) -> Any:
            wants = more.get("return_tensors") == "pt"
            more["return_tensors"] = "np" if wants else more.get("return_tensors")
            found = super().__call__(*args, **more)
            if wants:
                found["pixel_values"] = torch.from_numpy(found["pixel_values"])
            return found

        preprocess = __call__

    Images.__name__ = inner.__name__
    return Images


class StandIn:
    """Loads the tokenizer that a test would fetch from the Hub: letters, as BERT's words."""

    @classmethod
    def from_pretrained(cls, name: str, **more: Any) -> Any:
        """Make a little vocabulary, and load it."""
        special = ["[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]"]
        letters = [chr(code) for code in range(ord("a"), ord("z") + 1)]
        words = [*special, *letters, *(f"##{letter}" for letter in letters)]
        with tempfile.TemporaryDirectory() as folder:
            Path(folder, "vocab.txt").write_text("\n".join(words) + "\n", encoding="utf-8")
            return numpygit.BertTokenizerFast.from_pretrained(folder, **more)


# ---------------------------------------------------------------- in their places


def install() -> None:
    """Put the faces in the places of the official classes."""
    config, vision = face_of_config(numpygit.GitConfig), face_of_config(numpygit.GitVisionConfig)
    places = {
        "GitConfig": config,
        "GitVisionConfig": vision,
        "GitModel": face_of(numpygit.GitModel),
        "GitForCausalLM": face_of(numpygit.GitForCausalLM),
        "GitVisionModel": face_of(numpygit.GitVisionModel),
        "GitProcessor": numpygit.GitProcessor,
        "CLIPImageProcessor": numpygit.CLIPImageProcessor,
        "AutoProcessor": numpygit.AutoProcessor,
        "BertTokenizer": StandIn,
        "PreTrainedTokenizerFast": numpygit.BertTokenizerFast,
    }
    causal = transformers.MODEL_FOR_CAUSAL_LM_MAPPING  # loads modules, which set names of their own
    causal._extra_content[config] = places["GitForCausalLM"]
    put(places)


def install_images() -> None:
    """Put the faces of the image processors in their places."""
    names = ("CLIPImageProcessor", "VideoMAEImageProcessor")
    put({name: face_of_images(getattr(numpygit, name)) for name in names})


def put(places: dict[str, Any]) -> None:
    """Set names of transformers, which makes its own module anew when `testing_utils` is loaded."""
    importlib.import_module("transformers.testing_utils")
    for name, face in places.items():
        for module in (transformers, sys.modules["transformers"]):
            getattr(module, name, None)  # loaded first, so that nothing is put over it later
            setattr(module, name, face)

"""What the three models have in common: parameters by their official names, `to`, saving, resizing.

A base class is what users of transformers expect here, `PreTrainedModel`; it holds no mathematics.
Source of names: transformers 4.37.2, `modeling_utils.py`.
"""

from __future__ import annotations

import logging
from collections.abc import Callable, Iterator, Mapping, Sequence
from copy import copy
from pathlib import Path
from typing import Any, ClassVar, NamedTuple

import numpy as np

from ...errors import UserError, expect, shown
from ...fast.processes.model_group import ModelGroup
from ...loading.hub.push import push
from ...loading.pruned_heads import pruned_heads
from ...model.params import Array
from .. import edit_params, pretrained
from ..arguments import numbers
from ..outputs import show_model
from ..processing.encoding import stay_on_cpu, warn_once
from .matrix import Matrix
from .parts import Part, named, part_of
from .torch_only import why_missing

LOG = logging.getLogger("numpygit")


class Device(str):
    """The name of the one device there is, with the attributes of torch's."""

    type = "cpu"


class Keys(NamedTuple):
    """What `load_state_dict` did not find, and what it had no place for."""

    missing_keys: list[str]
    unexpected_keys: list[str]


class PretrainedModel:
    """A config and its params, NumPy arrays; the base of the three models."""

    config: Any
    params: Any
    opens: ClassVar[Callable[..., Any]]  # (class, name, keywords) -> a model
    threads: int | None = None  # see GitForCausalLM
    plain: bool = False
    group: ModelGroup | None = None

    base_model_prefix = "git"
    main_input_name = "input_ids"
    framework = "np"
    training = False
    device = Device("cpu")
    dtype = np.dtype(np.float32)

    @classmethod
    def from_pretrained(
        cls, pretrained_model_name_or_path: str | Path | None, *args: Any, **keywords: Any
    ) -> Any:
        """Load "storybook", a folder, or a model of the Hugging Face Hub.

        A GitVisionModel comes out of a whole GIT, or of a vision encoder that was saved alone. For
        the keywords see `numpygit.loading.hub.keywords`. With `output_loading_info` the result is
        the model and a dict of names that were missing, unexpected or of another shape.
        """
        return cls.opens(cls, pretrained_model_name_or_path, keywords)

    def __getstate__(self) -> dict[str, Any]:
        """Say what a copy of the model has: all but its processes."""
        return {name: value for name, value in self.__dict__.items() if name != "group"}

    def __getattr__(self, name: str) -> Any:
        if "params" not in self.__dict__:  # while it is copied
            raise AttributeError(name)
        if not name.startswith("_"):
            found = part_of(self.state_dict(), name)
            if found is not None:
                return named(found, name)
        raise why_missing(self, name) or AttributeError(
            f"{type(self).__name__} has no {name!r}; its parts are: "
            f"{', '.join(dict.fromkeys(n.split('.')[0] for n in self.state_dict()))}"
        )

    def __repr__(self) -> str:
        return show_model(type(self).__name__, self.config, self.params)

    # ---------------------------------------------------------------- places and modes

    def to(self, *targets: Any, **more: Any) -> Any:
        """Return the model: it is on the CPU, in float32. Raises UserError for anything else."""
        stay_on_cpu(*targets, **more)
        return self

    def type(self, dst_type: Any) -> Any:
        """Return the model, if it is asked for float32."""
        return self.to(dst_type)

    def cpu(self) -> Any:
        """Return the model: it is on the CPU."""
        return self

    def float(self) -> Any:
        """Return the model: it is in float32."""
        return self

    def half(self) -> Any:
        """Refuse: the model computes in float32."""
        return self.to("float16")

    bfloat16 = double = half

    def eval(self) -> Any:
        """Return the model: it has no other mode."""
        return self

    def train(self, mode: bool = True) -> Any:
        """Return the model: without dropout there is one mode; learning is `numpygit.learning`."""
        if mode:
            warn_once("a model has no training mode here: see numpygit.learning for gradients")
        return self

    # ---------------------------------------------------------------- parameters

    def state_dict(self, *args: Any, prefix: str = "", **more: Any) -> dict[str, Array]:
        """List all parameters by their official names, `git.encoder.layer.0...`, as arrays."""
        expect("prefix", prefix, str, "a text")
        return {prefix + name: array for name, array in self.tensors().items()}

    def tensors(self) -> dict[str, Array]:
        """List all parameters by the names that this class writes into a file."""
        raise NotImplementedError

    def load_state_dict(
        self, state_dict: Mapping[str, Any], strict: bool = True, assign: bool = False
    ) -> Keys:
        """Put arrays in the place of parameters, by their official names.

        -> the names that were missing and those that have no place; with `strict` there may be
        none. Raises UserError for these, and for arrays of another shape.
        """
        old = self.state_dict()
        expect("state_dict", state_dict, Mapping, "a dict of arrays")
        given = {name: numbers(str(name), array) for name, array in state_dict.items()}
        keys = Keys([n for n in old if n not in given], [n for n in given if n not in old])
        if strict and (keys.missing_keys or keys.unexpected_keys):
            raise UserError(f"the state_dict does not fit: missing {keys.missing_keys[:5]}, "
                            f"unexpected {keys.unexpected_keys[:5]}")  # fmt: skip
        for name in old.keys() & given.keys():
            if old[name].shape != given[name].shape:
                raise UserError(f"{name} has shape {given[name].shape}; the model's is "
                                f"{old[name].shape}")  # fmt: skip
        self.put({**old, **{n: a for n, a in given.items() if n in old}})
        return keys

    def put(self, tensors: dict[str, Array]) -> None:
        """Make params of all tensors, called as `tensors` calls them."""
        raise NotImplementedError

    def named_parameters(
        self, prefix: str = "", recurse: bool = True, remove_duplicate: bool = True
    ) -> Iterator[tuple[str, Array]]:
        """Go through the parameters and their official names; shared ones come once."""
        seen: set[int] = set()
        for name, array in self.state_dict().items():
            if remove_duplicate and id(array) in seen:
                continue
            seen.add(id(array))
            yield (f"{prefix}.{name}" if prefix else name), array

    def parameters(self, recurse: bool = True) -> Iterator[Array]:
        """Go through the parameters."""
        return (array for _, array in self.named_parameters())

    def named_buffers(self, *args: Any, **more: Any) -> Iterator[tuple[str, Array]]:
        """Go through what is kept beside parameters: nothing."""
        return iter(())

    buffers = named_non_persistent_buffers = named_buffers

    def named_children(self) -> Iterator[tuple[str, Any]]:
        """Go through the parts of the model."""
        names = dict.fromkeys(name.split(".")[0] for name in self.state_dict())
        return ((name, getattr(self, name)) for name in names)

    def children(self) -> Iterator[Any]:
        """Go through the parts of the model, without their names."""
        return (part for _, part in self.named_children())

    def named_modules(self, *args: Any, **more: Any) -> Iterator[tuple[str, Any]]:
        """Go through the model, its parts, and theirs: every name above an array."""
        yield "", self
        names: dict[str, None] = {}
        tensors = self.state_dict()
        for name in tensors:
            pieces = name.split(".")[:-1]
            names.update(dict.fromkeys(".".join(pieces[: i + 1]) for i in range(len(pieces))))
        for name in names:
            yield name, named(part_of(tensors, name), name)

    def modules(self, remove_duplicate: bool = True) -> Iterator[Any]:
        """Go through the model and its parts, without their names."""
        return (part for _, part in self.named_modules())

    def get_submodule(self, target: str) -> Any:
        """Look up a part by its official name; "" is the model."""
        expect("target", target, str, "the name of a part")
        if not target:
            return self
        found = part_of(self.state_dict(), target)
        if not isinstance(found, dict):
            raise AttributeError(f"{type(self).__name__} has no part {target!r}")
        return Part(found, target)

    def get_parameter(self, target: str) -> Array:
        """Look up a parameter by its official name."""
        expect("target", target, str, "the name of a parameter")
        tensors = self.state_dict()
        if target not in tensors:
            raise AttributeError(f"{type(self).__name__} has no parameter {target!r}")
        return tensors[target]

    get_buffer = get_parameter_or_buffer = get_parameter

    def num_parameters(self, only_trainable: bool = False, exclude_embeddings: bool = False) -> int:
        """Count the numbers in the parameters; embeddings are those of words and positions."""
        return sum(
            array.size
            for name, array in self.named_parameters()
            if not (exclude_embeddings and name.endswith("_embeddings.weight"))
            and not (exclude_embeddings and name.endswith(".position_embedding.weight"))
        )

    def get_memory_footprint(self, return_buffers: bool = True) -> int:
        """Count the bytes of the parameters."""
        return sum(array.nbytes for array in self.parameters())

    def get_head_mask(
        self, head_mask: Any, num_hidden_layers: int, is_attention_chunked: bool = False
    ) -> Any:
        """Bring a head mask, (N,) or (L, N), to (L, 1, N, 1, 1); None to a list of None."""
        if head_mask is None:
            return [None] * num_hidden_layers
        whole = edit_params.layers_of(head_mask, num_hidden_layers)
        shaped = whole[:, None, :, None, None]
        return shaped[..., None] if is_attention_chunked else shaped

    # ---------------------------------------------------------------- what it is

    @property
    def base_model(self) -> Any:
        """The model without its vocabulary head."""
        return self

    @property
    def name_or_path(self) -> str:
        """The name or folder that the model was loaded by."""
        return str(getattr(self.config, "name_or_path", ""))

    @classmethod
    def can_generate(cls) -> bool:
        """Tell whether the model has `generate`."""
        return hasattr(cls, "generate")

    def tie_weights(self, *args: Any, **more: Any) -> None:
        """Share the word embedding with the vocabulary head, where the config says so."""

    def get_output_embeddings(self) -> Any:
        """Return the vocabulary head; None, there is none."""
        return None

    def prune_heads(self, heads_to_prune: Mapping[int, Sequence[int]]) -> None:
        """Refuse: heads of the text decoder alone can be pruned."""
        raise UserError("a vision tower's heads cannot be pruned; those of the text decoder can")

    # ---------------------------------------------------------------- files

    def save_pretrained(
        self,
        save_directory: str | Path,
        is_main_process: bool = True,
        state_dict: Mapping[str, Any] | None = None,
        save_function: Any = None,
        push_to_hub: bool = False,
        max_shard_size: int | str = "5GB",
        safe_serialization: bool = True,
        variant: str | None = None,
        token: Any = None,
        save_peft_format: bool = True,
        **keywords: Any,
    ) -> None:
        """Write config and parameters into a folder, for transformers 4.26 to 4.56 too.

        `max_shard_size`, such as "200MB", is the most of one file. `state_dict` is written in
        place of the parameters. Later versions, 5.23 included, read all but the temporal
        embeddings of a clip model: they look for `img_temporal_embedding` where official files
        say `img_temperal_embedding`.
        """
        if not safe_serialization:
            raise UserError("weights are written as safetensors only: leave safe_serialization out")
        if save_function is not None and getattr(save_function, "__module__", "") != "torch":
            raise UserError("save_function cannot be had: weights are written as safetensors")
        if "save_config" in keywords:
            is_main_process = bool(keywords.pop("save_config"))
        pretrained.save(
            self, save_directory, state_dict=state_dict, with_config=is_main_process,
            most=max_shard_size, variant=variant, upload=push_to_hub, token=token, **keywords,
        )  # fmt: skip

    def push_to_hub(self, repo_id: str, **keywords: Any) -> str:
        """Write config and parameters into a repository of the Hub: -> the commit's address."""
        return push(self, repo_id, **keywords)


class HasWords:
    """Reading and changing what belongs to words, of the models that have a text decoder."""

    config: Any
    params: Any

    @property
    def vocab_size(self) -> int:
        """The number of tokens in the vocabulary."""
        return len(self.params.text.word_embedding)

    def prune_heads(self, heads_to_prune: Mapping[int, Sequence[int]]) -> None:
        """Silence heads of the text decoder for good: {layer: [head, ...]}, -1 for the last.

        They are noted in `config.pruned_heads`, left out of attentions and of saved files.
        """
        new = pruned_heads(self.config, heads_to_prune)
        old = pruned_heads(self.config)
        both = {n: sorted({*old.get(n, ()), *new.get(n, ())}) for n in sorted({*old, *new})}
        self.config = copy(self.config)  # another model may have been made of the same
        self.config.pruned_heads = both
        self.silence_pruned()

    def silence_pruned(self) -> None:
        """Make the output of the heads that the config calls pruned zero."""
        gone = pruned_heads(self.config)
        if gone:
            layers, heads = self.config.num_hidden_layers, self.config.num_attention_heads
            mask = edit_params.heads_without(layers, heads, gone)
            self.params = edit_params.mask_heads(self.params, mask, heads=heads)

    def get_input_embeddings(self) -> Matrix:
        """Return the word embedding (V, D)."""
        return Matrix.of(self.params.text.word_embedding)

    def set_input_embeddings(self, value: Any) -> None:
        """Put another word embedding (V, D) in its place."""
        self.params = edit_params.replace_words(self.params, getattr(value, "weight", value))

    def resize_token_embeddings(
        self, new_num_tokens: int | None = None, pad_to_multiple_of: int | None = None, **more: Any
    ) -> Matrix:
        """Cut or extend the vocabulary and its head; new vectors are random. -> (V, D).

        `pad_to_multiple_of` rounds the number up. Without a number nothing changes. `seed` makes
        the new vectors repeatable.
        """
        seed = more.pop("seed", 0)
        more.pop("mean_resizing", None)  # transformers 5 draws around the mean; here, around zero
        if more:
            raise UserError(f"resize_token_embeddings has no {', '.join(sorted(more))}")
        size = new_num_tokens
        if pad_to_multiple_of is not None:
            if not isinstance(pad_to_multiple_of, int | np.integer) or pad_to_multiple_of < 1:
                raise UserError(  # in the words of 4.37.2
                    f"Asking to pad the embedding matrix to a multiple of "
                    f"`{shown(repr(pad_to_multiple_of), 40)}`, "
                    "which is not and integer. Please make sure to pass an integer"
                )
            least = len(self.params.text.word_embedding) if size is None else size
            size = -(-least // pad_to_multiple_of) * pad_to_multiple_of
        if size is not None and size != len(self.params.text.word_embedding):
            self.params = edit_params.resize_words(
                self.params, size, std=self.config.initializer_range, seed=seed
            )
        if size is not None:
            self.config.vocab_size = size
        return self.get_input_embeddings()

"""Keywords of every `from_pretrained`: which are obeyed, which change nothing, which are refused.

Users of transformers pass these to configs, models, processors and tokenizers alike. One table
says what becomes of each, so that none is ignored without a word and none, least of all a token,
becomes a setting: `sort_keywords` takes them out before anything else sees them.

    where, rest = sort_keywords({"token": "hf_...", "device_map": "auto", "vocab_size": 9})
    where -> {"token": "hf_..."}, for `find`;  rest -> {"vocab_size": 9}
"""

from __future__ import annotations

import logging
import os
from collections.abc import Callable, Mapping
from typing import Any

from ...errors import UserError

LOG = logging.getLogger("numpygit")

WHERE = ("revision", "local_files_only", "cache_dir", "token", "force_download", "subfolder")
SECRET = ("token", "use_auth_token")
OFF = (None, False)
CPU = ("cpu", "auto", "sequential", "balanced", "balanced_low_0")
FLOAT32 = ("auto", "float", "float32", "torch.float32", "<class 'numpy.float32'>")

FLOATS = "numpygit computes in float32 on the CPU; leave {name} out, or pass 'float32' or 'auto'"
DEVICE = "numpygit runs on the CPU; leave {name} out, or pass 'cpu' or 'auto'"
WEIGHTS = "numpygit reads float32, float16 and bfloat16 weights of safetensors and PyTorch files"
MERGE = "give the adapter's own folder, or id, in place of the model's: LoRA is added to its base"
PROXY = "set the environment variables HTTP_PROXY and HTTPS_PROXY instead"
ONE_MACHINE = "numpygit keeps a model in one process; numpygit.scale spreads pictures over machines"


def is_device(value: object) -> bool:
    """Tell whether a device_map, a name or a map of parts to names, asks for the CPU alone."""
    devices = value.values() if isinstance(value, Mapping) else [value]
    return all(str(device) in CPU for device in devices)


def is_float32(value: object) -> bool:
    """Tell whether a dtype, by its name or as an object of any library, is float32 or "auto"."""
    return str(value) in FLOAT32


def is_anything(value: object) -> bool:
    """Accept all: the keyword changes nothing here, whatever its value."""
    return True


def is_nothing(value: object) -> bool:
    """Accept only what changes nothing: None, False, an empty list or dict."""
    return not value


IDLE = (  # keywords that change nothing here, whatever they say
    "low_cpu_mem_usage", "trust_remote_code", "use_fast", "resume_download", "mirror",
    "max_memory", "offload_folder", "offload_state_dict", "offload_buffers",
    "attn_implementation", "use_flash_attention_2", "weights_only", "code_revision",
    "local_dir_use_symlinks", "legacy_format", "legacy", "from_slow", "disable_mmap",
    "tqdm_class", "use_kernels", "allow_all_kernels", "experts_implementation", "verbose",
    "_fast_init", "_from_auto", "_from_pipeline", "_commit_hash", "init_inputs",
    "image_processor_filename", "backend", "use_square_size", "legacy_cache", "adapter_kwargs",
)  # fmt: skip

# name -> which values change nothing here, and what to say of the others
TABLE: dict[str, tuple[Callable[[Any], bool], str]] = {
    "device_map": (is_device, DEVICE),
    "device": (is_device, DEVICE),
    "torch_dtype": (is_float32, FLOATS),
    "dtype": (is_float32, FLOATS),
    **dict.fromkeys(IDLE, (is_anything, "")),
    "from_tf": (is_nothing, WEIGHTS),
    "from_flax": (is_nothing, WEIGHTS),
    "gguf_file": (is_nothing, WEIGHTS),
    "load_in_8bit": (is_nothing, FLOATS),
    "load_in_4bit": (is_nothing, FLOATS),
    "quantization_config": (is_nothing, FLOATS),
    "fusion_config": (is_nothing, FLOATS),
    "kernel_config": (is_nothing, FLOATS),
    "adapter_name": (is_nothing, MERGE),
    "proxies": (is_nothing, PROXY),
    "tp_plan": (is_nothing, ONE_MACHINE),
    "tp_size": (is_nothing, ONE_MACHINE),
    "device_mesh": (is_nothing, ONE_MACHINE),
    "distributed_config": (is_nothing, ONE_MACHINE),
    "key_mapping": (is_nothing, "rename the tensors in the file, or pass them as state_dict"),
    "tokenizer_class": (is_nothing, "every tokenizer here is a GitTokenizer"),
    "tokenizer_type": (is_nothing, "every tokenizer here is a GitTokenizer"),
    "tokenizer_file": (is_nothing, "give the folder that tokenizer.json lies in"),
    "vocab_file": (is_nothing, "give the folder that vocab.txt lies in"),
}


def sort_keywords(given: Mapping[str, Any]) -> tuple[dict[str, Any], dict[str, Any]]:
    """Sort what `from_pretrained` was given: -> keywords of `find`, and all the rest.

    What means nothing here is left out, with a line in the log. Raises UserError for what this
    package does not do, naming the keyword and what to do instead.
    """
    where: dict[str, Any] = {}
    rest = dict(given)
    secret = rest.pop("use_auth_token", None)
    if secret is not None:
        rest.setdefault("token", secret)
    for name in WHERE:
        value = rest.pop(name, None)
        if value not in (None, False) or (name == "token" and value is False):
            where[name] = value
    for name in [name for name in rest if name in TABLE]:
        value = rest.pop(name)
        accepts, advice = TABLE[name]
        if value is not None and not accepts(value):
            raise UserError(f"{name}={short(value)} cannot be had: {advice.format(name=name)}")
        LOG.debug("from_pretrained: %s changes nothing here", name)
    return where, rest


def refuse_rest(rest: Mapping[str, Any], hint: str) -> None:
    """Refuse what is left over and nobody knows."""
    if rest:
        raise UserError(f"from_pretrained has no {', '.join(sorted(rest))}; {hint}")


def without_secrets(values: Mapping[str, Any]) -> dict[str, Any]:
    """Leave out what must never become a setting or reach a file."""
    return {name: value for name, value in values.items() if name not in SECRET}


def short(value: object) -> str:
    """Write a value so that it fits a sentence."""
    text = repr(value)
    return text if len(text) <= 40 else f"{text[:37]}..."


def environment() -> dict[str, Any]:
    """Read the variables of transformers that huggingface_hub does not read itself."""
    found: dict[str, Any] = {}
    cache = os.environ.get("TRANSFORMERS_CACHE")
    hub = {"HF_HOME", "HF_HUB_CACHE", "HUGGINGFACE_HUB_CACHE"} & set(os.environ)
    if cache and not hub:
        found["cache_dir"] = cache
    if os.environ.get("TRANSFORMERS_OFFLINE", "").upper() in ("1", "ON", "YES", "TRUE"):
        found["local_files_only"] = True
    return found

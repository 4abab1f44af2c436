"""Record what the official classes can be asked: every public name, and every keyword of each.

    python golden/make_signatures.py    # in an environment with torch and transformers

It adds the installed version of transformers to `golden/signatures.json`: class -> public name ->
keywords, or null for what is no function. A keyword is a parameter of the signature, or a name
that the function, or what it calls with the same `kwargs`, takes out of `**kwargs` itself.
`tests/huggingface/test_signatures.py` asks numpygit for each, and needs neither torch nor
transformers.
"""

from __future__ import annotations

import inspect
import json
import re
from pathlib import Path
from typing import Any

import transformers
from transformers import (
    AutoConfig,
    AutoImageProcessor,
    AutoModel,
    AutoModelForCausalLM,
    AutoProcessor,
    AutoTokenizer,
    BatchEncoding,
    BatchFeature,
    BertTokenizerFast,
    GenerationConfig,
    GitConfig,
    GitForCausalLM,
    GitModel,
    GitProcessor,
    GitVisionConfig,
    GitVisionModel,
    VideoMAEImageProcessor,
)

try:
    from transformers import CLIPImageProcessorPil as CLIPImageProcessor
except ImportError:
    from transformers import CLIPImageProcessor

TARGET = Path(__file__).parent / "signatures.json"
CLASSES = {
    "GitConfig": GitConfig,
    "GitVisionConfig": GitVisionConfig,
    "GitVisionModel": GitVisionModel,
    "GitModel": GitModel,
    "GitForCausalLM": GitForCausalLM,
    "GenerationConfig": GenerationConfig,
    "GitProcessor": GitProcessor,
    "CLIPImageProcessor": CLIPImageProcessor,
    "VideoMAEImageProcessor": VideoMAEImageProcessor,
    "BertTokenizerFast": BertTokenizerFast,
    "BatchEncoding": BatchEncoding,
    "BatchFeature": BatchFeature,
    "AutoConfig": AutoConfig,
    "AutoModel": AutoModel,
    "AutoModelForCausalLM": AutoModelForCausalLM,
    "AutoProcessor": AutoProcessor,
    "AutoTokenizer": AutoTokenizer,
    "AutoImageProcessor": AutoImageProcessor,
}
LOADERS = (  # functions that read what from_pretrained was given beyond its signature
    "get_config_dict", "_get_config_dict", "get_image_processor_dict", "from_dict",
    "get_processor_dict", "_from_pretrained",
)  # fmt: skip
TAKEN = re.compile(r"kwargs\.(?:pop|get)\(\s*[\"'](\w+)[\"']")
MAGIC = {"__init__", "__call__"}


def main() -> None:
    """Add the installed version to the file."""
    recorded = json.loads(TARGET.read_text(encoding="utf-8")) if TARGET.is_file() else {}
    recorded[transformers.__version__] = {
        name: {member: keywords_of(kind, member) for member in members_of(kind)}
        for name, kind in CLASSES.items()
    }
    recorded[transformers.__version__]["generate"] = {"options": sorted(options())}
    TARGET.write_text(json.dumps(recorded, indent=1, sort_keys=True) + "\n", encoding="utf-8")


def members_of(kind: type) -> list[str]:
    """List the public names of a class, and of what it makes where that costs nothing."""
    names = {name for name in dir(kind) if not name.startswith("_")} | MAGIC & set(dir(kind))
    if kind in (GitConfig, GitVisionConfig, GenerationConfig):
        names |= {name for name in vars(kind()) if not name.startswith("_")}
    return sorted(names)


def keywords_of(kind: type, member: str) -> list[str] | None:
    """List the keywords of a function, None for anything else."""
    function = inspect.getattr_static(kind, member, None)
    function = getattr(function, "__func__", function)
    if not callable(function) or inspect.isclass(function):
        return None
    try:
        parameters = inspect.signature(function).parameters.values()
    except (TypeError, ValueError):
        return None
    named = [p.name for p in parameters if p.kind in (p.POSITIONAL_OR_KEYWORD, p.KEYWORD_ONLY)]
    if any(p.kind is p.VAR_KEYWORD for p in parameters):
        named += taken_from_kwargs(function)
        if member == "from_pretrained":
            for loader in LOADERS:
                inner: Any = getattr(kind, loader, None)
                named += taken_from_kwargs(inner) if inner else []
        if "unpack" in str(inspect.signature(function)).lower():
            named += unpacked(function)
    return sorted({name for name in named if name not in ("self", "cls")})


def taken_from_kwargs(function: Any) -> list[str]:
    """Find the names that a function takes out of its `**kwargs`."""
    try:
        source = inspect.getsource(function)
    except (OSError, TypeError):
        return []
    return [name for name in TAKEN.findall(source) if not name.startswith("_")]


def unpacked(function: Any) -> list[str]:
    """List the names of a typed dictionary that stands for `**kwargs` (transformers 5)."""
    for annotation in inspect.get_annotations(inspect.unwrap(function)).values():
        for kind in getattr(annotation, "__args__", ()):
            found = getattr(kind, "__annotations__", None)
            if found and "Unpack" in str(annotation):
                return list(found)
    return []


def options() -> set[str]:
    """List what generate takes: its own parameters and every field of its options."""
    fields = {name for name in vars(GenerationConfig()) if not name.startswith("_")}
    own = keywords_of(GitForCausalLM, "generate") or []
    return fields | set(own)


if __name__ == "__main__":
    main()

"""Every keyword of every official method, with values that make no sense: a sentence, or it works.

`golden/signatures.json` lists the methods and their keywords, read off transformers 4.37.2 and
5.23.0. A value of the wrong kind must not end in a bare TypeError, AttributeError or IndexError.
"""

from __future__ import annotations

import inspect
import json
import warnings
from collections.abc import Callable, Iterator
from functools import partial
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest

import numpygit
from numpygit import UserError
from numpygit.loading.find import find

GOLDEN = json.loads((Path(__file__).parents[2] / "golden" / "signatures.json").read_text())
MODEL = numpygit.GitForCausalLM.from_pretrained("storybook")
TOWER = MODEL.config.vision_config
PROCESSOR = numpygit.GitProcessor.from_pretrained("storybook")
PICTURE = np.zeros((20, 30, 3), np.uint8)
PIXELS = PROCESSOR(images=PICTURE, return_tensors="np").pixel_values
IDS = np.array([[2, 7]])
ROWS = PROCESSOR(text=["a red", "a tree"])
GENERATED = MODEL.generate(IDS, pixel_values=PIXELS, max_new_tokens=2, output_scores=True,
                           return_dict_in_generate=True)  # fmt: skip
WRONG: tuple[Any, ...] = ("an unlikely value", -7, 2.5, {"a": 1}, [None], [[]], object(), True)

THINGS: dict[str, Callable[[], Any]] = {  # made anew for each call, which may change them
    "GitConfig": lambda: numpygit.GitConfig.from_pretrained("storybook"),
    "GitVisionConfig": lambda: numpygit.GitConfig.from_pretrained("storybook").vision_config,
    "GitVisionModel": lambda: numpygit.GitVisionModel(
        MODEL.config.vision_config, MODEL.params.vision
    ),
    "GitModel": lambda: numpygit.GitModel(MODEL.config, MODEL.params),
    "GitForCausalLM": lambda: numpygit.GitForCausalLM(MODEL.config, MODEL.params),
    "GenerationConfig": lambda: numpygit.GenerationConfig(),
    "GitProcessor": lambda: PROCESSOR,
    "CLIPImageProcessor": lambda: numpygit.CLIPImageProcessor(),
    "VideoMAEImageProcessor": lambda: numpygit.VideoMAEImageProcessor(),
    "BertTokenizerFast": lambda: numpygit.GitTokenizer.from_pretrained("storybook"),
    "BatchEncoding": lambda: PROCESSOR(text=["a red", "a tree"]),
    "BatchFeature": lambda: PROCESSOR(images=PICTURE),
    "AutoConfig": lambda: numpygit.AutoConfig,
    "AutoModel": lambda: numpygit.AutoModel,
    "AutoModelForCausalLM": lambda: numpygit.AutoModelForCausalLM,
    "AutoProcessor": lambda: numpygit.AutoProcessor,
    "AutoTokenizer": lambda: numpygit.AutoTokenizer,
    "AutoImageProcessor": lambda: numpygit.AutoImageProcessor,
}
NO_CALL = {  # methods that are not called here, and why
    "push_to_hub": "needs the network; tests/loading/hub has it",
    "register_for_auto_class": "there is nothing to register",
    "register": "there is nothing to register",
    **dict.fromkeys(("get", "pop", "setdefault", "fromkeys"), "a dict's own"),
    **dict.fromkeys(("BatchEncoding.update", "BatchFeature.update"), "a dict's own"),
}
RENAMED = {"clean_up_tokenization": {"text"}}  # in 5.23.0
PARTS = ("get_submodule", "get_parameter", "get_buffer", "get_parameter_or_buffer")
LONG = ("from_pretrained", "save_pretrained", "from_config", "generate", "forward",
        "search", "sample", "encode_plus", "prepare_for_model")  # fmt: skip
SEARCH = {"input_ids": IDS, "pixel_values": PIXELS, "max_length": 4}
BEAMS = {"beam_scorer": SimpleNamespace(num_beams=1)}
STORY = find("storybook")
BASE: dict[str, dict[str, Any]] = {  # method -> what it cannot do without
    "from_pretrained": {"pretrained_model_name_or_path": "storybook"},
    "get_config_dict": {"pretrained_model_name_or_path": "storybook"},
    "get_image_processor_dict": {"pretrained_model_name_or_path": "storybook"},
    "GenerationConfig.from_pretrained": {"pretrained_model_name": "storybook"},
    "forward": {"input_ids": IDS, "pixel_values": PIXELS},
    "GitVisionModel.forward": {"pixel_values": PIXELS},
    "generate": {"inputs": IDS, "pixel_values": PIXELS, "max_new_tokens": 2},
    "from_dict": {"config_dict": {}},
    "CLIPImageProcessor.from_dict": {"image_processor_dict": {}},
    "VideoMAEImageProcessor.from_dict": {"image_processor_dict": {}},
    "GitProcessor.__call__": {"text": "a red", "images": PICTURE},
    "__call__": {"text": "a red"},
    "encode": {"text": "a red"},
    "encode_plus": {"text": "a red"},
    "tokenize": {"text": "a red"},
    "batch_encode_plus": {"batch_text_or_text_pairs": ["a red", "a tree"]},
    "pad": {"encoded_inputs": {"input_ids": [[2, 7], [2]]}},
    "decode": {"token_ids": [2, 7]},
    "batch_decode": {"sequences": [[2, 7]]},
    "convert_ids_to_tokens": {"ids": [2, 7]},
    "convert_tokens_to_ids": {"tokens": ["a"]},
    "convert_tokens_to_string": {"tokens": ["a"]},
    "build_inputs_with_special_tokens": {"token_ids_0": [7]},
    "create_token_type_ids_from_sequences": {"token_ids_0": [7]},
    "get_special_tokens_mask": {"token_ids_0": [7]},
    "prepare_for_model": {"ids": [7, 8]},
    "add_tokens": {"new_tokens": ["kite"]},
    "add_special_tokens": {"special_tokens_dict": {"pad_token": "[PAD]"}},
    "clean_up_tokenization": {"out_string": "a red"},
    "post_process_image_text_to_text": {"generated_outputs": [[2, 7]]},
    "preprocess": {"images": PICTURE},
    "CLIPImageProcessor.__call__": {"images": PICTURE},
    "VideoMAEImageProcessor.__call__": {"images": PICTURE},
    "resize": {"image": PICTURE, "size": {"shortest_edge": 10}},
    "center_crop": {"image": PICTURE, "size": {"height": 10, "width": 10}},
    "rescale": {"image": PICTURE, "scale": 0.5},
    "normalize": {"image": PICTURE, "mean": 0.5, "std": 0.5},
    "compute_transition_scores": {"sequences": GENERATED.sequences, "scores": GENERATED.scores},
    **dict.fromkeys(("greedy_search", "sample", "contrastive_search"), SEARCH),
    **dict.fromkeys(("beam_search", "beam_sample", "group_beam_search"), SEARCH | BEAMS),
    "to_json_file": {"json_file_path": "config.json"},
    "from_json_file": {"json_file": STORY / "config.json"},
    "VideoMAEImageProcessor.from_json_file": {"json_file": STORY / "preprocessor_config.json"},
    "CLIPImageProcessor.from_json_file": {"json_file": STORY / "preprocessor_config.json"},
    "from_model_config": {"model_config": MODEL.config},
    **{f"char_to_{to}": {"batch_or_char_index": 0} for to in ("token", "word")},
    **{f"word_to_{to}": {"batch_or_word_index": 0} for to in ("tokens", "chars")},
    **{f"token_to_{to}": {"batch_or_token_index": 1} for to in ("chars", "word", "sequence")},
    "prepare_inputs_for_generation": {"input_ids": IDS},
    "get_head_mask": {"head_mask": np.ones(5), "num_hidden_layers": 4},
    "prune_heads": {"heads_to_prune": {0: [0]}},
    "set_input_embeddings": {"value": MODEL.get_input_embeddings()},
    "set_output_embeddings": {"new_embeddings": MODEL.get_output_embeddings()},
    "load_state_dict": {"state_dict": MODEL.state_dict()},
    "get_submodule": {"target": "git"},
    "get_parameter": {"target": "output.weight"},
    "update_from_string": {"update_str": "use_cache=false"},
    "update": {"config_dict": {}},
    "for_model": {"model_type": "git"},
    "from_config": {"config": MODEL.config},
}  # fmt: skip


def methods() -> Iterator[Any]:
    """Go through the methods that have keywords, here and in an official version."""
    for kind, make in THINGS.items():
        thing = make()
        named = {m for v in GOLDEN.values() for m, keywords in v.get(kind, {}).items() if keywords}
        for method in sorted(named - {"__init__", *NO_CALL}):
            if f"{kind}.{method}" not in NO_CALL and callable(getattr(thing, method, None)):
                is_long = method.endswith(LONG) and kind.startswith(("Git", "Auto", "Bert"))
                yield pytest.param(kind, method, marks=[pytest.mark.slow] if is_long else [])


def keywords_of(kind: str, method: str) -> list[str]:
    """List the keywords of a method in all versions, and those it has here."""
    found = {k for version in GOLDEN.values() for k in version.get(kind, {}).get(method) or ()}
    if method == "generate":
        found |= {
            option for version in GOLDEN.values() for option in version["generate"]["options"]
        }
    for parameter in inspect.signature(getattr(THINGS[kind](), method)).parameters.values():
        if parameter.kind in (parameter.POSITIONAL_OR_KEYWORD, parameter.KEYWORD_ONLY):
            found.add(parameter.name)
    return sorted(found - {"trace"} - RENAMED.get(method, set()))


def base_of(kind: str, method: str, folder: Path) -> dict[str, Any]:
    """Look up what a method cannot do without."""
    for name in (f"{kind}.{method}", method):
        if name in BASE:
            return dict(BASE[name])
    return {"save_directory": folder} if method.startswith("save_") else {}


def said_of(action: Callable[[], Any], *allowed: type[Exception]) -> str | None:
    """Run something: None where it works or one sentence refuses it, else what it raised."""
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            action()
    except allowed:
        return None
    except UserError as error:
        message = str(error)
        return None if message.strip() and "\n" not in message else f"no sentence: {message!r}"
    except Exception as error:
        return f"{type(error).__name__}: {error}"
    return None


@pytest.mark.parametrize(("kind", "method"), list(methods()))
def test_no_value_ends_in_a_bare_error(
    kind: str, method: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)  # some values are fine names of folders
    bad = []
    base = base_of(kind, method, tmp_path / "saved")
    for keyword in keywords_of(kind, method):
        arrays = (np.zeros((2, 3, 4)),) if keyword in base else ()  # a flag may not be an array
        for value in (*WRONG, *arrays):
            thing, given = THINGS[kind](), {**base, keyword: value}
            said = said_of(
                partial(getattr(thing, method), **given),
                *(
                    (AttributeError,) if method in PARTS and isinstance(value, str) else ()
                ),  # torch's way
            )
            if said:
                bad.append(f"{keyword}={str(value)[:20]!r}: {said[:150]}")
    assert not bad, "\n".join(bad)


MADE: dict[str, tuple[Callable[..., Any], dict[str, Any]]] = {  # what is called -> what it needs
    "GitConfig": (numpygit.GitConfig, {}),
    "GitVisionConfig": (numpygit.GitVisionConfig, {}),
    "GenerationConfig": (numpygit.GenerationConfig, {}),
    "CLIPImageProcessor": (numpygit.CLIPImageProcessor, {}),
    "VideoMAEImageProcessor": (numpygit.VideoMAEImageProcessor, {}),
    "GitVisionModel": (numpygit.GitVisionModel, {"config": TOWER}),
    "GitModel": (numpygit.GitModel, {"config": MODEL.config}),
    "GitForCausalLM": (numpygit.GitForCausalLM, {"config": MODEL.config}),
    "BatchEncoding": (numpygit.BatchEncoding, {}),
    "BatchFeature": (numpygit.BatchFeature, {}),
    "GitProcessor": (
        numpygit.GitProcessor,
        {"image_processor": PROCESSOR.image_processor, "tokenizer": PROCESSOR.tokenizer},
    ),
    "BertTokenizerFast": (numpygit.GitTokenizer, {"vocabulary": PROCESSOR.tokenizer.vocabulary}),
    "pipeline": (numpygit.pipeline, {"task": "image-to-text", "model": "storybook"}),
}


@pytest.mark.slow
@pytest.mark.parametrize("kind", MADE)
def test_nothing_is_made_of_wrong_values(
    kind: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    make, base = MADE[kind]
    keywords = {k for v in GOLDEN.values() for k in v.get(kind, {}).get("__init__") or ()}
    keywords |= {
        parameter.name
        for parameter in inspect.signature(make).parameters.values()
        if parameter.kind in (parameter.POSITIONAL_OR_KEYWORD, parameter.KEYWORD_ONLY)
    }
    bad = []
    assert said_of(partial(make, **base)) is None
    for keyword in sorted(keywords):
        for value in WRONG:
            said = said_of(partial(make, **{**base, keyword: value}))
            if said:
                bad.append(f"{keyword}={str(value)[:20]!r}: {said[:150]}")
    assert not bad, "\n".join(bad)

"""Every public name and keyword of the official classes: it works, or one sentence says why not.

`golden/signatures.json` has them, read off transformers 4.37.2 and 5.23.0 by
`golden/make_signatures.py`. Never a bare TypeError or AttributeError, never silence.

Checks loading/hub/keywords.py.
"""

from __future__ import annotations

import inspect
import json
import warnings
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import numpygit
from numpygit import UserError
from numpygit.loading.hub.keywords import TABLE, WHERE

GOLDEN = json.loads((Path(__file__).parents[2] / "golden" / "signatures.json").read_text())
MODEL = numpygit.GitForCausalLM.from_pretrained("storybook")
PROCESSOR = numpygit.GitProcessor.from_pretrained("storybook")
PICTURE = np.zeros((20, 30, 3), np.uint8)
PIXELS = PROCESSOR(images=PICTURE, return_tensors="np").pixel_values
IDS = np.array([[2, 7]])
THINGS: dict[str, Any] = {
    "GitConfig": MODEL.config,
    "GitVisionConfig": MODEL.config.vision_config,
    "GitVisionModel": numpygit.GitVisionModel.from_pretrained("storybook"),
    "GitModel": MODEL.git,
    "GitForCausalLM": MODEL,
    "GenerationConfig": MODEL.generation_config,
    "GitProcessor": PROCESSOR,
    "CLIPImageProcessor": numpygit.CLIPImageProcessor(),
    "VideoMAEImageProcessor": numpygit.VideoMAEImageProcessor(),
    "BertTokenizerFast": PROCESSOR.tokenizer,
    "BatchEncoding": PROCESSOR(text="a red"),
    "BatchFeature": PROCESSOR(images=PICTURE),
    "AutoConfig": numpygit.AutoConfig,
    "AutoModel": numpygit.AutoModel,
    "AutoModelForCausalLM": numpygit.AutoModelForCausalLM,
    "AutoProcessor": numpygit.AutoProcessor,
    "AutoTokenizer": numpygit.AutoTokenizer,
    "AutoImageProcessor": numpygit.AutoImageProcessor,
}
NAMES = sorted({(kind, name) for version in GOLDEN.values() for kind in THINGS
                for name in version.get(kind, {})} - {(kind, name) for kind in THINGS
                for name in ("__init__", "__call__")})  # fmt: skip


def keywords_of(kind: str, *names: str) -> list[str]:
    """List the keywords of these functions in all versions."""
    found = {
        keyword
        for version in GOLDEN.values()
        for name in names
        for keyword in version.get(kind, {}).get(name) or ()
    }
    return sorted(found)


VALUES: dict[str, Any] = {  # a value with a meaning, for keywords whose None would say nothing
    "token": "hf_secret", "use_auth_token": "hf_secret", "revision": "main", "device_map": "cpu",
    "torch_dtype": "float32", "dtype": "auto", "trust_remote_code": True, "use_fast": True,
    "low_cpu_mem_usage": True, "output_loading_info": True, "return_unused_kwargs": True,
    "from_tf": True, "load_in_8bit": True, "quantization_config": {"bits": 4}, "proxies": {"a": 1},
    "gguf_file": "x.gguf", "variant": "fp16", "use_safetensors": True, "subfolder": "nowhere",
    "attn_implementation": "eager", "force_download": True, "local_files_only": True,
    "ignore_mismatched_sizes": True, "state_dict": None, "key_mapping": {"a": "b"},
    "device_mesh": "x", "tp_plan": "auto", "adapter_name": "x", "model_max_length": 20,
    "padding": True, "truncation": True, "max_length": 6, "return_tensors": "np", "stride": 0,
    "pad_to_multiple_of": 2, "text_pair": "a tree", "do_resize": False, "size": 20,
    "crop_size": 18, "add_special_tokens": True, "data_format": "channels_last",
    "input_data_format": "channels_last",
}  # fmt: skip


def is_fine(action: Callable[[], Any]) -> bool:
    """Run something: True where it works, False where one sentence refuses it."""
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            action()
    except UserError as error:
        message = str(error)
    else:
        return True
    assert message.strip()
    assert "\n" not in message
    return False


@pytest.mark.parametrize(("kind", "name"), NAMES)
def test_every_public_name_is_there_or_says_why_not(kind: str, name: str) -> None:
    thing = THINGS[kind]
    try:
        getattr(thing, name)
    except AttributeError as error:
        message = str(error)
    else:
        return
    assert message.split()[0] in {type(thing).__name__, kind}
    assert name in message
    assert len(message) > len(name) + 30  # more than that there is none


LOADERS = ["GitConfig", "GitVisionConfig", "GitForCausalLM", "GitModel", "GitVisionModel",
           "GenerationConfig", "GitProcessor", "CLIPImageProcessor", "BertTokenizerFast",
           "AutoConfig", "AutoModel", "AutoModelForCausalLM", "AutoProcessor", "AutoTokenizer",
           "AutoImageProcessor"]  # fmt: skip


@pytest.mark.slow
@pytest.mark.parametrize("kind", LOADERS)
def test_every_keyword_of_from_pretrained(kind: str, tmp_path: Path) -> None:
    """Each is obeyed, means nothing here and is in the table, or is refused."""
    thing = THINGS[kind]
    keywords = {*keywords_of(kind, "from_pretrained"), *TABLE, *WHERE}
    keywords -= {"pretrained_model_name_or_path", "pretrained_model_name", "token", "cls",
                 "image_processor_filename", "_configuration_file"}  # fmt: skip
    for keyword in sorted(keywords):
        value = VALUES.get(keyword)
        works = is_fine(lambda k=keyword, v=value: thing.from_pretrained("storybook", **{k: v}))
        if keyword in TABLE and value is not None:
            accepts, _ = TABLE[keyword]
            assert works == bool(accepts(value)), keyword
    with pytest.raises(UserError):
        thing.from_pretrained("storybook", no_such_keyword=1)


@pytest.mark.slow
def test_every_option_of_generate() -> None:
    """None of any version's changes nothing; other values work or are refused."""
    options = {name for version in GOLDEN.values() for name in version["generate"]["options"]}
    options -= {"inputs", "input_ids", "generation_config"}
    plain = MODEL.generate(IDS, pixel_values=PIXELS, max_new_tokens=4)
    refused = []
    for name in sorted(options):
        given = {"max_new_tokens": 4, name: None}
        if name == "eos_token_id":
            continue  # None never stops: tests of its own
        found = MODEL.generate(IDS, pixel_values=PIXELS, **given)
        if name != "max_new_tokens":
            np.testing.assert_array_equal(found, plain, err_msg=name)
        given = {"max_new_tokens": 4, "max_length": None, name: "an unlikely value"}
        if not is_fine(lambda given=given: MODEL.generate(IDS, pixel_values=PIXELS, **given)):
            refused.append(name)
    assert {"assistant_model", "guidance_scale", "constraints", "dola_layers"} <= set(refused)
    with pytest.raises(UserError, match="did you mean 'num_beams'"):
        MODEL.generate(pixel_values=IDS, num_beam=3)


@pytest.mark.slow
@pytest.mark.parametrize("kind", ["GitVisionModel", "GitModel", "GitForCausalLM"])
def test_every_argument_of_a_call(kind: str) -> None:
    model = THINGS[kind]
    words = {} if kind == "GitVisionModel" else {"input_ids": IDS}
    for name in set(keywords_of(kind, "forward")) - {"input_ids", "pixel_values", "kwargs"}:
        assert is_fine(lambda n=name: model(**words, pixel_values=PIXELS, **{n: None})), name
        assert name in inspect.signature(model.forward).parameters or not is_fine(
            lambda n=name: model(**words, pixel_values=PIXELS, **{n: IDS})
        )


def test_every_keyword_of_the_tokenizer() -> None:
    tokenizer = PROCESSOR.tokenizer
    for method in ("__call__", "encode_plus"):
        for keyword in keywords_of("BertTokenizerFast", method):
            if keyword not in ("text", "images"):
                value = VALUES.get(keyword)
                assert is_fine(lambda k=keyword, v=value: tokenizer("a red fish", **{k: v})) or (
                    keyword
                    in (
                        "text_pair_target",
                        "max_target_length",
                        "split_special_tokens",
                        "tokenizer_kwargs",
                    )
                ), keyword
    for keyword in keywords_of("BertTokenizerFast", "pad"):
        if keyword != "encoded_inputs":
            tokenizer.pad({"input_ids": [[2, 7], [2]]}, **{keyword: VALUES.get(keyword)})


@pytest.mark.parametrize("kind", ["CLIPImageProcessor", "VideoMAEImageProcessor"])
def test_every_keyword_of_the_image_processor(kind: str) -> None:
    thing = THINGS[kind]
    for keyword in keywords_of(kind, "preprocess"):
        if keyword not in ("images", "videos", "image_like_kwargs"):
            value = VALUES.get(keyword)
            assert is_fine(lambda k=keyword, v=value: thing.preprocess(PICTURE, **{k: v})), keyword


SAVED = ["GitConfig", "GitVisionModel", "GitModel", "GitForCausalLM", "GenerationConfig",
         "GitProcessor", "CLIPImageProcessor", "BertTokenizerFast"]  # fmt: skip


@pytest.mark.parametrize("kind", SAVED)
def test_every_keyword_of_save_pretrained(kind: str, tmp_path: Path) -> None:
    thing = THINGS[kind]
    for number, keyword in enumerate(keywords_of(kind, "save_pretrained")):
        if keyword not in ("save_directory", "push_to_hub", "max_shard_size"):
            folder = tmp_path / str(number)
            value = {"safe_serialization": True, "is_main_process": True}.get(keyword)
            value = VALUES.get(keyword, value)
            thing.save_pretrained(folder, **{keyword: value})
            for path in folder.rglob("*"):
                assert b"hf_secret" not in path.read_bytes(), (keyword, path)
    with pytest.raises(UserError, match="save_pretrained has no colour"):
        thing.save_pretrained(tmp_path / "x", colour=1)

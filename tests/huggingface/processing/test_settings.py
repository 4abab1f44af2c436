"""Settings of the processor: one place holds them, whoever sets them; transformers 5's files.

Checks huggingface/processing/array_steps.py, huggingface/processing/encoding.py,
huggingface/processing/image_processor.py, loading/config/picture_settings.py.
"""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from numpygit import (
    AutoTokenizer,
    CLIPImageProcessor,
    GitForCausalLM,
    GitImageProcessor,
    GitProcessor,
    UserError,
    VideoMAEImageProcessor,
)

PICTURE = np.random.default_rng(0).integers(0, 256, (120, 140, 3), np.uint8)


class Tensor:
    """An array of another library: it has __array__ and a shape, nothing else."""

    def __init__(self, array: Any) -> None:
        self.array, self.shape, self.ndim = array, array.shape, array.ndim

    def __array__(self, dtype: Any = None, copy: bool | None = None) -> Any:
        return np.asarray(self.array, dtype)


def pixels(processor: Any, images: Any = PICTURE, **settings: Any) -> Any:
    return processor(images=images, return_tensors="np", **settings).pixel_values


@pytest.mark.parametrize("way", ["attribute", "keyword", "constructor", "in place"])
def test_a_setting_holds_wherever_it_is_set(way: str, tmp_path: Path) -> None:
    settings = {"size": {"shortest_edge": 100}, "crop_size": {"height": 90, "width": 80},
                "do_normalize": False}  # fmt: skip
    processor = GitProcessor.from_pretrained("storybook")
    images = processor.image_processor
    if way == "attribute":
        for name, value in settings.items():
            setattr(images, name, value)
    elif way == "in place":
        images.size["shortest_edge"] = 100
        images.crop_size.update(settings["crop_size"])
        images.do_normalize = False
    elif way == "constructor":
        processor.image_processor = GitImageProcessor(**settings)
    given = settings if way == "keyword" else {}
    found = pixels(processor, **given)
    assert found.shape == (1, 3, 90, 80)
    assert 0 <= found.min() <= found.max() <= 1
    if way != "keyword":
        assert {name: processor.image_processor.to_dict()[name] for name in settings} == settings
        assert processor.pixels(PICTURE[None][0]).shape[-2:] == (90, 80)
        processor.save_pretrained(tmp_path)
        np.testing.assert_array_equal(pixels(GitProcessor.from_pretrained(tmp_path)), found)


@pytest.mark.parametrize(
    ("given", "size", "crop"),
    [
        (100, {"shortest_edge": 100}, {"height": 100, "width": 100}),
        ((90, 80), {"height": 90, "width": 80}, {"height": 90, "width": 80}),
    ],
)
def test_numbers_for_sizes_become_what_the_official_class_makes_of_them(
    given: Any, size: dict[str, int], crop: dict[str, int]
) -> None:
    made = CLIPImageProcessor(size=given, crop_size=given)
    assert (made.size, made.crop_size) == (size, crop)
    made.size = 50
    assert made.to_dict()["size"] == {"shortest_edge": 50}
    with pytest.raises(UserError, match="size is 'big'"):
        made.size = "big"


def test_layouts_in_and_out() -> None:
    clip = CLIPImageProcessor(size=20, crop_size=18)
    first = pixels(clip)
    np.testing.assert_array_equal(pixels(clip, data_format="channels_last"),
                                  first.transpose(0, 2, 3, 1))  # fmt: skip
    thin = PICTURE[:3]  # three rows: taken for channels unless it is said
    assert pixels(clip, thin, input_data_format="channels_last").shape == (1, 3, 18, 18)
    with pytest.raises(UserError, match="a data format is 'sideways'"):
        pixels(clip, data_format="sideways")
    for given in (Tensor(PICTURE.transpose(2, 0, 1)), [Tensor(PICTURE)], Tensor(PICTURE[None])):
        np.testing.assert_array_equal(pixels(clip, given), first)


def test_four_channels_are_kept_where_the_settings_fit_them() -> None:
    four = np.dstack([PICTURE, PICTURE[:, :, 0]])
    clip = CLIPImageProcessor(size=20, crop_size=18)
    assert pixels(clip, four).shape == (1, 3, 18, 18)
    assert pixels(clip, four, image_mean=0, image_std=1).shape == (1, 4, 18, 18)
    assert pixels(clip, four, image_mean=[0.5] * 4, image_std=[0.5] * 4).shape == (1, 4, 18, 18)
    frames = VideoMAEImageProcessor(size=20, crop_size=18)
    assert pixels(frames, [four, four], image_mean=0, image_std=1).shape == (1, 2, 4, 18, 18)


def test_the_steps_are_methods_too() -> None:
    clip = CLIPImageProcessor(size=20, crop_size=18)
    step = clip.resize(PICTURE, {"shortest_edge": 20})
    step = clip.center_crop(step, {"height": 18, "width": 18})
    step = clip.rescale(step, 1 / 255)
    step = clip.normalize(step, clip.image_mean, clip.image_std, data_format="channels_first")
    np.testing.assert_allclose(step, pixels(clip)[0], atol=1e-6)
    assert clip.resize(PICTURE.transpose(2, 0, 1), 20).shape == (3, 20, 23)
    with pytest.raises(UserError, match="mean has 2 numbers, and the picture 3 channels"):
        clip.normalize(PICTURE, [0, 0], 1)


def test_dicts_and_files_go_round(tmp_path: Path) -> None:
    clip = CLIPImageProcessor(size=20, do_normalize=False)
    assert GitImageProcessor.from_dict(clip.to_dict()).to_dict() == clip.to_dict()
    assert json.loads(clip.to_json_string()) == clip.to_dict()
    clip.to_json_file(tmp_path / "some.json")
    assert GitImageProcessor.from_json_file(tmp_path / "some.json").to_dict() == clip.to_dict()
    assert clip.save_pretrained(tmp_path) == [str(tmp_path / "preprocessor_config.json")]
    values, rest = GitImageProcessor.get_image_processor_dict(tmp_path, colour=1)
    assert (values, rest) == (clip.to_dict(), {"colour": 1})
    made, unused = GitImageProcessor.from_pretrained(
        tmp_path, colour=1, do_resize=False, return_unused_kwargs=True
    )
    assert (made.do_resize, unused) == (False, {"colour": 1})


def test_pt_gives_arrays_and_warns_once() -> None:
    from numpygit.huggingface.processing import encoding

    encoding.WARNED.clear()
    processor = GitProcessor.from_pretrained("storybook")
    with pytest.warns(UserWarning, match="gives NumPy arrays here"):
        inputs = processor(text=["a red"], images=PICTURE, return_tensors="pt")
    processor(images=PICTURE, return_tensors="pt")  # a second warning would be an error
    for value in inputs.values():
        assert isinstance(value, np.ndarray)
        assert value.to("cpu") is value
        assert value.unsqueeze(0).shape == (1, *value.shape)
        assert type(value.squeeze()) is type(value.cpu().detach().numpy()) is np.ndarray
        with pytest.raises(UserError, match="runs on the CPU"):
            value.to("cuda")


def test_what_transformers_5_saves_loads(tmp_path: Path) -> None:
    processor = GitProcessor.from_pretrained("storybook", do_normalize=False)
    processor.save_pretrained(tmp_path)
    (tmp_path / "preprocessor_config.json").unlink()
    settings = {**processor.image_processor.to_dict(), "data_format": "channels_first",
                "image_processor_type": "CLIPImageProcessorPil"}  # fmt: skip
    written = {"image_processor": settings, "processor_class": "GitProcessor"}
    (tmp_path / "processor_config.json").write_text(json.dumps(written))
    for found in (
        GitProcessor.from_pretrained(tmp_path),
        GitImageProcessor.from_pretrained(tmp_path),
    ):
        np.testing.assert_array_equal(pixels(found), pixels(processor))
    GitForCausalLM.from_pretrained("storybook").save_pretrained(tmp_path)
    from numpygit import load
    from numpygit.storybook import EXAMPLES

    assert load(tmp_path).processor.image_processor.do_normalize is False
    assert load(tmp_path).caption(EXAMPLES / "row.png")


def test_a_checkpoint_of_a_trainer_says_which_processor_to_take(tmp_path: Path) -> None:
    folder = tmp_path / "checkpoint-500"
    GitForCausalLM.from_pretrained("storybook").save_pretrained(folder)
    with pytest.raises(UserError, match=r"checkpoint of a Trainer, .*take that of the model"):
        GitProcessor.from_pretrained(folder)


def test_a_token_that_is_set_holds_from_the_next_call_on() -> None:
    tokenizer = AutoTokenizer.from_pretrained("storybook")
    ids = tokenizer("a red").input_ids
    tokenizer.cls_token = "[MASK]"
    assert tokenizer("a red").input_ids == [tokenizer.mask_token_id, *ids[1:]]

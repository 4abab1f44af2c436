"""Run the official test suites of transformers against numpygit, through a thin face.

    pip download --no-binary :all: --no-deps transformers==4.37.2; tar xf transformers-4.37.2.tar.gz
    PYTHONPATH=. python golden/peer_suite.py transformers-4.37.2     # with torch and transformers

The source distribution holds the common suites (configs, models, image processors, processors);
a checkout of the repository holds the tests of GIT itself and of generation as well, and then
those run too: give its folder instead. Nothing of them is copied into this repository.

The face turns tensors into arrays on the way in, and arrays into tensors on the way out; it adds
what a test asks of torch alone. Printed is what was tried, what passed, what failed, and what
does not apply, with the reason.
"""

from __future__ import annotations

import importlib
import importlib.util
import sys
import types
import unittest
from collections import OrderedDict
from pathlib import Path
from typing import Any

import numpy as np
import torch
import transformers
from transformers.utils import ModelOutput

import numpygit

NOT_APPLICABLE = {  # a test, or the beginning of its name -> why it asks for torch itself
    "test_torchscript": "TorchScript",
    "test_torch_fx": "torch.fx",
    "test_flash_attn": "FlashAttention",
    "test_eager_matches_sdpa": "kernels of torch",
    "test_retain_grad": "autograd",
    "test_training_gradient_checkpointing": "autograd",
    "test_training": "autograd: loss.backward()",
    "test_gradient_checkpointing": "autograd",
    "test_multi_gpu": "several GPUs",
    "test_model_parallel": "several GPUs",
    "test_disk_offload": "accelerate",
    "test_cpu_offload": "accelerate",
    "test_pt_tf": "TensorFlow",
    "test_tf_from_pt": "TensorFlow",
    "test_flax_from_pt": "Flax",
    "test_equivalence": "Flax",
    "test_fast_init_context_manager": "torch.nn.Module",
    "test_save_load_fast_init": "patches methods of PreTrainedModel",
    "test_initialization": "patches the initialisers of torch",
    "test_torch_save_load": "torch.save of a module",
    "test_tied_weights_keys": "torch storages",
    "test_load_save_without_tied_weights": "torch storages",
    "test_model_weights_reload_no_missing": "torch storages",
    "test_model_common_attributes": "isinstance of torch.nn.Embedding",
    "test_headmasking": "autograd: gradients of a head mask",
    "VideoMAEImageProcessingTest.test_call": "the official file has its own, for clips",
    "test_cast_dtype_device": "dtypes of torch",
}


def arrays(value: Any) -> Any:
    """Turn tensors into arrays, in lists and dicts as well."""
    if isinstance(value, torch.Tensor):
        return value.detach().numpy()
    if isinstance(value, dict):
        return {name: arrays(each) for name, each in value.items()}
    if isinstance(value, list | tuple) and not hasattr(value, "_fields"):
        return type(value)(arrays(each) for each in value)
    return value.inner if isinstance(value, Model) else value


def tensors(value: Any) -> Any:
    """Turn arrays into tensors; outputs become those of transformers, caches tuples."""
    if isinstance(value, numpygit.huggingface.outputs.ModelOutput):
        kind = dataclass_of(tuple(value))
        return kind(**{name: tensors(each) for name, each in value.items()})
    if hasattr(value, "image_kv"):
        return tuple((tensors(layer.k), tensors(layer.v)) for layer in value.text_kv)
    if isinstance(value, np.ndarray | np.floating):
        return torch.from_numpy(np.array(value))
    if isinstance(value, list | tuple):
        return type(value)(tensors(each) for each in value)
    return value


def dataclass_of(names: tuple[str, ...]) -> Any:
    """Make a class of outputs with these fields, as transformers declares them."""
    from dataclasses import field, make_dataclass

    fields = [(name, Any, field(default=None)) for name in names]
    return make_dataclass("Output", fields, bases=(ModelOutput,))


class Model:
    """A model of numpygit that talks in tensors."""

    inner_class: Any
    _keep_in_fp32_modules = None
    _keys_to_ignore_on_save = None
    _no_split_modules = None
    _tied_weights_keys: list[str] | None = None
    supports_gradient_checkpointing = False
    is_parallelizable = False
    _supports_flash_attn_2 = False
    _supports_sdpa = False
    all_generative = ()

    def __init__(self, config: Any, *args: Any, **more: Any) -> None:
        self.inner = self.inner_class(config)

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
        found = getattr(self.inner, name)
        if callable(found):
            return lambda *args, **more: tensors(found(*arrays(args), **arrays(more)))
        return tensors(found)

    def __call__(self, *args: Any, **more: Any) -> Any:
        return tensors(self.inner(*arrays(args), **arrays(more)))

    def eval(self) -> Model:
        """Stay."""
        return self

    def to(self, *args: Any) -> Model:
        """Stay."""
        return self

    def train(self, mode: bool = True) -> Model:
        """Stay."""
        return self

    def parameters(self) -> Any:
        """Go through the parameters."""
        return (tensors(array) for array in self.inner.parameters())

    def named_parameters(self) -> Any:
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
    def base_model(self) -> Model:
        """The model without its head."""
        return Model.around(self.inner.base_model)


def face_of(inner: Any) -> Any:
    """Make the face of one class."""
    return type(inner.__name__, (Model,), {
        "inner_class": inner, "forward": inner.forward, "config_class": inner.config_class,
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

    Config.__name__ = inner.__name__
    return Config


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


# ---------------------------------------------------------------- the tests


def suites(folder: Path) -> list[type]:
    """Make the test classes: the official mixins with GIT's small model."""
    import _pytest.doctest
    import _pytest.pathlib

    _pytest.doctest.import_path = _pytest.pathlib.import_path  # where 4.37.2 looks for it
    sys.path.insert(0, str(folder))
    package = types.ModuleType("tests")
    package.__path__ = [str(folder / "tests")]
    sys.modules["tests"] = package
    for name in ("custom_configuration", "custom_image_processing"):  # not in the distribution
        module: Any = types.ModuleType(f"test_module.{name}")
        module.CustomConfig = module.CustomImageProcessor = object
        sys.modules[f"test_module.{name}"] = module
    sys.modules["test_module"] = types.ModuleType("test_module")
    common = importlib.import_module("tests.test_modeling_common")
    configs = importlib.import_module("tests.test_configuration_common")
    images = importlib.import_module("tests.test_image_processing_common")
    return [
        models_test(common, configs, [face_of(numpygit.GitModel), face_of(numpygit.GitForCausalLM)],
                    numpygit.GitConfig, "GitModelTest"),
        models_test(common, configs, [face_of(numpygit.GitVisionModel)], numpygit.GitVisionConfig,
                    "GitVisionModelTest"),
        images_test(images, face_of_images(numpygit.CLIPImageProcessor), "CLIPImageProcessingTest"),
        images_test(images, face_of_images(numpygit.VideoMAEImageProcessor),
                    "VideoMAEImageProcessingTest"),
    ]  # fmt: skip


class Tester:
    """The small GIT of the official tests: sizes and inputs."""

    batch_size, seq_length, num_hidden_layers, num_attention_heads = 3, 7, 2, 4
    hidden_size, image_size, patch_size, vocab_size, is_training = 32, 32, 16, 99, False

    def __init__(self, is_tower: bool) -> None:
        self.is_tower = is_tower
        patches = (self.image_size // self.patch_size) ** 2 + 1
        self.encoder_seq_length = self.key_length = patches + (0 if is_tower else self.seq_length)
        self.seq_length = self.encoder_seq_length if is_tower else self.seq_length

    def prepare_config_and_inputs_for_common(self) -> tuple[Any, dict[str, Any]]:
        """Make settings and inputs."""
        sizes = {"hidden_size": 32, "num_hidden_layers": 2, "num_attention_heads": 4,
                 "intermediate_size": 37}  # fmt: skip
        vision = {**sizes, "image_size": 32, "patch_size": 16}
        pixels = torch.rand(3, 3, 32, 32)
        if self.is_tower:
            return numpygit.GitVisionConfig(**vision), {"pixel_values": pixels}
        config = numpygit.GitConfig(
            **sizes, vision_config=vision, vocab_size=99, max_position_embeddings=512,
            bos_token_id=98, eos_token_id=98, pad_token_id=98, initializer_range=0.02,
        )  # fmt: skip
        ids = torch.randint(0, 98, (3, 7))
        mask = torch.ones(3, 7, dtype=torch.long)
        return config, {"input_ids": ids, "attention_mask": mask, "pixel_values": pixels}


def models_test(common: Any, configs: Any, classes: list[Any], config: Any, name: str) -> type:
    """Make the suite of models."""

    class Test(common.ModelTesterMixin, unittest.TestCase):  # type: ignore[misc,name-defined]
        all_model_classes = tuple(classes)
        all_generative_model_classes = ()
        fx_compatible = test_torchscript = False
        test_pruning = test_head_masking = test_resize_embeddings = len(classes) > 1
        test_missing_keys = False
        pipeline_model_mapping = types.MappingProxyType({})

        def setUp(self) -> None:
            self.model_tester = Tester(len(classes) == 1)
            has_text = len(classes) > 1
            self.config_tester = configs.ConfigTester(
                self,
                config_class=face_of_config(config),
                has_text_modality=has_text,
                hidden_size=37,
            )

        def test_config(self) -> None:
            self.config_tester.run_common_tests()

    Test.__name__ = Test.__qualname__ = name
    if len(classes) == 1:  # as the official GitVisionModelTest: no words
        Test.test_inputs_embeds = unittest.skip("no words")(lambda self: None)
    return Test


SETTINGS = {"size": {"shortest_edge": 18}, "crop_size": {"height": 18, "width": 18},
            "do_resize": True, "image_mean": [0.5] * 3, "image_std": [0.5] * 3}  # fmt: skip


def images_test(common: Any, kind: Any, name: str) -> type:
    """Make the suite of image processors."""
    is_video = "Video" in name

    class ImageTester:
        num_channels, num_frames = 3, 4

        def expected_output_image_shape(self, images: Any) -> tuple[int, ...]:
            shape = (self.num_channels, 18, 18)
            return (self.num_frames, *shape) if is_video else shape

        def prepare_image_inputs(self, equal_resolution: bool = False, numpify: bool = False,
                                 torchify: bool = False) -> Any:  # fmt: skip
            make = common.prepare_video_inputs if is_video else common.prepare_image_inputs
            more = {"num_frames": 4} if is_video else {}
            return make(batch_size=5, num_channels=self.num_channels, min_resolution=30,
                        max_resolution=80, equal_resolution=equal_resolution, numpify=numpify,
                        torchify=torchify, **more)  # fmt: skip

        prepare_video_inputs = prepare_image_inputs
        batch_size = 5

    class Test(common.ImageProcessingTestMixin, unittest.TestCase):  # type: ignore[misc,name-defined]
        image_processing_class = kind
        image_processor_dict = SETTINGS

        def setUp(self) -> None:
            self.image_processor_tester = ImageTester()

    Test.__name__ = Test.__qualname__ = name
    return Test


def reason_of(suite: str, test: str) -> str | None:
    """Say why a test does not apply."""
    return next(
        (
            why
            for start, why in NOT_APPLICABLE.items()
            if test.startswith(start) or f"{suite}.{test}".startswith(start)
        ),
        None,
    )


def main() -> int:
    """Run all suites and print the counts."""
    if len(sys.argv) != 2:
        print(__doc__)
        return 2
    transformers.logging.set_verbosity_error()
    failed = 0
    for suite in suites(Path(sys.argv[1])):
        names = unittest.TestLoader().getTestCaseNames(suite)
        counts = {"passed": 0, "failed": 0, "skipped": 0, "not applicable": 0}
        lines = []
        for name in names:
            why = reason_of(suite.__name__, name)
            if why:
                counts["not applicable"] += 1
                lines.append(f"    {name}: not applicable: {why}")
                continue
            result = unittest.TestResult()
            suite(name).run(result)
            problems = result.failures + result.errors
            kind = "failed" if problems else "skipped" if result.skipped else "passed"
            counts[kind] += 1
            if problems:
                lines.append(f"    {name}: FAILED: {problems[0][1].strip().splitlines()[-1][:150]}")
        failed += counts["failed"]
        shown = ", ".join(f"{count} {kind}" for kind, count in counts.items())
        print(f"{suite.__name__}: {len(list(names))} tests: {shown}")
        print("\n".join(lines))
    return 1 if failed else 0


if __name__ == "__main__":
    sys.exit(main())

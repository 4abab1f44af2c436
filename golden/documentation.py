"""The examples of the GIT documentation (transformers 4.37.2), and a stage to run them on.

The examples are verbatim, their `>>>` included, from `docs/source/en/model_doc/git.md` and the
docstrings of `modeling_git.py` (Apache licence 2.0, The HuggingFace Team). `run` gives each the
pictures, the clip and the checkpoints it asks the network for; nothing else is replaced.
"""

from __future__ import annotations

import contextlib
import io
import json
import re
import sys
from collections.abc import Iterator
from pathlib import Path
from types import ModuleType, SimpleNamespace
from typing import Any
from unittest import mock

import numpy as np
from PIL import Image

HERE = Path(__file__).parent

VISION_CONFIG = r"""
>>> from transformers import GitVisionConfig, GitVisionModel

>>> # Initializing a GitVisionConfig with microsoft/git-base style configuration
>>> configuration = GitVisionConfig()

>>> # Initializing a GitVisionModel (with random weights) from the microsoft/git-base style configuration
>>> model = GitVisionModel(configuration)

>>> # Accessing the model configuration
>>> configuration = model.config
"""

VISION_MODEL = r"""
>>> from PIL import Image
>>> import requests
>>> from transformers import AutoProcessor, GitVisionModel

>>> processor = AutoProcessor.from_pretrained("microsoft/git-base")
>>> model = GitVisionModel.from_pretrained("microsoft/git-base")

>>> url = "http://images.cocodataset.org/val2017/000000039769.jpg"
>>> image = Image.open(requests.get(url, stream=True).raw)

>>> inputs = processor(images=image, return_tensors="pt")

>>> outputs = model(**inputs)
>>> last_hidden_state = outputs.last_hidden_state
"""

CONFIG = r"""
>>> from transformers import GitConfig, GitModel

>>> # Initializing a GIT microsoft/git-base style configuration
>>> configuration = GitConfig()

>>> # Initializing a model (with random weights) from the microsoft/git-base style configuration
>>> model = GitModel(configuration)

>>> # Accessing the model configuration
>>> configuration = model.config
"""

MODEL = r"""
>>> from transformers import AutoProcessor, AutoModel
>>> import requests
>>> from PIL import Image

>>> processor = AutoProcessor.from_pretrained("microsoft/git-base")
>>> model = AutoModel.from_pretrained("microsoft/git-base")

>>> url = "http://images.cocodataset.org/val2017/000000039769.jpg"
>>> image = Image.open(requests.get(url, stream=True).raw)

>>> text = "this is an image of two cats"

>>> inputs = processor(text, images=image, return_tensors="pt")

>>> outputs = model(**inputs)
>>> last_hidden_state = outputs.last_hidden_state
"""

CAPTION = r"""
>>> from transformers import AutoProcessor, AutoModelForCausalLM
>>> import requests
>>> from PIL import Image

>>> processor = AutoProcessor.from_pretrained("microsoft/git-base-coco")
>>> model = AutoModelForCausalLM.from_pretrained("microsoft/git-base-coco")

>>> url = "http://images.cocodataset.org/val2017/000000039769.jpg"
>>> image = Image.open(requests.get(url, stream=True).raw)

>>> pixel_values = processor(images=image, return_tensors="pt").pixel_values

>>> generated_ids = model.generate(pixel_values=pixel_values, max_length=50)
>>> generated_caption = processor.batch_decode(generated_ids, skip_special_tokens=True)[0]
>>> print(generated_caption)
two cats sleeping on a pink blanket next to remotes.
"""

ANSWER = r"""
>>> from transformers import AutoProcessor, AutoModelForCausalLM
>>> from huggingface_hub import hf_hub_download
>>> from PIL import Image

>>> processor = AutoProcessor.from_pretrained("microsoft/git-base-textvqa")
>>> model = AutoModelForCausalLM.from_pretrained("microsoft/git-base-textvqa")

>>> file_path = hf_hub_download(repo_id="nielsr/textvqa-sample", filename="bus.png", repo_type="dataset")
>>> image = Image.open(file_path).convert("RGB")

>>> pixel_values = processor(images=image, return_tensors="pt").pixel_values

>>> question = "what does the front of the bus say at the top?"

>>> input_ids = processor(text=question, add_special_tokens=False).input_ids
>>> input_ids = [processor.tokenizer.cls_token_id] + input_ids
>>> input_ids = torch.tensor(input_ids).unsqueeze(0)

>>> generated_ids = model.generate(pixel_values=pixel_values, input_ids=input_ids, max_length=50)
>>> print(processor.batch_decode(generated_ids, skip_special_tokens=True))
['what does the front of the bus say at the top? special']
"""

CLIP = r"""
>>> import av
>>> import numpy as np
>>> from PIL import Image
>>> from huggingface_hub import hf_hub_download
>>> from transformers import AutoProcessor, AutoModelForCausalLM

>>> processor = AutoProcessor.from_pretrained("microsoft/git-base-vatex")
>>> model = AutoModelForCausalLM.from_pretrained("microsoft/git-base-vatex")

>>> # set seed for reproducability
>>> np.random.seed(45)

>>> def read_video_pyav(container, indices):
...     '''
...     Decode the video with PyAV decoder.
...     Args:
...         container (`av.container.input.InputContainer`): PyAV container.
...         indices (`List[int]`): List of frame indices to decode.
...     Returns:
...         result (np.ndarray): np array of decoded frames of shape (num_frames, height, width, 3).
...     '''
...     frames = []
...     container.seek(0)
...     start_index = indices[0]
...     end_index = indices[-1]
...     for i, frame in enumerate(container.decode(video=0)):
...         if i > end_index:
...             break
...         if i >= start_index and i in indices:
...             frames.append(frame)
...     return np.stack([x.to_ndarray(format="rgb24") for x in frames])

>>> def sample_frame_indices(clip_len, frame_sample_rate, seg_len):
...     '''
...     Sample a given number of frame indices from the video.
...     Args:
...         clip_len (`int`): Total number of frames to sample.
...         frame_sample_rate (`int`): Sample every n-th frame.
...         seg_len (`int`): Maximum allowed index of sample's last frame.
...     Returns:
...         indices (`List[int]`): List of sampled frame indices
...     '''
...     converted_len = int(clip_len * frame_sample_rate)
...     end_idx = np.random.randint(converted_len, seg_len)
...     start_idx = end_idx - converted_len
...     indices = np.linspace(start_idx, end_idx, num=clip_len)
...     indices = np.clip(indices, start_idx, end_idx - 1).astype(np.int64)
...     return indices

>>> # load video
>>> file_path = hf_hub_download(
...     repo_id="nielsr/video-demo", filename="eating_spaghetti.mp4", repo_type="dataset"
... )
>>> container = av.open(file_path)

>>> # sample frames
>>> num_frames = model.config.num_image_with_embedding
>>> indices = sample_frame_indices(
...     clip_len=num_frames, frame_sample_rate=4, seg_len=container.streams.video[0].frames
... )
>>> frames = read_video_pyav(container, indices)

>>> pixel_values = processor(images=list(frames), return_tensors="pt").pixel_values

>>> generated_ids = model.generate(pixel_values=pixel_values, max_length=50)

>>> print("Generated caption:", processor.batch_decode(generated_ids, skip_special_tokens=True))
Generated caption: ['a woman is sitting at a table and she is talking about the food she is holding.']
"""

EXAMPLES = {
    "vision_config": VISION_CONFIG,
    "vision_model": VISION_MODEL,
    "config": CONFIG,
    "model": MODEL,
    "caption": CAPTION,
    "answer": ANSWER,
    "clip": CLIP,
}

# What a user changes: the import line, "pt", and torch.
CHANGES = (
    ("from transformers import", "from numpygit import"),
    ('return_tensors="pt"', 'return_tensors="np"'),
    ("torch.tensor(input_ids).unsqueeze(0)", "np.array(input_ids)[None]"),
)


def code_of(example: str) -> str:
    """Take the code out of an example: the lines behind `>>>` and `...`."""
    lines = [line[4:] for line in example.splitlines() if line.startswith((">>>", "..."))]
    return "\n".join(lines)


def changed(code: str) -> str:
    """Make the changes that a user makes."""
    for before, after in CHANGES:
        code = code.replace(before, after)
    return code


def tiny_config(frames: int | None) -> dict[str, Any]:
    """A GIT for the 149 words of golden/words/vocab.txt, long enough for the examples."""
    return {
        "model_type": "git", "vocab_size": 149, "hidden_size": 24, "num_hidden_layers": 2,
        "num_attention_heads": 3, "intermediate_size": 40, "max_position_embeddings": 64,
        "bos_token_id": 2, "eos_token_id": 3, "num_image_with_embedding": frames,
        "vision_config": {"hidden_size": 16, "intermediate_size": 28, "num_hidden_layers": 2,
                          "num_attention_heads": 4, "image_size": 28, "patch_size": 7},
    }  # fmt: skip


def write_checkpoint(folder: Path, *, frames: int | None) -> Path:
    """Write a complete checkpoint folder with seeded weights, for stills or for clips."""
    from safetensors.numpy import save_file
    from seeded import seeded_tensors

    from numpygit.huggingface.processing.tokenizer import GitTokenizer
    from numpygit.huggingface.processing.vocabulary import from_vocabulary
    from numpygit.loading.config import GitConfig
    from numpygit.loading.names import tensor_shapes

    folder.mkdir(parents=True, exist_ok=True)
    values = tiny_config(frames)
    (folder / "config.json").write_text(json.dumps(values))
    tensors = seeded_tensors(tensor_shapes(GitConfig.from_dict(values)), seed=6)
    save_file(tensors, folder / "model.safetensors", metadata={"format": "pt"})
    kind = "CLIPImageProcessor" if frames is None else "VideoMAEImageProcessor"
    settings = {
        "image_processor_type": kind,
        "processor_class": "GitProcessor",
        "size": {"shortest_edge": 28},
        "crop_size": {"height": 28, "width": 28},
    }
    (folder / "preprocessor_config.json").write_text(json.dumps(settings))
    GitTokenizer(from_vocabulary(HERE / "words" / "vocab.txt")).save_pretrained(folder)
    return folder


class Clip:
    """A clip that PyAV could have opened: 40 frames with a square that wanders."""

    def __init__(self) -> None:
        self.streams = SimpleNamespace(video=[SimpleNamespace(frames=40)])

    def seek(self, offset: int) -> None:
        """Go back to the start."""

    def decode(self, video: int) -> Iterator[Any]:
        """Yield the frames."""
        for i in range(40):
            frame = np.full((40, 50, 3), 6 * i, np.uint8)
            frame[10:20, i : i + 10] = (200, 30, 90)
            yield SimpleNamespace(to_ndarray=lambda format, frame=frame: frame)


def stage() -> contextlib.ExitStack:
    """Replace the network: pictures and the clip come from here."""
    import huggingface_hub  # before `requests` is replaced, which it may need

    picture = str(HERE / "pixels" / "rgb.png")
    requests, av = ModuleType("requests"), ModuleType("av")
    response = SimpleNamespace(raw=picture)
    requests.get = lambda url, stream: response
    av.open = lambda path: Clip()
    stack = contextlib.ExitStack()
    stack.enter_context(mock.patch.dict(sys.modules, requests=requests, av=av))
    stack.enter_context(mock.patch.object(huggingface_hub, "hf_hub_download", return_value=picture))
    return stack


def run(code: str, folders: dict[str, Path]) -> dict[str, Any]:
    """Run an example with its checkpoints in local folders -> its variables and what it printed."""
    for name in sorted(set(re.findall(r'"(microsoft/[\w-]+)"', code))):
        kind = "clip" if "vatex" in name else "still"
        code = code.replace(f'"{name}"', repr(str(folders[kind])))
    space: dict[str, Any] = {"np": np, "Image": Image}
    printed = io.StringIO()
    with stage(), contextlib.redirect_stdout(printed):
        exec(compile(code, "example", "exec"), space)
    return {**space, "printed": printed.getvalue()}


def answers(space: dict[str, Any]) -> dict[str, np.ndarray]:
    """Take what an example has computed."""
    found = {name: np.asarray(space[name]) for name in ("pixel_values", "generated_ids",
             "last_hidden_state", "input_ids") if name in space}  # fmt: skip
    return {**found, "printed": np.array(space["printed"])}

# %% [markdown]
# # 10 Reading a checkpoint
#
# After this tutorial you can find one tensor in a `.safetensors` file with `struct` and `json`,
# and write such a file yourself.
#
# Open `numpygit/loading/names.py` at `walk`, and `numpygit/loading/formats/safetensors_file.py`
# beside this file.

# %%
import json
import struct
from pathlib import Path
from tempfile import TemporaryDirectory

# %%
import numpy as np
import safetensors.numpy
from PIL import Image

from numpygit import loading
from numpygit.inside.show import show
from numpygit.storybook import CHECKPOINT

# %% [markdown]
# ## The first eight bytes
# They say how long the header is. The header is JSON. What follows are the numbers, without gaps.

# %%
data = (CHECKPOINT / "model.safetensors").read_bytes()
(length,) = struct.unpack("<Q", data[:8])
header = json.loads(data[8 : 8 + length])
header.pop("__metadata__", None)
assert len(data) == 5290332
assert len(header) == 149
print(f"{len(data) = }")
print(f"{len(header) = }")

# %% [markdown]
# ## One tensor
# The header says of each tensor: its kind of numbers, its shape, and where its bytes begin and
# end. The word embedding has a row of 160 numbers for each of the 154 words. F16 has 2 bytes a
# number.

# %%
entry = header["git.embeddings.word_embeddings.weight"]
begin, end = entry["data_offsets"]
assert entry["dtype"] == "F16"
assert entry["shape"] == [154, 160]
assert end - begin == 154 * 160 * 2
print(f'{entry["dtype"] = }')
print(f'{entry["shape"] = }')

# %% [markdown]
# ## One word
# "fish" is word 136. We read its row, number by number; `e` is the letter of `struct` for float16.
# It is the row that the model uses.

# %%
config, params = loading.load(CHECKPOINT)
start = 8 + length + begin + 136 * 160 * 2
row = struct.unpack("<160e", data[start : start + 320])
vocabulary = (CHECKPOINT / "vocab.txt").read_text().split("\n")
assert vocabulary[136] == "fish"
assert np.array_equal(np.array(row, np.float32), params.text.word_embedding[136])
print(f"{vocabulary[136] = }")

# %% [markdown]
# ## From 2 bytes to 4
# The file is half as large because each number has only 2 bytes. In memory all are float32. That
# way nothing is lost: every float16 is also a float32. The loss was on the way into the file,
# where each number was rounded to 11 binary digits.

# %%
embedding = params.text.word_embedding
assert embedding.dtype == np.float32
assert np.array_equal(embedding.astype(np.float16).astype(np.float32), embedding)
numbers = np.random.default_rng(0).uniform(0.01, 2, 10000).astype(np.float32)
rounded = numbers.astype(np.float16).astype(np.float32)
assert (np.abs(rounded - numbers) <= numbers * 2.0**-11).all()
assert not np.array_equal(rounded, numbers)
print(f"{embedding.dtype = }")

# %% [markdown]
# ## Names, with their mistakes
# The names come from the official code, spelling mistakes included. One table, `loading.walk`,
# knows all of them. It is asked here for names and shapes alone; no file is needed.

# %%
expected = loading.tensor_shapes(config)
assert set(expected) == set(header)
assert all(tuple(header[name]["shape"]) == shape for name, shape in expected.items())
assert "git.image_encoder.vision_model.pre_layrnorm.weight" in header
assert "git.img_temperal_embedding.0" in header

# %% [markdown]
# ## A convolution is a matrix
# The official code cuts patches with a convolution, so its kernel has four axes. We keep the same
# bytes and read them as a matrix: a row for each of 160 kernels.

# %%
kernel = header["git.image_encoder.vision_model.embeddings.patch_embedding.weight"]
assert kernel["shape"] == [160, 3, 12, 12]
begin, end = kernel["data_offsets"]
matrix = np.frombuffer(data[8 + length + begin : 8 + length + end], "<f2").reshape(160, 432)
assert np.array_equal(matrix, params.vision.patch_embedding)
print(f'{kernel["shape"] = }')

# %% [markdown]
# ## Where the numbers are
# The model has 2636154 numbers. The eight layers of both towers hold 93 percent of them; attention
# takes one third of each layer, and the MLP two.

# %%
counts = {name: int(np.prod(entry["shape"])) for name, entry in header.items()}
assert sum(counts.values()) == 2636154
in_layers = {name: count for name, count in counts.items() if ".encoder.layer" in name}
in_mlp = [n for name, n in in_layers.items() if ".mlp.fc" in name or "mediate" in name
          or ".output.dense" in name.replace("attention.output", "")]  # fmt: skip
assert int(100 * sum(in_layers.values()) / 2636154) == 93
assert round(3 * sum(in_mlp) / sum(in_layers.values()), 1) == 2.0
print(f"{sum(counts.values()) = }")
print(f"{int(100 * sum(in_layers.values()) / 2636154) = }")

# %% [markdown]
# ## Surprise: the model knows the order of numbers
# Nobody told it that two, three, four and five have an order. Compare their rows: the cosine of
# the angle between neighbours is about 0.7, of two and four it is 0.4 or less, of two and five 0.2
# or less. They lie on a curve, in their order.


# %%
def cosines(*names):
    rows = embedding[[vocabulary.index(name) for name in names]]
    lengths = np.sqrt((rows * rows).sum(axis=1, keepdims=True))
    return (rows / lengths) @ (rows / lengths).T


count = cosines("two", "three", "four", "five")
assert np.allclose(np.diag(count, 1), 0.7, atol=0.06)
assert count[0, 2] < 0.4
assert count[0, 3] < 0.2
print(f"{count[0, 2] = :.4g}")
print(f"{count[0, 3] = :.4g}")

# %% [markdown]
# ![Cosines of colours, numbers and things](pictures/10_words.png)
#
# Seven colours, five numbers, eight things; bright is near. Colours are near to colours, things to
# things. Only "one" stands apart from the numbers: captions here say "a" instead.

# %%
colours = ["red", "orange", "yellow", "green", "blue", "purple", "pink"]
numbers = ["one", "two", "three", "four", "five"]
things = ["bird", "boat", "cat", "fish", "flower", "heart", "house", "tree"]
near = cosines(*colours, *numbers, *things)
assert near[:7, :7].mean() > 0.3 > near[:7, 12:].max()
assert near[12:, 12:].mean() > 0.3 > near[12:, :7].max()
assert near[7, 8:12].max() < near[12:, 12:].min()
print(f"{near[:7, :7].mean() = :.4g}")
print(f"{near[12:, 12:].mean() = :.4g}")

# %%
shown = Image.fromarray((near.clip(0, 1) * 255).astype(np.uint8))
shown = shown.resize((20 * 12, 20 * 12), Image.Resampling.NEAREST)
assert shown.getpixel((5, 5)) >= 254  # a word is nearest to itself
show(shown, "10_words.png")
print(f"{shown.getpixel((5, 5)) = }")

# %% [markdown]
# ## Write one yourself
# Two tensors, a header, a length in front. The package `safetensors` reads it, and so do we.

# %%
bodies = np.arange(6, dtype="<f4").tobytes(), np.ones(2, "<f2").tobytes()
entries = {"a": {"dtype": "F32", "shape": [2, 3], "data_offsets": [0, 24]},
           "b": {"dtype": "F16", "shape": [2], "data_offsets": [24, 28]}}  # fmt: skip
text = json.dumps(entries).encode()
ours = struct.pack("<Q", len(text)) + text + b"".join(bodies)
assert safetensors.numpy.load(ours)["a"].tolist() == [[0, 1, 2], [3, 4, 5]]
print(f'{safetensors.numpy.load(ours)["a"].tolist() = }')

# %%
with TemporaryDirectory() as folder:
    path = Path(folder) / "ours.safetensors"
    path.write_bytes(ours)
    tensors = loading.read_safetensors(path)
    assert tensors["a"].tolist() == [[0, 1, 2], [3, 4, 5]]
    assert tensors["b"].dtype == np.float32
    del tensors  # it looks at the file, which is about to go

# %% [markdown]
# ## Exercises
# **1.** Which tensor comes first in the file of storybook? Give its name.

# %%
yours = ...

# %%
solution = min(header, key=lambda name: header[name]["data_offsets"][0])
assert header[solution]["data_offsets"][0] == 0
assert yours is ... or yours == solution, f"expected {solution}, got {yours}"

# %% [markdown]
# **2.** At which byte of the file, counted from 0, does the tensor `output.bias` begin?

# %%
yours = ...

# %%
solution = 8 + length + header["output.bias"]["data_offsets"][0]
bias = np.frombuffer(data, "<f2", count=154, offset=solution)
assert np.array_equal(bias, params.text.head.bias)
assert yours is ... or yours == solution, f"expected {solution}, got {yours}"

# %%
print("every claim of tutorial 10 holds")

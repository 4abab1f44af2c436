# %% [markdown]
# # 03 Norm before, norm after
#
# After this tutorial you can say what layer normalisation does, and why the two towers grow
# differently: the vision encoder is pre-norm, the text decoder post-norm. Between the norms stand
# attention and the feed-forward part, the MLP.
#
# Open `numpygit/model/vision.py` and `numpygit/model/text.py` beside this file, both at `block`.
# They are twins: the same parameters, in another order.

# %%
from itertools import pairwise

import numpy as np
from PIL import Image, ImageDraw

import numpygit
from numpygit.inside.show import show
from numpygit.model import layers, text, vision
from numpygit.storybook import EXAMPLES

# %%
storybook = numpygit.load("storybook", plain=True)
params, config = storybook.model.params, storybook.model.config
pixels = storybook.pixels(EXAMPLES / "relation.png")
ids = np.array([[2, *storybook.processor.vocabulary.encode("an orange fish in front of")]])
seen = {}
logits = storybook.model.logits(ids, pixels, trace=seen.__setitem__)
assert logits.shape == (1, 65 + 7, 154)
print(f"{logits.shape = }")

# %% [markdown]
# ## Layer normalisation
# Take one token, 160 numbers. Subtract their mean, divide by their standard deviation. Then stretch
# and shift each of them with a learned weight and bias. That is all. Each token is treated by
# itself.

# %%
token, norm = seen["vision.1.x"][0, 20], params.vision.blocks[2].attention_norm
assert token.shape == (160,)
centred = token - token.mean()
normed = centred / np.sqrt((centred**2).mean() + 1e-5)
assert abs(normed.mean()) < 1e-5
assert np.isclose((normed**2).mean(), 1, atol=1e-4)
expected = seen["vision.2.attention_input"][0, 20]
assert np.allclose(normed * norm.weight + norm.bias, expected, atol=1e-5)
print(f"{token.shape = }")
print(f"{abs(normed.mean()) = :.4g}")

# %% [markdown]
# It forgets two things: a number added to the whole token, and a factor. Ten times the token is
# the same token.

# %%
tokens = seen["vision.1.x"]
plain = layers.layer_norm(tokens, norm, eps=1e-5)
assert np.allclose(layers.layer_norm(tokens + 3, norm, eps=1e-5), plain, atol=1e-3)
assert np.allclose(layers.layer_norm(10 * tokens, norm, eps=1e-5), plain, atol=1e-3)

# %% [markdown]
# ## Norm before: the vision encoder
# A layer of the vision encoder normalises a copy, works on the copy, and adds the result to the
# stream. The stream itself is never touched. So it is a plain sum: what came in, and what each of
# the four layers added, twice.

# %%
added = [seen[f"vision.{i}.{part}"] for i in range(4) for part in ("attended", "thought")]
assert len(added) == 8
total = seen["vision.x"] + sum(added)
assert np.allclose(total, seen["vision.3.x"], atol=1e-4)
print(f"{len(added) = }")

# %% [markdown]
# ## Norm after: the text decoder
# A layer of the text decoder adds first and normalises the sum. Undo the learned weight and bias,
# and every token of the stream has mean 0 and standard deviation 1, after every layer.

# %%
for i, block in enumerate(params.text.blocks):
    x = (seen[f"text.{i}.x"] - block.mlp_norm.bias) / block.mlp_norm.weight
    assert np.allclose(x.mean(axis=-1), 0, atol=1e-4)
    assert np.allclose(x.std(axis=-1), 1, atol=1e-3)

# %% [markdown]
# ## Surprise: one stream grows, the other cannot
# The size of a stream is the root of its mean square. In the vision encoder it begins at 1.1 and
# grows with every layer, to 8.4. In the text decoder it stays below 1.4: only the learned weight of
# the last norm can make it larger. Both are normal for their kind.


# %%
def size(x):
    return float(np.sqrt((x**2).mean()))


before = [size(seen[name]) for name in ("vision.x", *(f"vision.{i}.x" for i in range(4)))]
after = [size(seen[name]) for name in ("text.x", *(f"text.{i}.x" for i in range(4)))]
assert (round(before[0], 1), round(before[4], 1)) == (1.1, 8.4)
assert all(a < b for a, b in pairwise(before))
assert max(after) < 1.4
print(f"{max(after) = :.4g}")

# %%
chart = Image.new("RGB", (360, 180), "white")
pen = ImageDraw.Draw(chart)
for i, (first, second) in enumerate(zip(before, after, strict=True)):
    pen.rectangle((20 + 68 * i, 170 - 18 * first, 44 + 68 * i, 170), fill=(230, 120, 30))
    pen.rectangle((48 + 68 * i, 170 - 18 * second, 72 + 68 * i, 170), fill=(40, 100, 200))
assert chart.getpixel((20 + 68 * 4, 170 - 18 * 8)) == (230, 120, 30)  # the last bar is high
show(chart, "03_sizes.png")
print(f"{chart.getpixel((20 + 68 * 4, 170 - 18 * 8)) = }")

# %% [markdown]
# ## Why it matters: a layer in a grown stream has less to say
# All layers are given inputs of much the same size, but they add to a stream that has grown. A
# layer that the vision encoder runs late must shout. Watch: the last MLP adds the largest piece.

# %%
pieces = {f"{i}.{part}": size(seen[f"vision.{i}.{part}"]) for i in range(4)
          for part in ("attended", "thought")}  # fmt: skip
assert max(pieces, key=pieces.get) == "3.thought"
inputs = [size(seen[f"vision.{i}.attention_input"]) for i in range(4)]
assert max(inputs) < 2 * min(inputs)
print(f"{max(pieces, key=pieces.get) = }")
print(f"{max(inputs) = :.4g}")

# %% [markdown]
# ## The wrong twin
# Both functions take the same arguments, so one may mix them up and nothing crashes. We run one
# layer of the vision encoder with the text decoder's `block`. Every shape is right and not one
# token is. It is an easy mistake to make; `numpygit diff` finds it.

# %%
settings = {"heads": 5, "eps": 1e-5, "activation": "quick_gelu"}
right = vision.block(seen["vision.x"], params.vision.blocks[0], **settings)
wrong, _ = text.block(seen["vision.x"], params.vision.blocks[0], **settings)
assert np.array_equal(right, seen["vision.0.x"])
assert wrong.shape == right.shape
assert not np.isclose(wrong, right, atol=0.01).all(axis=-1).any()  # not one token is right
print(f"{wrong.shape = }")

# %% [markdown]
# ## The last norm
# A grown stream must be made small again at the end. That is what `post_norm` is for. GIT applies
# it to all 65 tokens; CLIP applied it to the class token alone.

# %%
last = layers.layer_norm(seen["vision.3.x"], params.vision.post_norm, eps=1e-5)
assert np.array_equal(last, seen["vision.image_tokens"])
assert last.shape[1] == 65
assert size(last) < size(seen["vision.3.x"])
print(f"{last.shape[1] = }")
print(f"{size(last) = :.4g}")

# %% [markdown]
# ## Exercises
# **1.** Normalise `[1, 3]` by hand, without weight and bias. Give a list of two whole numbers.

# %%
yours = ...

# %%
solution = [-1, 1]
ones, zeros = np.ones(2, np.float32), np.zeros(2, np.float32)
pair = np.array([[1, 3]], np.float32)
two = layers.layer_norm(pair, numpygit.model.params.LayerNorm(ones, zeros), eps=1e-5)
assert np.allclose(two, solution, atol=1e-4)
assert yours is ... or list(yours) == solution, f"expected {solution}, got {yours}"

# %% [markdown]
# **2.** The stream after the first layer of the vision encoder is `seen["vision.0.x"]`. Work out
# what went into that layer, from this and from what the layer added.

# %%
yours = ...

# %%
solution = seen["vision.0.x"] - seen["vision.0.thought"] - seen["vision.0.attended"]
assert np.allclose(solution, seen["vision.x"], atol=1e-5)
assert yours is ... or np.allclose(yours, solution, atol=1e-5), f"expected {solution}"

# %%
print("every claim of tutorial 03 holds")

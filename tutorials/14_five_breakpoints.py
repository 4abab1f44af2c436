# %% [markdown]
# # 14 One caption, five breakpoints
#
# After this tutorial you can stop the model at five places and say what every array there is.
#
# Open `numpygit/model/generate.py` and `numpygit/model/layers.py` beside this file.

# %%
import sys

import numpy as np
from PIL import Image

import numpygit
from numpygit.inside.show import show
from numpygit.model import image, text, vision
from numpygit.model.generate import Choice
from numpygit.storybook import EXAMPLES

# %% [markdown]
# ## The whole caption, straight
# Pixels, image tokens, memory, the KV cache, and one decode step a word: everything that happens,
# in the order in which it happens. The rest of the package makes this convenient, fast and safe.

# %%
storybook = numpygit.load("storybook", plain=True)
config, p = storybook.model.config, storybook.model.params
sizes = {"height": 96, "width": 96}
picture = image.to_rgb(Image.open(EXAMPLES / "relation.png"))
small = image.resize(picture, shortest_edge=96, resample=Image.Resampling.BICUBIC)
colours = image.scale(image.centre_crop(np.asarray(small), **sizes), factor=1 / 255)  # (H, W, C)
normalised = image.normalise(colours, mean=image.CLIP_MEAN, std=image.CLIP_STD)  # (H, W, C)
pixels = normalised.transpose(2, 0, 1)[None]  # (1, C, H, W)
tokens = vision.image_tokens(pixels, p.vision, config=config.vision_config)  # (1, M, D)
memory = text.project(tokens, p.text, eps=config.vision_config.layer_norm_eps)  # (1, M, D)
cache = text.prefill(memory, p.text, config=config)  # keys and values of the picture, once
ids = [config.bos_token_id]
while ids[-1] != config.eos_token_id:
    new = np.array([[ids[-1]]])  # (1, 1)
    logits, cache = text.decode_step(new, cache, p.text, config=config)  # (1, 1, V)
    ids.append(int(logits[0, -1].argmax()))
caption = storybook.processor.vocabulary.decode(ids[1:-1])
assert caption == "an orange fish in front of a green boat"

# %% [markdown]
# ## A caption
# The model is small and comes with the package. It knows one little drawn world. A caption comes
# in pieces, one a word.

# %%
picture = EXAMPLES / "relation.png"
pieces = list(storybook.stream(picture))
assert "".join(pieces) == "an orange fish in front of a green boat"
assert len(pieces) == 9
print(f'{"".join(pieces) = }')
print(f"{len(pieces) = }")

# %% [markdown]
# ## An observer
# Every function of the model calls `trace(name, value)` after each tensor that has a name. An
# observer is any function of these two. It returns nothing, so it cannot change the result. One
# caption names 700 tensors.

# %%
names = []
watched = list(storybook.stream(picture, trace=lambda name, value: names.append(name)))
assert watched == pieces
assert len(names) == len(set(names)) == 700
print(f"{watched = }")
print(f"{len(names) = }")

# %% [markdown]
# ## The picture is seen once, the words are read one by one
# The vision encoder runs once. The text decoder runs once over the image tokens, and then once for
# each of 10 words: the nine of the caption and the end token, which nobody prints.

# %%
assert names.count("vision.0.x") == names.count("image.text.0.x") == 1
assert sum(name.endswith(".word") for name in names) == 10
assert names[0] == "pixels"
assert names[-1] == "word.9.word"
print(f'{names.count("vision.0.x") = }')
print(f'{sum(name.endswith(".word") for name in names) = }')

# %% [markdown]
# ## An observer is a breakpoint
# Put `breakpoint()` into an observer, go up one frame with `up`, and you stand in the function
# that made the tensor. Here we only write down what a debugger would show: the local names.

# %%
stops = {}


def pause(name, value):
    frame = sys._getframe(1)
    while frame.f_code.co_name == "scoped":  # this only puts a prefix before the name
        frame = frame.f_back
    stops[name] = frame.f_code.co_name, dict(frame.f_locals), frame


assert list(storybook.stream(picture, trace=pause)) == pieces
print(f"{list(storybook.stream(picture, trace=pause)) = }")

# %% [markdown]
# ## Stop 1: `vision.block`
# One layer of the vision encoder. 64 patches and the class token make 65 tokens of width 160. `x`
# is the residual stream; `attended` and `thought` are what the layer added to it.

# %%
function, local, _ = stops["vision.0.x"]
assert function == "block"
assert local["x"].shape == local["attended"].shape == local["thought"].shape == (1, 65, 160)
assert stops["vision.patches"][1]["patches"].shape[1] == 64
before = stops["vision.x"][1]["x"]
assert np.allclose(before + local["attended"] + local["thought"], local["x"], atol=1e-5)
print(f"{function = }")
print(f'{local["x"].shape = }')

# %% [markdown]
# ## Stop 2: `text.block`
# The same for the text decoder. Here is a surprise: while it says the third word it works on one
# single token, the second word, "orange". All that came before is in a cache (tutorial 06).

# %%
function, local, frame = stops["word.2.text.0.x"]
assert function == "block"
assert local["x"].shape == (1, 1, 160)
assert frame.f_code.co_filename.endswith("text.py")
print(f"{function = }")
print(f'{local["x"].shape = }')

# %% [markdown]
# ## Stop 3: `layers.attention`, after `weights`
# The sizes stand in the first lines of the function, so a debugger shows them as letters: 5 heads,
# 1 token that asks, 68 tokens to look at (65 of the picture and 3 words), and heads that are 32
# wide. The weights of each head sum to one.

# %%
function, local, _ = stops["word.2.text.3.weights"]
assert function == "attention"
assert [local[letter] for letter in "BNTSA"] == [1, 5, 1, 68, 32]
assert local["S"] == 65 + 3
assert np.allclose(local["weights"].sum(axis=-1), 1)
print(f"{function = }")
print(f'{local["S"] = }')

# %% [markdown]
# ## Stop 4: `text.word_mask`
# Which token may look at which: 0 yes, -inf no. Everybody says that a decoder needs a causal mask.
# In this run it never forbids anything: a single last word may look at all that came before it.

# %%
masks = [stops[f"word.{i}.text.mask"][1]["mask"] for i in range(10)]
assert [mask.shape[-1] for mask in masks] == list(range(66, 76))
assert all((mask == 0).all() for mask in masks)
print(f"{list(range(66, 76)) = }")

# %% [markdown]
# ## Stop 5: `generate.generate`, at `choose`
# `choose` gets the logits, a score for each of the 154 words, and picks one. You may bring your
# own. This one takes the second-best word at the start, and then the best.


# %%
def stubborn(logits, ids):
    rank = -2 if ids.shape[1] == 1 else -1
    return Choice(logits.argsort(axis=1)[:, rank], np.arange(len(ids)))


*_, last = storybook.model.steps(storybook.pixels(picture), choose=stubborn)
assert last.logits.shape == (1, 154)
said = storybook.processor.vocabulary.decode(last.ids[0].tolist())
assert said == "a orange fish in front of a green boat"
print(f"{last.logits.shape = }")
print(f"{said = }")

# %% [markdown]
# ## How deep is it?
# From the loop over words down to attention there are five functions. That is all.

# %%
frame, stack = stops["word.2.text.0.weights"][2], []
while frame is not None:
    stack.append(frame.f_code.co_name)
    frame = frame.f_back
assert stack[:5] == ["attention", "block", "text_tower", "decode_step", "generate"]
print(f"{stack[:5] = }")

# %% [markdown]
# ## A picture of it
# For each word: where the last layer looked, the mean of the heads, brighter is more.

# %%
maps = [stops[f"word.{i}.text.3.weights"][1]["weights"][0, :, 0, 1:65].mean(0) for i in range(9)]
light = [(each / each.max()).reshape(8, 8, 1) ** 0.5 * 0.85 + 0.15 for each in maps]
colours = np.asarray(Image.open(picture).resize((96, 96)))
tiles = [each.repeat(12, axis=0).repeat(12, axis=1) * colours for each in light]
strip = Image.fromarray(np.concatenate(tiles, axis=1).astype(np.uint8))
assert strip.size == (9 * 96, 96)
show(strip, "14_words.png")
print(f"{strip.size = }")

# %% [markdown]
# ## Exercises
# **1.** What is the shape of `word.5.text.1.hidden`? Inside the MLP a token is four times as wide.

# %%
yours = ...

# %%
solution = (1, 1, 4 * 160)
assert stops["word.5.text.1.hidden"][1]["hidden"].shape == solution
assert yours is ... or yours == solution, f"expected {solution}, got {yours}"

# %% [markdown]
# **2.** How many of the 700 names end in `.weights`? Both towers have four layers.

# %%
yours = ...

# %%
solution = 4 + 4 + 10 * 4  # the vision encoder; the text decoder over the image; ten words
assert sum(name.endswith(".weights") for name in names) == solution
assert yours is ... or yours == solution, f"expected {solution}, got {yours}"

# %%
print("every claim of tutorial 14 holds")

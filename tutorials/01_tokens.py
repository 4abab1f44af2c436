# %% [markdown]
# # 01 A picture becomes tokens
#
# After this tutorial you can turn a picture into the numbers that enter the first layer, by hand.
#
# Open `numpygit/model/image.py` and the second half of `numpygit/model/vision.py` beside this file.

# %%
from dataclasses import replace

import numpy as np
from PIL import Image

import numpygit
from numpygit.huggingface.processing.picture_steps import open_picture
from numpygit.inside.show import show
from numpygit.model import text, vision
from numpygit.storybook import EXAMPLES

# %%
storybook = numpygit.load("storybook", plain=True)
params, config = storybook.model.params.vision, storybook.model.config.vision_config
seen = {}
pixels = storybook.pixels(EXAMPLES / "relation.png")
image_tokens = vision.image_tokens(pixels, params, config=config, trace=seen.__setitem__)
assert np.array_equal(seen["pixels"], pixels)
assert np.array_equal(seen["vision.image_tokens"], image_tokens)

# %% [markdown]
# ## Pixels
# The file has 384 x 384 pixels. They are resized to 96 x 96 with Pillow, and brought from 0..255
# to 0..1. Then each colour gets its own shift and scale: those of the photographs that CLIP saw.

# %%
picture = open_picture(EXAMPLES / "relation.png")
assert picture.size == (384, 384)
small = np.asarray(picture.resize((96, 96), Image.Resampling.BICUBIC))
settings = storybook.processor.image_processor.steps
mean, std = np.array(settings.image_mean), np.array(settings.image_std)
by_hand = (small / 255 - mean) / std
assert np.allclose(by_hand.transpose(2, 0, 1), pixels[0], atol=1e-6)
assert pixels.shape == (1, 3, 96, 96)
print(f"{picture.size = }")
print(f"{pixels.shape = }")

# %% [markdown]
# ## Patches
# The model cuts the picture into squares of 12 x 12 pixels: 8 rows of 8, so 64 patches. Each patch
# is one row of 432 numbers: first all its red, then green, then blue. Here is number 27.

# %%
patches = seen["vision.patches"]
assert patches.shape == (1, 64, 432)
row, column = divmod(27, 8)
square = pixels[0, :, row * 12 : row * 12 + 12, column * 12 : column * 12 + 12]
assert config.patch_size == config.image_size // 8 == 12
assert np.array_equal(square.reshape(432), patches[0, 27])
print(f"{patches.shape = }")
print(f"{config.patch_size = }")

# %% [markdown]
# ## One vector for each patch
# A matrix of 160 rows, 432 numbers each, turns a patch into a vector. Each row is a little picture
# of its own, and asks "how much do you look like me?". Books call this a convolution.

# %%
assert params.patch_embedding.shape == (160, 432)
patch_token = np.zeros(160)
for i in range(160):
    little_picture = params.patch_embedding[i].reshape(3, 12, 12)
    patch_token[i] = (little_picture * square).sum()
assert np.allclose(patch_token, seen["vision.patch_tokens"][0, 27], atol=1e-4)
print(f"{params.patch_embedding.shape = }")

# %% [markdown]
# ## The class token and the positions
# One more token stands in front: a learned vector that has no pixels. Then the vector of its
# position is added to each token. So the first of the 65 tokens is the same for every picture there
# is.

# %%
tokens = np.concatenate([params.class_embedding[None], seen["vision.patch_tokens"][0]])
assert np.array_equal(tokens + params.position_embedding, seen["vision.embedded"][0])
assert tokens.shape == (65, 160)
black = vision.embed_patches(np.zeros_like(pixels), params, patch=12)
assert np.array_equal(black[0, 0], seen["vision.embedded"][0, 0])
assert not np.array_equal(black[0, 1], seen["vision.embedded"][0, 1])
print(f"{tokens.shape = }")

# %% [markdown]
# ## Surprise: what the model cannot see
# 432 numbers go in and 160 come out. So there are 272 directions, patterns of pixels, that the
# matrix takes to zero. We find them, make loud noise of them, and add it to the picture.

# %%
directions = np.linalg.svd(params.patch_embedding.astype(np.float64))[2]
invisible = directions[160:]
assert invisible.shape == (432 - 160, 432) == (272, 432)
noise = np.random.default_rng(0).standard_normal((64, 272)) @ invisible
noisy = patches + 0.5 * noise[None]
assert np.abs(noisy - patches).max() > 1  # loud: colours reach from about -2 to 2
assert np.allclose(noisy @ params.patch_embedding.T, seen["vision.patch_tokens"], atol=1e-4)
print(f"{invisible.shape = }")
print(f"{np.abs(noisy - patches).max() = :.4g}")

# %% [markdown]
# We put the patches together again. You see the noise at once. The model sees the old picture: its
# image tokens move by less than 0.001, and the caption stays. Every model whose patches have more
# numbers than its tokens is blind in this way. git-base has 768 of both, so it need not be.

# %%
grid = noisy.reshape(8, 8, 3, 12, 12)
disturbed = grid.transpose(2, 0, 3, 1, 4).reshape(1, 3, 96, 96).astype(np.float32)
assert np.array_equal(vision.cut_patches(disturbed, patch=12), noisy.astype(np.float32))
moved = vision.image_tokens(disturbed, params, config=config) - image_tokens
assert np.abs(moved).max() < 0.001
assert numpygit.GitVisionConfig().hidden_size == 3 * 16 * 16 == 768
assert storybook.caption_pixels([disturbed]) == ["an orange fish in front of a green boat"]
print(f"{np.abs(moved).max() = :.4g}")
print(f"{numpygit.GitVisionConfig().hidden_size = }")

# %%
both = np.concatenate([pixels[0], disturbed[0]], axis=2).transpose(1, 2, 0) * std + mean
shown = Image.fromarray((both * 255).clip(0, 255).astype(np.uint8))
assert np.abs(np.asarray(shown)[:, :96].astype(int) - small).max() <= 1  # the left half
enlarged = shown.resize((384, 192), Image.Resampling.NEAREST)
show(enlarged, "01_invisible.png")
print(f"{np.abs(np.asarray(shown)[:, :96].astype(int) - small).max() = :d}")

# %% [markdown]
# ## Positions matter
# Attention does not know where a token stands. Take the position embeddings away, shuffle the
# patches, and the same image tokens come out, only shuffled. The class token, which is nowhere in
# the picture, does not notice at all. Only the sums run in another order, so the last digits
# differ.

# %%
homeless = replace(params, position_embedding=np.zeros_like(params.position_embedding))
order = np.random.default_rng(1).permutation(64)
squares = patches.reshape(8, 8, 3, 12, 12).reshape(64, 3, 12, 12)[order]
shuffled = squares.reshape(8, 8, 3, 12, 12).transpose(2, 0, 3, 1, 4).reshape(1, 3, 96, 96)
plain = vision.image_tokens(pixels, homeless, config=config)[0]
other = vision.image_tokens(shuffled, homeless, config=config)[0]
assert np.allclose(plain[0], other[0], atol=1e-4)
assert np.allclose(plain[1:][order], other[1:], atol=1e-4)

# %% [markdown]
# ## What is the class token for?
# CLIP describes a picture by this one token. GIT gives words all of them. Leave it out, and the
# caption stays. Keep it alone, and the caption is one word: "a".


# %%
def say(tokens):
    params, config = storybook.model.params.text, storybook.model.config
    cache = text.prefill(text.project(tokens, params, eps=1e-5), params, config=config)
    *_, last = storybook.model.steps(cache)
    return storybook.processor.vocabulary.decode(last.ids[0].tolist())


assert say(image_tokens[:, 1:]) == "an orange fish in front of a green boat"
assert say(image_tokens[:, :1]) == "a"
print(f"{say(image_tokens[:, 1:]) = }")
print(f"{say(image_tokens[:, :1]) = }")

# %% [markdown]
# ## Exercises
# **1.** The official git-base takes pictures of 224 x 224 with patches of 16. How many tokens does
# it make of one picture, the class token included?

# %%
yours = ...

# %%
solution = (224 // 16) ** 2 + 1
assert numpygit.GitVisionConfig().image_size == 224
assert numpygit.GitVisionConfig().num_patches + 1 == solution
assert yours is ... or yours == solution, f"expected {solution}, got {yours}"

# %% [markdown]
# **2.** Undo the preparation: which red, green and blue, from 0 to 255, has the pixel in the
# middle, `pixels[0, :, 48, 48]`? Give an array of three numbers.

# %%
yours = ...

# %%
solution = (pixels[0, :, 48, 48] * std + mean) * 255
assert np.allclose(solution, small[48, 48], atol=1e-3)
assert yours is ... or np.allclose(yours, solution, atol=1e-3), f"expected {solution}"

# %% [markdown]
# **3.** A picture of 100 x 100 pixels does not divide by 12. How many of its columns of pixels
# does `vision.cut_patches` drop?

# %%
yours = ...

# %%
solution = 100 % 12
wide = np.arange(100, dtype=np.float32) * np.ones((1, 1, 100, 1), np.float32)
assert vision.cut_patches(wide, patch=12).max() == 99 - solution
assert yours is ... or yours == solution, f"expected {solution}, got {yours}"

# %%
print("every claim of tutorial 01 holds")

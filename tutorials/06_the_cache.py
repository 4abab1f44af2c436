# %% [markdown]
# # 06 The cache
#
# After this tutorial you can say what a cache of keys and values holds, what it saves, and why its
# numbers are not equal in the last digit.
#
# Open `numpygit/model/text.py` at `prefill` and `decode_step` beside this file.

# %%

import numpy as np
from PIL import Image

import numpygit
from numpygit.inside.show import show
from numpygit.model import layers, text
from numpygit.storybook import EXAMPLES

# %%
storybook = numpygit.load("storybook", plain=True)
params, config = storybook.model.params.text, storybook.model.config
vocabulary = storybook.processor.vocabulary
memory = storybook.model.memory(storybook.pixels(EXAMPLES / "relation.png"))
ids = np.array([[2, *vocabulary.encode("an orange fish in front of a green boat")]])
seen = {}
logits, _ = text.forward(memory, ids, params, config=config, trace=seen.__setitem__)
assert ids.shape == (1, 10)
print(f"{ids.shape = }")

# %% [markdown]
# ## What is worth keeping
# A token that has been read never changes (tutorial 04): nothing that comes later can reach it.
# Later words want two things of it, its key and its value, in each of 4 layers. So keep those.
# `prefill` does it for the 65 image tokens.

# %%
cache = text.prefill(memory, params, config=config)
assert len(cache.image_kv) == 4
assert cache.image_kv[0].k.shape == (1, 5, 65, 32)
for i in range(4):
    assert np.allclose(cache.image_kv[i].k, seen[f"text.{i}.k"][:, :, :65], atol=1e-4)
    assert np.allclose(cache.image_kv[i].v, seen[f"text.{i}.v"][:, :, :65], atol=1e-4)
print(f"{len(cache.image_kv) = }")
print(f"{cache.image_kv[0].k.shape = }")

# %% [markdown]
# ## Reading on
# `decode_step` takes one word and the cache, and gives its logits and a longer cache. Ten readings
# give the ten rows of `forward`.

# %%
rows, known = [], cache
for place in range(10):
    row, known = text.decode_step(ids[:, place : place + 1], known, params, config=config)
    rows.append(row)
    assert known.text_kv[0].k.shape == (1, 5, place + 1, 32)
one_by_one = np.concatenate(rows, axis=1)
assert np.allclose(one_by_one, logits[:, 65:], atol=1e-4)

# %% [markdown]
# ## What it saves
# We count the tokens that go through the text decoder. Without the cache, 705 for this caption.
# With it, each token goes once: 75.

# %%
counted = []


def count(name, value):
    if name.endswith("text.0.q"):
        counted.append(value.shape[2])


for n in range(1, 11):
    text.forward(memory, ids[:, :n], params, config=config, trace=count)
assert sum(counted) == 705
print(f"{sum(counted) = }")

# %%
counted.clear()
assert len(list(storybook.stream(EXAMPLES / "relation.png", trace=count))) == 9
assert sum(counted) == 75
print(f"{sum(counted) = }")

# %% [markdown]
# A row a step: orange is computed, blue comes from the cache.

# %%
timeline = np.full((11, 75, 3), 255, np.uint8)
timeline[0, :65] = (235, 130, 30)  # `prefill`
for step in range(10):
    timeline[step + 1, : 65 + step] = (90, 140, 220)
    timeline[step + 1, 65 + step] = (235, 130, 30)
computed = (timeline == (235, 130, 30)).all(axis=2)
assert computed.sum() == 75
print(f"{computed.sum() = :d}")

# %%
shown = Image.fromarray(timeline).resize((75 * 6, 11 * 12), Image.Resampling.NEAREST)
assert shown.getpixel((449, 131)) == (235, 130, 30)  # the last word is computed
show(shown, "06_timeline.png")
print(f"{shown.getpixel((449, 131)) = }")

# %% [markdown]
# ## What it costs
# Memory: two vectors of 160 numbers for each token and layer, 4 bytes a number. That makes 384000
# bytes at the end of this caption.


# %%
def size(cache):
    return sum(part.k.nbytes + part.v.nbytes for part in (*cache.image_kv, *cache.text_kv))


assert size(known) == 75 * 4 * 2 * 160 * 4 == 384000
assert size(cache) == 65 * 4 * 2 * 160 * 4
print(f"{size(known) = }")
print(f"{size(cache) = }")

# %% [markdown]
# ## Surprise: nearly equal, not equal
# The numbers agree to about 0.00001, while logits are as large as 10. On most machines they are
# not equal in every bit. Nothing is wrong: a product with one row is computed in another order
# than a product with many, and in float32 the order of a sum matters.

# %%
difference = np.abs(one_by_one - logits[:, 65:]).max()
assert difference < 10 * 0.00001
assert np.abs(logits).max() > 10
large, one = np.float32(1e8), np.float32(1)
assert (large + one) - large == 0
assert (large - large) + one == 1
print(f"{difference = :.4g}")
print(f"{np.abs(logits).max() = :.4g}")

# %% [markdown]
# So a test must never ask whether cached and uncached are equal, but whether they are near. The
# words are the same in both, because the best word is far ahead of the second.

# %%
best, second = np.sort(logits[0, 65:], axis=1)[:, [-1, -2]].T
assert (best - second).min() > 1000 * difference
assert np.array_equal(one_by_one.argmax(axis=2), logits[:, 65:].argmax(axis=2))
print(f"{(best - second).min() = :.4g}")

# %% [markdown]
# ## Words in pieces
# One word, several words, all words: however the text is cut, the result is the same.

# %%
first, after_four = text.decode_step(ids[:, :4], cache, params, config=config)
rest, after_ten = text.decode_step(ids[:, 4:], after_four, params, config=config)
assert np.allclose(np.concatenate([first, rest], axis=1), one_by_one, atol=1e-4)
assert after_ten.attention_mask.shape == (1, 10)
print(f"{after_ten.attention_mask.shape = }")

# %% [markdown]
# ## The old cache still stands
# `decode_step` changes nothing that it is given: it returns another cache. So one may go back to
# any point and say something else, as a search does. The picture's part is not even copied.

# %%
orange, _ = text.decode_step(np.array([vocabulary.encode("orange")]), cache, params, config=config)
green, _ = text.decode_step(np.array([vocabulary.encode("green")]), cache, params, config=config)
assert not np.allclose(orange, green, atol=1)
assert cache.text_kv[0].k.shape[2] == 0
assert after_ten.image_kv[0].k is cache.image_kv[0].k
print(f"{cache.text_kv[0].k.shape[2] = }")

# %% [markdown]
# ## A cache by hand
# Attention with a cache is the same attention: the old keys stand in front of the new one. We do
# it for the last word, "boat", in layer 0 and head 2.

# %%
q = seen["text.0.q"][0, 2, -1]
old, new = after_ten.text_kv[0].k[0, 2, :9], seen["text.0.k"][0, 2, -1:]
keys = np.concatenate([cache.image_kv[0].k[0, 2], old, new])
assert keys.shape == (75, 32)
weights = layers.softmax(keys @ q / np.float32(32**0.5))
assert np.allclose(weights, seen["text.0.weights"][0, 2, -1], atol=1e-5)
print(f"{keys.shape = }")

# %% [markdown]
# ## Exercises
# **1.** git-base has 6 layers of width 768 and 197 image tokens. How many bytes does its cache of
# one picture take, before any word?

# %%
yours = ...

# %%
base = numpygit.GitConfig()
solution = 197 * 6 * 2 * 768 * 4
assert (base.num_hidden_layers, base.hidden_size) == (6, 768)
assert solution == (base.vision_config.num_patches + 1) * 6 * 2 * base.hidden_size * 4
assert yours is ... or yours == solution, f"expected {solution}, got {yours}"

# %% [markdown]
# **2.** What does the model say after "a big" about our picture? Use `text.decode_step` on the
# cache, and give the likeliest next word.

# %%
yours = ...

# %%
prompt = np.array([[2, *vocabulary.encode("a big")]])
after, _ = text.decode_step(prompt, cache, params, config=config)
solution = vocabulary.decode([int(after[0, -1].argmax())])
assert solution == "green"
assert yours is ... or yours == solution, f"expected {solution}, got {yours}"

# %%
print("every claim of tutorial 06 holds")

# %% [markdown]
# # 02 Attention by hand
#
# After this tutorial you can work out one weight of multi-head self-attention, and what it gathers,
# with a for-loop.
#
# Open `numpygit/model/layers.py` at `attention` beside this file.

# %%
import math
from dataclasses import replace

import numpy as np
from PIL import Image

import numpygit
from numpygit.inside.show import show
from numpygit.model import layers, text
from numpygit.storybook import EXAMPLES

# %%
storybook = numpygit.load("storybook", plain=True)
params, config = storybook.model.params.text, storybook.model.config
memory = storybook.model.memory(storybook.pixels(EXAMPLES / "relation.png"))
ids = np.array([[2, *storybook.processor.vocabulary.encode("an orange fish in front of")]])
seen = {}
logits, _ = text.forward(memory, ids, params, config=config, trace=seen.__setitem__)
assert logits.shape == (1, 65 + 7, 154)
assert [logits[0, 67].argmax()] == storybook.processor.vocabulary.encode("fish")
print(f"{logits.shape = }")
print(f'{storybook.processor.vocabulary.encode("fish") = }')

# %% [markdown]
# ## Queries, keys, values
# In one sequence stand 65 image tokens and 7 words. Each token makes three vectors: a query `q`,
# what it asks for; a key `k`, what it answers to; a value `v`, what it gives. There are five heads,
# each 32 wide. We follow token 67, the word "orange", in layer 0 and head 1. It is about to say
# "fish".

# %%
x = seen["text.x"][0]
attention = params.blocks[0].attention
rows = slice(1 * 32, 2 * 32)  # head 1 owns these rows of the matrix
q = attention.query.weight[rows] @ x[67] + attention.query.bias[rows]
k = x @ attention.key.weight[rows].T + attention.key.bias[rows]
assert np.allclose(q, seen["text.0.q"][0, 1, 67], atol=1e-5)
assert np.allclose(k, seen["text.0.k"][0, 1], atol=1e-5)
assert k.shape == (65 + 7, 32)
print(f"{k.shape = }")

# %% [markdown]
# ## Scores
# How well does a query fit a key? Multiply number by number and add up. Divide by the root of the
# width, or the sums of wide heads would be too large. A word sees itself and what stands before it,
# so there are 68 scores.

# %%
scores = []
for token in range(68):
    total = 0.0
    for a, b in zip(q, k[token], strict=True):
        total += float(a) * float(b)
    scores.append(total / math.sqrt(32))
assert np.allclose(scores, seen["text.0.scores"][0, 1, 67, :68], atol=1e-5)

# %% [markdown]
# ## Weights
# Softmax turns scores into weights that sum to 1: e to the power of each, divided by the sum of
# all. The later words have the score -inf, and e to that power is exactly 0.

# %%
powers = [math.exp(score) for score in scores]
weights = [power / sum(powers) for power in powers]
assert math.isclose(sum(weights), 1)
assert np.allclose(weights, seen["text.0.weights"][0, 1, 67, :68], atol=1e-6)
assert (seen["text.0.weights"][0, 1, 67, 68:] == 0).all()

# %% [markdown]
# ## Mixed
# The result is an average of the values, each with its weight. An average cannot leave the range of
# what it averages: attention moves things about, it invents nothing.

# %%
v = x @ attention.value.weight[rows].T + attention.value.bias[rows]
mixed = np.zeros(32)
for token, weight in enumerate(weights):
    mixed += weight * v[token]
assert np.allclose(mixed, seen["text.0.mixed"][0, 1, 67], atol=1e-5)
assert (mixed <= v[:68].max(axis=0)).all()
assert (mixed >= v[:68].min(axis=0)).all()

# %% [markdown]
# ## Joined
# The five heads lie side by side again, 5 x 32 = 160 numbers, and one matrix lets them mix.

# %%
joined = np.concatenate([seen["text.0.mixed"][0, head, 67] for head in range(5)])
assert joined.shape == (5 * 32,) == (160,)
assert np.array_equal(joined, seen["text.0.joined"][0, 67])
attended = attention.out.weight @ joined + attention.out.bias
assert np.allclose(attended, seen["text.0.attended"][0, 67], atol=1e-5)
print(f"{joined.shape = }")

# %% [markdown]
# ## Surprise: the bias of the key does nothing
# The checkpoint holds a bias for every key. Some of its numbers are above 0.5. But a bias adds the
# same amount to every score of a query, and softmax only sees differences. So we may delete all of
# them, in every layer of the text decoder: the logits stay, up to rounding.


# %%
def without_key_bias(block):
    key = replace(block.attention.key, bias=np.zeros(160, np.float32))
    return replace(block, attention=replace(block.attention, key=key))


assert max(np.abs(b.attention.key.bias).max() for b in params.blocks) > 0.5
lighter = replace(params, blocks=tuple(without_key_bias(block) for block in params.blocks))
same, _ = text.forward(memory, ids, lighter, config=config)
assert np.abs(logits).max() > 10
assert np.abs(same - logits).max() < 1e-4
print(f"{max(np.abs(b.attention.key.bias).max() for b in params.blocks) = :.4g}")
print(f"{np.abs(logits).max() = :.4g}")

# %% [markdown]
# ## Surprise: attention does not see order
# Shuffle the image tokens, as one shuffles cards. Each word finds them anywhere: same logits. Where
# a patch lies in the picture, a word knows only from the position embeddings that the vision
# encoder added.

# %%
order = np.random.default_rng(0).permutation(65)
assert not np.array_equal(order, np.arange(65))
shuffled, _ = text.forward(memory[:, order], ids, params, config=config)
assert np.abs(shuffled[:, 65:] - logits[:, 65:]).max() < 1e-4
print(f"{np.abs(shuffled[:, 65:] - logits[:, 65:]).max() = :.4g}")

# %% [markdown]
# ## A picture of it
# Where "orange" looks in the last layer, on its way to "fish": one map for each of the 5 heads.
# Four of them look most at patch 52, where the fish is. The third looks nearly everywhere, as if
# it looked at more than 50 patches alike. (e to the power of the entropy counts patches in this
# way; the shares of the patches are first made to sum to 1, because some attention goes to words.)

# %%
maps = seen["text.3.weights"][0, :, 67, 1:65]
assert maps.shape == (5, 64)
assert [int(each.argmax()) == 52 for each in maps] == [True, True, False, True, True]
shares = maps / maps.sum(axis=1, keepdims=True)
spread = np.exp(-(shares * np.log(shares + 1e-12)).sum(axis=1))
assert spread[2] > 50 > 4 > spread[[0, 1, 3, 4]].max()
print(f"{maps.shape = }")
print(f"{spread[2] = :.4g}")

# %%
light = np.sqrt(maps / maps.max(axis=1, keepdims=True)).reshape(5, 8, 8)
sheet = (255 * light).astype(np.uint8).transpose(1, 0, 2).reshape(8, 5 * 8)
shown = Image.fromarray(sheet).resize((5 * 96, 96), Image.Resampling.NEAREST)
assert shown.getpixel((12 * 4, 12 * 6)) == 255  # head 0, patch 52 = 6 * 8 + 4
show(shown, "02_heads.png")
print(f"{shown.getpixel((12 * 4, 12 * 6)) = }")

# %% [markdown]
# ## Exercises
# **1.** Which token does our head look at most? Give its number among the 68.

# %%
yours = ...

# %%
solution = weights.index(max(weights))
assert seen["text.0.weights"][0, 1, 67].argmax() == solution
assert yours is ... or yours == solution, f"expected {solution}, got {yours}"

# %% [markdown]
# **2.** Write a function of `q` (32,) and `k` (68, 32) that returns the 68 weights. No loop is
# needed.

# %%
yours = ...


# %%
def solution(q, k):
    powers = np.exp(k @ q / math.sqrt(32))
    return powers / powers.sum()


assert np.allclose(solution(q, k[:68]), weights, atol=1e-6)
assert np.allclose(solution(q, k[:68]), layers.softmax(k[:68] @ q / math.sqrt(32)), atol=1e-6)
assert yours is ... or np.allclose(yours(q, k[:68]), weights, atol=1e-6), f"expected {weights}"

# %% [markdown]
# **3.** Add 100 to every score before softmax. By how much does the largest weight change?

# %%
yours = ...

# %%
shifted = layers.softmax(np.array(scores) + 100)
solution = 0
assert np.allclose(shifted, weights, atol=1e-6)
assert yours is ... or yours == solution, f"expected {solution}, got {yours}"

# %%
print("every claim of tutorial 02 holds")

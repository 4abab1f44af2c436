# %% [markdown]
# # 12 Backward through attention
#
# After this tutorial you can go back through one attention layer by hand: from what it gathered to
# values, weights, scores, keys and queries, and say why some of these gradients are nothing.
#
# Open `numpygit/learning/backward/layers.py` beside this file, and `numpygit/model/layers.py`:
# `attention_backward` goes through `attention` from its last line to its first.

# %%
import numpy as np
from PIL import Image

import numpygit
from numpygit.inside.show import show
from numpygit.learning.backward.model import loss_and_gradients
from numpygit.learning.parameters import astype
from numpygit.model.layers import softmax
from numpygit.storybook import EXAMPLES
from numpygit.trace import Recorder

# %% [markdown]
# ## The mistake of tutorial 11
# The caption says that the boat is red; it is green. Nearly all of the loss is that word's. The
# forward call is recorded, and so is the way back: each gradient has the name of its tensor.

# %%
storybook = numpygit.load("storybook", plain=True)
config, params = storybook.model.config, astype(storybook.model.params, np.float64)
pixels = storybook.pixels(EXAMPLES / "relation.png").astype(np.float64)
vocabulary = storybook.processor.vocabulary
ids = np.array([[2, *vocabulary.encode("an orange fish in front of a red boat"), 3]])
tape, back = Recorder(), Recorder()
numpygit.GitForCausalLM(config, params).logits(ids, pixels, trace=tape)
loss, gradients = loss_and_gradients(params, config, pixels, ids, ids, trace=back)
assert vocabulary.decode([int(ids[0, 8])]) == "red"
print(f"{loss = :.4f}")

# %% [markdown]
# ## What goes in
# The last layer has 5 heads, each 32 numbers wide, and looks from 76 tokens at the same 76: 65 of
# the picture, 11 of the text. `mixed` is what each head gathered: its weights times the values. The
# layers behind it say how the loss changes with `mixed`. All else follows from that.

# %%
q, k, v, weights = (tape.tensors[f"text.3.{name}"][0] for name in ("q", "k", "v", "weights"))
mixed, dmixed = tape.tensors["text.3.mixed"][0], back.tensors["text.3.mixed"][0]
N, S, A = v.shape
assert (N, S, A) == (5, 76, 32)
assert mixed.shape == dmixed.shape == (5, 76, 32)
assert S == 65 + 11
assert np.allclose(weights @ v, mixed)
print(f"{dmixed.shape = }")

# %% [markdown]
# ## Back to the values
# A token's value went to all who looked at it, with the weight with which each looked. So it gets
# back their gradients with the same weights: the matrix of weights, transposed.

# %%
dv = weights.transpose(0, 2, 1) @ dmixed
assert np.allclose(dv, back.tensors["text.3.v"][0], atol=1e-14)
one = sum(weights[0, asking, 20] * dmixed[0, asking] for asking in range(S))  # token 20, head 0
assert np.allclose(one, dv[0, 20])
print(f"{abs(dv).max() = :.5f}")

# %% [markdown]
# ## Back to the weights
# How would the loss change if the token in row i looked a little more at token j? By the product of
# what is wanted and what is there: dmixed of i times the value of j.

# %%
dweights = dmixed @ v.transpose(0, 2, 1)
assert np.allclose(dweights, back.tensors["text.3.weights"][0], atol=1e-14)
assert np.isclose(dweights[0, 72, 20], dmixed[0, 72] @ v[0, 20])
print(f"{dweights.shape = }")

# %% [markdown]
# ## Back through softmax
# Weights of a row sum to one: what one gains the others lose. So what counts is how much better a
# place is than the row's mean, and the mean is taken with the weights themselves. Every row of the
# result sums to zero.

# %%
mean = (weights * dweights).sum(axis=-1, keepdims=True)
dscores = weights * (dweights - mean)
assert np.allclose(dscores, back.tensors["text.3.scores"][0], atol=1e-14)
assert abs(dscores.sum(axis=-1)).max() < 1e-15
print(f"{abs(dscores.sum(axis=-1)).max() = :.1e}")

# %% [markdown]
# ## The mask needs no line
# A word may not look at later words. There its weight is zero, and so is the gradient of the
# score, whatever stands in `dweights`. A backward pass that forgets about masks is right.

# %%
forbidden = weights == 0
assert forbidden[0, 65:, 65:].sum() == 55  # 11 words: 10 + 9 + ... + 1 later ones
assert sum(range(1, 11)) == 55
assert abs(dweights[forbidden]).max() > 1e-4
assert not dscores[forbidden].any()
print(f"{int(forbidden[0].sum()) = }")

# %% [markdown]
# ## The same mean, more cheaply
# The mean ran over 76 tokens. It can be had from two arrays that are only 32 wide: multiply what
# was gathered by its gradient and add up. The fast twin does so, and never divides anything as wide
# as the scores. (Write out both sums: they are the same numbers in another order.)

# %%
cheaper = (mixed * dmixed).sum(axis=-1, keepdims=True)
assert np.allclose(cheaper, mean, atol=1e-15)
assert weights.shape[-1] == 76
assert mixed.shape[-1] == 32

# %% [markdown]
# ## Back to queries and keys
# A score is q · k, divided by the root of the width. So a query gets the keys, each as much as its
# score should change, and a key gets the queries.

# %%
dq = dscores @ k / np.sqrt(A)
dk = dscores.transpose(0, 2, 1) @ q / np.sqrt(A)
assert np.allclose(dq, back.tensors["text.3.q"][0], atol=1e-14)
assert np.allclose(dk, back.tensors["text.3.k"][0], atol=1e-14)
print(f"{abs(dq).max() = :.5f}")

# %% [markdown]
# ## Surprise: what the bias of the keys gets
# It is added to all keys, so its gradient is the sum of `dk` over all tokens. Take the sum inside:
# each query is multiplied by the sum of its row of `dscores`, and that is zero. Nobody can teach
# the bias of the keys anything; that of the queries learns.

# %%
attention = gradients.text.blocks[3].attention
assert np.allclose(dk.sum(axis=1).reshape(-1), attention.key.bias, atol=1e-15)
assert abs(attention.key.bias).max() < 1e-15
assert np.allclose(dq.sum(axis=1).reshape(-1), attention.query.bias)
assert abs(attention.query.bias).max() > 1e-5
print(f"{abs(attention.key.bias).max() = :.1e}, {abs(attention.query.bias).max() = :.1e}")

# %% [markdown]
# ## And to the matrices
# Laid side by side, the 5 heads are 160 wide again. A projection is linear, so its matrix gets the
# gradient of its result times its input, over all tokens; here the input is that of the layer.

# %%
x = tape.tensors["text.2.x"][0]
joined = dq.transpose(1, 0, 2).reshape(S, 160)
assert N * A == 160
assert np.allclose(joined.T @ x, attention.query.weight, atol=1e-14)

# %% [markdown]
# ## Trust nobody
# As far as this layer can tell, the loss is `mixed` times `dmixed`, added up. So a score can be
# moved by a little and the sum taken again, without a formula.


# %%
def loss_of(scores):
    return (dmixed[0] * (softmax(scores) @ v[0])).sum()


scores, step = tape.tensors["text.3.scores"][0, 0], 1e-6
for i, j in ((72, 20), (72, 66), (70, 40)):
    ahead, behind = scores.copy(), scores.copy()
    ahead[i, j] += step
    behind[i, j] -= step
    slope = (loss_of(ahead) - loss_of(behind)) / (2 * step)
    assert np.isclose(slope, dscores[0, i, j], rtol=1e-4, atol=1e-12)
    print(f"({i}, {j}): by a step {slope:.3e}, by the formula {dscores[0, i, j]:.3e}")

# %% [markdown]
# ## Where it should have looked
# Token 72, the second "a", had to predict "red". A negative gradient means: a higher score there
# would have made "red" likelier. Yellow patches are such; blue ones would make it less likely.
#
# ![where higher scores would make red likelier](pictures/12_scores.png)

# %%
wish = -dscores[:, 72, 1:65].sum(axis=0).reshape(8, 8)  # all heads, without the class token
share = wish / abs(wish).max()
colours = np.full((8, 8, 3), 128.0)
colours += share[..., None] * np.where(share[..., None] > 0, [120, 100, -90], [80, 20, -120])
picture = Image.fromarray(colours.clip(0, 255).astype(np.uint8))
show(picture.resize((256, 256), Image.Resampling.NEAREST), "12_scores.png")
assert vocabulary.decode([int(ids[0, 72 - 65])]) == "a"
assert abs(share).max() == 1

# %% [markdown]
# ## Exercises
# **1.** A row of weights is 0.5, 0.25, 0.25. The gradient of the weights is 1, 0, 0. What is that
# of the scores?

# %%
yours = ...

# %%
row, drow = np.array([0.5, 0.25, 0.25]), np.array([1.0, 0, 0])
solution = row * (drow - row @ drow)
assert np.allclose(solution, [0.25, -0.125, -0.125])
assert yours is ... or np.allclose(yours, solution), f"expected {solution}"

# %% [markdown]
# **2.** Work out the gradient of the bias of the values of head 0 from `dv`.

# %%
yours = ...

# %%
solution = dv[0].sum(axis=0)
assert np.allclose(solution, attention.value.bias[:32], atol=1e-14)
assert yours is ... or np.allclose(yours, solution), f"expected {solution}"

# %%
print("every claim of tutorial 12 holds")

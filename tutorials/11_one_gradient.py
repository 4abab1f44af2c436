# %% [markdown]
# # 11 One gradient
#
# After this tutorial you can say what the gradient of one weight is, work it out by hand, and check
# it without trusting anybody.
#
# Open `numpygit/learning/backward/model.py` and `numpygit/learning/backward/layers.py` beside this
# file. Every function there is the way back through one of `numpygit/model/layers.py`.

# %%
import numpy as np
from PIL import Image

import numpygit
from numpygit.inside.show import show
from numpygit.learning.backward.model import loss_and_gradients
from numpygit.learning.backward.vision import uncut_patches
from numpygit.learning.parameters import astype
from numpygit.storybook import EXAMPLES
from numpygit.trace import Recorder

# %% [markdown]
# ## What is learnt
# The model reads a caption and should predict each word from those before it. The labels are the
# words themselves; the first one, [CLS], is never predicted. We count in float64, so that small
# steps can be seen.

# %%
storybook = numpygit.load("storybook", plain=True)
config, params = storybook.model.config, astype(storybook.model.params, np.float64)
pixels = storybook.pixels(EXAMPLES / "relation.png").astype(np.float64)
vocabulary = storybook.processor.vocabulary
ids = np.array([[2, *vocabulary.encode("an orange fish in front of a red boat"), 3]])
assert ids.shape == (1, 11)
print(f"{ids[0].tolist() = }")

# %% [markdown]
# The caption is wrong in one word: the boat is green. So the model is surprised once, and the loss,
# the mean surprise (cross-entropy) over 10 words, is nearly all that one word's.

# %%
gradients_of = Recorder()
loss, gradients = loss_and_gradients(params, config, pixels, ids, ids, trace=gradients_of)
tape = Recorder()
logits = numpygit.GitForCausalLM(config, params).logits(ids, pixels, trace=tape)[0, -11:]
shares = np.exp(logits) / np.exp(logits).sum(axis=-1, keepdims=True)
surprise = -np.log(shares[np.arange(10), ids[0, 1:]])
assert len(surprise) == 10
assert np.isclose(loss, surprise.mean())
assert surprise.argmax() == 7  # "red", where it expected green
assert surprise.max() > 0.9 * surprise.sum()
print(f"{loss = :.4f}")
print(f"{vocabulary.decode([int(shares[7].argmax())]) = }")

# %% [markdown]
# ## Where it begins: the logits
# How does the loss change when a logit rises a little? By its probability, if it is not the label;
# by its probability minus 1, if it is. Divided by the number of words, that is all.

# %%
wanted = np.zeros_like(logits[:10])
wanted[np.arange(10), ids[0, 1:]] = 1
by_hand = (shares[:10] - wanted) / 10
dlogits = gradients_of.tensors["logits"][0, -11:]
assert np.allclose(by_hand, dlogits[:10], atol=1e-12)
assert not dlogits[10].any()  # nothing comes after [SEP]
assert np.allclose(dlogits.sum(axis=-1), 0)  # what one word gains all others lose
print(f"{abs(dlogits).max() = :.4f}")

# %% [markdown]
# ## One weight
# The head has a row of 160 weights for each word. Weight 5 of the row of "red" multiplies number 5
# of each state. Its gradient is that of the logit times that number, summed over all positions.

# %%
red = vocabulary.encode("red")[0]
states = tape.tensors["text.3.x"][0, -11:]
assert states.shape == (11, 160)
by_hand = sum(dlogits[t, red] * states[t, 5] for t in range(11))
assert np.isclose(by_hand, dlogits[:, red] @ states[:, 5])
assert np.isclose(by_hand, gradients.text.head.weight[red, 5], rtol=1e-10)
print(f"{by_hand = :.6f}")

# %% [markdown]
# ## Trust nobody: a small step
# A gradient claims something that can be tried: move the weight by a little, and the loss changes
# by so much times the gradient. We try it on that weight, and on one at the other end of the model,
# 8 layers away, in the embedding of patches.


# %%
def loss_with(array, index, step):
    before = array[index]
    array[index] = before + step
    found, _ = loss_and_gradients(params, config, pixels, ids, ids)
    array[index] = before
    return found


# %%
for array, gradient, index in (
    (params.text.head.weight, gradients.text.head.weight, (red, 5)),
    (params.vision.patch_embedding, gradients.vision.patch_embedding, (12, 7)),
):
    ahead, behind = (loss_with(array, index, step) for step in (1e-4, -1e-4))
    slope = (ahead - behind) / 2e-4
    assert np.isclose(slope, gradient[index], rtol=1e-3, atol=1e-7)
    print(f"{index}: by a step {slope:.7f}, by the formula {gradient[index]:.7f}")
assert len(params.vision.blocks) + len(params.text.blocks) == 8

# %% [markdown]
# ## A gradient that is nothing
# The bias of the keys adds the same to all scores of a row, and softmax forgets what is added to
# all. So no loss can depend on it: its gradient is 0, but for rounding.

# %%
key = gradients.text.blocks[2].attention.key
assert abs(key.bias).max() < 1e-15
assert abs(key.weight).max() > 1e-6
print(f"{abs(key.bias).max() = :.1e}")

# %% [markdown]
# ## Down to the pixels
# The way back does not end at the weights. The gradient of the pixels says which of them would have
# made "red" less surprising. Bright is where a change would matter: the boat.
#
# ![where pixels would change the loss](pictures/11_pixels.png)

# %%
dpatches = gradients_of.tensors["vision.patches"]
dpixels = uncut_patches(dpatches, shape=(1, 3, 96, 96), patch=12)[0]
strength = np.sqrt((dpixels**2).sum(axis=0))
light = (255 * np.minimum(strength / np.quantile(strength, 0.995), 1)).astype(np.uint8)
picture = Image.fromarray(light).resize((288, 288), Image.Resampling.BILINEAR)
show(picture, "11_pixels.png")
assert strength.shape == (96, 96)
print(f"{strength.max() = :.5f}")

# %% [markdown]
# ## Exercises
# **1.** A word has probability 0.25 and is the label; there are 10 words in the mean. What is the
# gradient of its logit?

# %%
yours = ...

# %%
solution = (0.25 - 1) / 10
assert np.isclose(solution, -0.075)
assert yours is ... or np.isclose(yours, solution), f"expected {solution}, got {yours}"

# %% [markdown]
# **2.** The bias of the head is added to every logit of its word. Work out the gradient of all its
# numbers from `dlogits`.

# %%
yours = ...

# %%
solution = dlogits.sum(axis=0)
assert np.allclose(solution, gradients.text.head.bias, atol=1e-12)
assert yours is ... or np.allclose(yours, solution), f"expected {solution}"

# %%
print("every claim of tutorial 11 holds")

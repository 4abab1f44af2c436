# %% [markdown]
# # 00 A caption in forty lines
#
# After this tutorial you can read the whole of GIT in one sitting: a picture goes in, a sentence
# comes out, and between them stand forty lines of arithmetic.
#
# Open `numpygit/model/vision.py` and `numpygit/model/text.py` beside this file: they say the same
# with names, shapes and reasons. Run the cells one after the other (VS Code, Spyder and Jupyter
# with jupytext know the `# %%` marks), or all at once with `python`. Every claim is an `assert`:
# change something and see which one breaks. You need to know what a matrix product is; all other
# words are explained where they come.

# %%
import numpy as np
from PIL import Image

import numpygit
from numpygit.inside.show import show
from numpygit.model.layers import gelu, layer_norm, linear, quick_gelu, softmax
from numpygit.storybook import EXAMPLES

# %% [markdown]
# ## What goes in
# A picture of 96 x 96 pixels, three colours each, and a model: arrays of numbers that training has
# found. This one is small, knows one little drawn world, and comes with the package.

# %%
git = numpygit.load("storybook")
p = git.model.params
pixels = git.pixels(EXAMPLES / "relation.png")
show(Image.open(EXAMPLES / "relation.png").resize((288, 288)), "00_picture.png")
assert pixels.shape == (1, 3, 96, 96)
assert (git.model.config.num_attention_heads, git.model.config.hidden_size // 5) == (5, 32)
print(f"{pixels.shape = }")

# %% [markdown]
# ## Attention
# The one idea that all the rest is built around. Every token (a vector that stands for a square of
# the picture, or for a word) has a query `q`, what it asks for; a key `k`, what it answers to; and
# a value `v`, what it gives. How well a query fits a key says how much of the value is taken:
# `softmax` turns these scores into weights that sum to 1. All that happens 5 times side by side, in
# 5 heads, each 32 numbers wide. A mask of minus infinity keeps a token from looking at another.


# %%
def attention(x, p, mask=0.0):
    q, k, v = (linear(x, part).reshape(-1, 5, 32) for part in (p.query, p.key, p.value))
    q, k, v = (part.swapaxes(0, 1) for part in (q, k, v))
    weights = softmax(q @ k.swapaxes(1, 2) / np.float32(32**0.5) + mask)
    return linear((weights @ v).swapaxes(0, 1).reshape(x.shape), p.out)


# %% [markdown]
# ## The picture becomes tokens
# Cut into 8 x 8 squares of 12 x 12 pixels, the patches; a matrix makes a vector of 160 numbers of
# each. One more vector, the class token, stands in front, so there are 65. To each the vector of
# its position is added, or else the model could not know where a patch lies.

# %%
squares = pixels.reshape(3, 8, 12, 8, 12).transpose(1, 3, 0, 2, 4).reshape(64, -1)
x = np.vstack([p.vision.class_embedding, squares @ p.vision.patch_embedding.T])
x = layer_norm(x + p.vision.position_embedding, p.vision.pre_norm, eps=1e-5)
assert squares.shape == (8 * 8, 3 * 12 * 12)
assert x.shape == (65, 160)
print(f"{x.shape = }")

# %% [markdown]
# ## The vision encoder
# 4 layers. In each, tokens first gather from one another (attention), then each is worked on alone
# by a small network, the MLP. What comes out is added to what was there, and `layer_norm` keeps the
# numbers from growing or shrinking on their way.

# %%
for b in p.vision.blocks:
    x = x + attention(layer_norm(x, b.attention_norm, eps=1e-5), b.attention)
    x = x + linear(quick_gelu(linear(layer_norm(x, b.mlp_norm, eps=1e-5), b.mlp.up)), b.mlp.down)
x = layer_norm(x, p.vision.post_norm, eps=1e-5)
memory = layer_norm(linear(x, p.text.projection), p.text.projection_norm, eps=1e-5)
assert len(p.vision.blocks) == 4
print(f"{len(p.vision.blocks) = }")

# %% [markdown]
# `memory` is all that the rest of the model will ever know of the picture. Every tutorial calls it
# so.
#
# ## The text decoder says a word
# Words are numbers of a vocabulary: 2 is the start token, with which every text begins, and 3 the
# end token. Words become vectors, stand behind the memory, and go through 4 more layers. A patch
# may look at all patches, a word at all patches and at the words up to itself. The last token's
# vector then gives a score for each word of the vocabulary (a logit), and the highest is said.


# %%
def next_word(ids):
    words = p.text.word_embedding[ids] + p.text.position_embedding[: len(ids)]
    x = np.vstack([memory, layer_norm(words, p.text.embedding_norm, eps=1e-12)])
    place = np.arange(len(x))
    mask = np.where((place < 65) | (place <= place[:, None]), 0, -np.inf).astype(np.float32)
    for b in p.text.blocks:
        x = layer_norm(x + attention(x, b.attention, mask), b.attention_norm, eps=1e-12)
        x = layer_norm(x + linear(gelu(linear(x, b.mlp.up)), b.mlp.down), b.mlp_norm, eps=1e-12)
    return int(linear(x[-1], p.text.head).argmax())


assert (git.model.config.bos_token_id, git.model.config.eos_token_id) == (2, 3)
assert len(p.text.blocks) == 4


# %% [markdown]
# ## Again and again
# Each word that was said is read in turn, until the end token comes. That is all.

# %%
ids = [2]
while ids[-1] != 3:
    ids.append(next_word(ids))
    print(git.processor.vocabulary.decode(ids))
assert git.processor.vocabulary.decode(ids) == "an orange fish in front of a green boat"
assert git.processor.vocabulary.decode(ids) == git.caption(EXAMPLES / "relation.png")

# %% [markdown]
# ## Exercises
# In each, put your answer in the place of `...` and run the cell after it. It checks your answer,
# and it holds a solution: do not look too early.
#
# **1.** How many tokens does the text decoder have before it when it says the second word?

# %%
yours = ...

# %%
solution = 65 + 2
assert len(memory) + len([2, next_word([2])]) == solution
assert yours is ... or yours == solution, f"expected {solution}, got {yours}"

# %% [markdown]
# **2.** What does the model say after the words "a red", whatever the picture shows?
# `vocabulary.encode` turns words into numbers; do not forget the start token.

# %%
yours = ...

# %%
start = [2, *git.processor.vocabulary.encode("a red")]
solution = git.processor.vocabulary.decode([next_word(start)])
assert len(solution) > 1
assert yours is ... or yours == solution, f"expected {solution}, got {yours}"

# %%
print("every claim of tutorial 00 holds")

# %% [markdown]
# # 04 Who may look at whom
#
# After this tutorial you can write the mask of GIT from memory, and say what its rules are good
# for.
#
# Open `numpygit/model/text.py` at `full_mask` and `word_mask` beside this file.

# %%
from dataclasses import replace

import numpy as np
from PIL import Image

import numpygit
from numpygit.inside.show import show
from numpygit.model import layers, text
from numpygit.model.generate import generate
from numpygit.storybook import EXAMPLES

# %%
storybook = numpygit.load("storybook", plain=True)
params, config = storybook.model.params.text, storybook.model.config
vocabulary = storybook.processor.vocabulary
memory = storybook.model.memory(storybook.pixels(EXAMPLES / "relation.png"))
ids = np.array([[2, *vocabulary.encode("an orange fish in front of")]])
seen = {}
logits, _ = text.forward(memory, ids, params, config=config, trace=seen.__setitem__)
assert ids.shape == (1, 7)
print(f"{ids.shape = }")

# %% [markdown]
# ## The mask by hand
# 65 image tokens and 7 words stand in one sequence of 72. The mask is added to the scores: 0 lets a
# token look, -inf forbids it. Rows are queries, columns are keys. Two rules make all of it: image
# tokens look at image tokens; a word looks at the image and at words up to itself.

# %%
mask = np.full((72, 72), -np.inf)
for asks in range(72):
    for looked_at in range(72):
        if looked_at < 65 or looked_at <= asks:
            mask[asks, looked_at] = 0
assert np.array_equal(mask, seen["text.mask"][0, 0])
assert memory.shape == (1, 72 - 7, 160) == (1, 65, 160)
print(f"{memory.shape = }")

# %% [markdown]
# One line did it, because an image token stands before every word anyway. 4708 of the 5184 pairs
# are allowed. White may look:

# %%
allowed = mask == 0
assert allowed.sum() == 65 * 65 + 7 * 65 + (1 + 2 + 3 + 4 + 5 + 6 + 7) == 4708
assert allowed.size == 5184
shown = Image.fromarray(np.where(allowed, 255, 60).astype(np.uint8)).resize((288, 288), 0)
show(shown, "04_mask.png")
print(f"{allowed.sum() = :d}")
print(f"{allowed.size = }")

# %% [markdown]
# ## Surprise: the picture does not care what you say about it
# Image tokens go through the text decoder too. But they never see a word, so their states are the
# same whatever the words are: equal in every bit, in all 4 layers.

# %%
other_ids = np.array([[2, *vocabulary.encode("is it day or night?")]])
assert other_ids.shape == ids.shape
other = {}
text.forward(memory, other_ids, params, config=config, trace=other.__setitem__)
for i in range(4):
    assert np.array_equal(seen[f"text.{i}.x"][:, :65], other[f"text.{i}.x"][:, :65])
    assert not np.array_equal(seen[f"text.{i}.x"][:, 65:], other[f"text.{i}.x"][:, 65:])
print(f"{other_ids.shape = }")

# %% [markdown]
# That is why the picture's keys and values can be computed once and kept, for every question that
# anyone will ask (tutorial 06).
#
# ## A word does not see what comes after it
# Change the last word, and the logits of all earlier words stay as they are. So in training all
# words of a caption are learned at once, and none can peep at the answer.

# %%
changed = ids.copy()
changed[0, -1] = vocabulary.encode("boat")[0]
new, _ = text.forward(memory, changed, params, config=config)
assert np.array_equal(new[:, :-1], logits[:, :-1])
assert np.abs(new[:, -1] - logits[:, -1]).max() > 1
print(f"{np.abs(new[:, -1] - logits[:, -1]).max() = :.4g}")

# %% [markdown]
# ## Surprise: without the mask, the words are still right
# Let everybody look at everybody. The shapes are right, nothing crashes, the numbers of the words
# are off by more than 1, those of the last word, which is the one that is read, by more than 0.5,
# and yet the loop says the right caption, word by word. So a right caption does not prove that a
# program is right. Compare tensors, as `numpygit diff` does.


# %%
def without_mask(ids):
    seen = {}
    text.forward(memory, ids, params, config=config, trace=seen.__setitem__)
    x, _ = text.text_tower(seen["text.x"], params, config=config, mask=None)
    return layers.linear(x, params.head)


apart = np.abs(without_mask(ids) - logits)[0, 65:].max(axis=1)  # of each word
assert apart.max() > 1
assert apart[-1] > 0.5
print(f"{apart.max() = :.4g}")
print(f"{apart[-1] = :.4g}")

# %%
said = np.array([[2]])
while said[0, -1] != 3:
    said = np.append(said, [[without_mask(said)[0, -1].argmax()]], axis=1)
assert vocabulary.decode(said[0].tolist()) == "an orange fish in front of a green boat"
print(f"{vocabulary.decode(said[0].tolist()) = }")

# %% [markdown]
# ## Padding
# Two prompts of different lengths go into one array, so the shorter one is filled up on the left.
# A second mask says what is padding: 1 a word, 0 none. Both rows then read as if they were alone.

# %%
long, short = [2, *vocabulary.encode("is it day or night?")], [2]
both = np.array([long, [0] * 6 + short])
attention_mask = np.array([[1] * 7, [0] * 6 + [1]])
assert both.shape == attention_mask.shape == (2, 7)
two, _ = text.forward(
    memory.repeat(2, axis=0), both, params, config=config, attention_mask=attention_mask
)
print(f"{both.shape = }")

# %%
for row, alone in enumerate([long, short]):
    one, _ = text.forward(memory, np.array([alone]), params, config=config)
    assert np.abs(two[row, -1] - one[0, -1]).max() < 1e-4

# %% [markdown]
# ## Positions count words, not padding
# The short prompt's only word has position 0 in both cases. The official code of transformers
# counts the padding too, gives it position 6, and answers differently. Here the two agree.

# %%
assert text.word_positions(attention_mask).tolist() == [[0, 1, 2, 3, 4, 5, 6], [0] * 7]
six = np.array([[6]])
wrong, _ = text.forward(memory, np.array([short]), params, config=config, positions=six)
assert np.abs(two[1, -1] - wrong[0, -1]).max() > 1
print(f"{text.word_positions(attention_mask).tolist() = }")
print(f"{np.abs(two[1, -1] - wrong[0, -1]).max() = :.4g}")

# %% [markdown]
# ## A row that may look at nothing
# Without a picture, a padded row sees nothing but padding. Were all its scores -inf, softmax would
# divide zero by zero. So padding is blocked with the lowest float32 and not with -inf: the row
# gives some harmless weights, which nobody reads.

# %%
lonely = text.word_mask(np.array([[0, 1]]), image=0, now=2)[0, 0]
assert lonely[0].tolist() == [np.finfo(np.float32).min, -np.inf]
assert layers.softmax(lonely)[0].tolist() == [1, 0]
with np.errstate(invalid="ignore"):
    nothing = layers.softmax(np.full(2, -np.inf, np.float32))
assert np.isnan(nothing).all()
print(f"{lonely[0].tolist() = }")
print(f"{layers.softmax(lonely)[0].tolist() = }")

# %% [markdown]
# ## Why positions at all, if there is a mask?
# Take the position embeddings away. The mask alone says little about order. The caption begins
# well, and then walks in a circle.

# %%
placeless = replace(params, position_embedding=np.zeros_like(params.position_embedding))
cache = text.prefill(memory, placeless, config=config)
*_, last = generate(cache, np.array([[2]]), placeless, config=config, max_length=32)
said = vocabulary.decode(last.ids[0].tolist())
assert said.startswith("an orange fish in front of a green boat in front of a green boat")

# %% [markdown]
# ## Exercises
# **1.** A clip has four frames of 65 tokens, and the question has 10 words. How many numbers has
# the whole mask?

# %%
yours = ...

# %%
solution = (4 * 65 + 10) ** 2
assert text.full_mask(np.ones((1, 10), np.int64), image=4 * 65).size == solution
assert yours is ... or yours == solution, f"expected {solution}, got {yours}"

# %% [markdown]
# **2.** Write the mask (T, T) of a text of T words alone, without a picture, as a function of T.

# %%
yours = ...


# %%
def solution(T):
    return np.triu(np.full((T, T), -np.inf), k=1)


alone = text.full_mask(np.ones((1, 6), np.int64), image=0)[0, 0]
assert np.array_equal(solution(6), alone)
assert yours is ... or np.array_equal(yours(6), alone), f"expected {alone}"

# %%
print("every claim of tutorial 04 holds")

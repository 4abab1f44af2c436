# %% [markdown]
# # 07 Beams and sampling
#
# After this tutorial you can write a beam search of two functions and a loop, whose finished texts
# are called hypotheses, and draw words like a lottery: temperature, top-k, top-p (nucleus), min-p.
# All of these change logits before a token is chosen: they are logits processors, as is the
# diversity penalty between groups of beams.
#
# Open `numpygit/model/generate.py` at `keep_rows`, and `numpygit/decoding/sampling.py` beside
# this file.

# %%

import numpy as np
from PIL import Image, ImageDraw

import numpygit
from numpygit.decoding.sampling import filter_top_k, filter_top_p
from numpygit.inside.show import show
from numpygit.model import layers, text
from numpygit.model.generate import keep_rows
from numpygit.storybook import EXAMPLES

# %% [markdown]
# ## A picture that is hard to name
# On pictures of its own world storybook is sure of its words (tutorial 05). So we lay two pictures
# on one another, half and half. Nothing like it was in the training.

# %%
storybook = numpygit.load("storybook", plain=True)
params, config = storybook.model.params.text, storybook.model.config
vocabulary = storybook.processor.vocabulary
row, sign = (Image.open(EXAMPLES / f"{name}.png") for name in ("row", "sign"))
mixture = Image.blend(row, sign, 0.5)
pixels = storybook.pixels(mixture)
memory = storybook.model.memory(pixels)
assert storybook.caption(mixture) == "a big blue tree"
print(f"{storybook.caption(mixture) = }")

# %% [markdown]
# ## Not sure at all
# The first word is "a" with a probability of 0.50 and "four" with 0.49. Greedy search takes "a",
# and can never know what would have come after "four".

# %%
cache = text.prefill(memory, params, config=config)
logits, cache = text.decode_step(np.array([[2]]), cache, params, config=config)
first = layers.softmax(logits[0, -1])
a, four = vocabulary.encode("a four")
assert (round(float(first[a]), 2), round(float(first[four]), 2)) == (0.50, 0.49)

# %%
chart = Image.new("RGB", (320, 160), "white")
pen = ImageDraw.Draw(chart)
for i, probability in enumerate(np.sort(first)[::-1][:10]):
    top = 149 - int(280 * probability)
    pen.rectangle((10 + 30 * i, top, 34 + 30 * i, 150), fill=(40, 100, 200))
assert chart.getpixel((45, 15)) == (40, 100, 200)  # the second bar is as high as the first
show(chart, "07_first_word.png")
print(f"{chart.getpixel((45, 15)) = }")

# %% [markdown]
# ## How likely is a text?
# The probabilities of its words, multiplied; the end token counts. Logarithms turn products into
# sums, and are not so small.


# %%
def log_softmax(logits):
    shifted = logits - logits.max(axis=-1, keepdims=True)
    return shifted - np.log(np.exp(shifted).sum(axis=-1, keepdims=True))


def worth(caption):
    ids = np.array([[2, *vocabulary.encode(caption), 3]])
    rows = log_softmax(storybook.model.logits(ids[:, :-1], pixels)[0, 65:])
    return float(rows[np.arange(len(rows)), ids[0, 1:]].sum())


assert round(worth("a big blue tree"), 1) == -2.1
print(f'{round(worth("a big blue tree"), 1) = :.4g}')

# %% [markdown]
# ## Surprise: the greedy text is not the likeliest text
# "four blue tree" is worse grammar, and a worse first word, but the better product. To find it,
# one must keep more than one beginning.

# %%
assert worth("four blue tree") > worth("a big blue tree")
print(f'{worth("four blue tree") = :.4g}')

# %% [markdown]
# ## A beam search by hand
# Keep the two likeliest beginnings, the beams. Add to each every possible next word. Keep the best
# two, and put aside what has ended. `keep_rows` lets each beam go on from its words of the cache.


# %%
def best_two(totals, logits):
    sums = (totals[:, None] + log_softmax(logits)).ravel()
    order = sums.argsort()[::-1][:4]  # four, because two of them may be an end
    return [(float(sums[i]), i // 154, i % 154) for i in order]


found = best_two(np.zeros(1), logits[:, -1])
assert [(beam, word) for _, beam, word in found[:2]] == [(0, a), (0, four)]


# %%
def sort_out(beams, found):
    grown = [(total, [*beams[beam][1], word], beam) for total, beam, word in found]
    ended = [(total, said) for total, said, _ in grown[:2] if said[-1] == 3]
    return ended, [each for each in grown if each[1][-1] != 3][:2]


ended, beams = sort_out([(0.0, [2])], found)
assert (len(ended), len(beams)) == (0, 2)

# %%
while len(ended) < 2:
    cache = keep_rows(cache, np.array([row for *_, row in beams]))
    last = np.array([[said[-1]] for _, said, _ in beams])
    logits, cache = text.decode_step(last, cache, params, config=config)
    found = best_two(np.array([total for total, *_ in beams]), logits[:, -1])
    finished, beams = sort_out(beams, found)
    ended += finished
assert vocabulary.decode(max(ended)[1]) == "four blue tree"
print(f"{vocabulary.decode(max(ended)[1]) = }")

# %% [markdown]
# The package finds the same. `length_penalty=0` compares plain sums, as we did; positive values
# divide by the length, so that long texts have a chance.

# %%
ids = storybook.model.generate(pixel_values=pixels, num_beams=2, length_penalty=0.0)
assert vocabulary.decode(ids[0].tolist()) == "four blue tree"
assert np.isclose(max(ended)[0], worth("four blue tree"), atol=1e-3)
print(f"{vocabulary.decode(ids[0].tolist()) = }")

# %% [markdown]
# ## Drawing words
# Another way is to draw each word, as in a lottery. There is a trick: add noise of a certain kind
# (Gumbel's) to the logits, and take the highest. It draws by softmax without computing one.

# %%
rng = np.random.default_rng(0)
start = np.log(first)
drawn = (start + rng.gumbel(size=(20000, 154))).argmax(axis=1)
share = np.bincount(drawn, minlength=154) / 20000
assert np.abs(share - first).max() < 0.01
print(f"{np.abs(share - first).max() = :.4g}")

# %% [markdown]
# ## Temperature
# Divide the logits by a number first. Below 1 the likely words gain, above 1 the others. At 0.01
# "a" is several times as likely as "four", which was nearly as good.

# %%
cold, warm, hot = (layers.softmax(start / t) for t in (0.01, 1, 2))
assert cold[a] > 5 * cold[four]
assert np.allclose(warm, first, atol=1e-6)
assert hot[a] < first[a]
print(f"{cold[a] = :.4g}")
print(f"{hot[a] = :.4g}")

# %% [markdown]
# ## Filters
# `filter_top_k` keeps a number of words; `filter_top_p` the fewest that have so much probability
# together. Here 0.9 of it lies in 2 words. The others get -inf and are never drawn.

# %%
ids, logits = np.array([[2]]), start[None]
assert np.isfinite(filter_top_k(ids, logits, count=3)).sum() == 3
kept = np.isfinite(filter_top_p(ids, logits, mass=0.9, keep=1))[0]
assert kept.sum() == 2
assert first[kept].sum() >= 0.9
print(f"{np.isfinite(filter_top_k(ids, logits, count=3)).sum() = :d}")
print(f"{kept.sum() = :d}")

# %% [markdown]
# ## Exercises
# **1.** How many times likelier is "four blue tree" than "a big blue tree"? Give it to one digit
# after the point. `worth` gives logarithms.

# %%
yours = ...

# %%
solution = round(float(np.exp(worth("four blue tree") - worth("a big blue tree"))), 1)
assert 1.0 < solution < 1.2
assert yours is ... or yours == solution, f"expected {solution}, got {yours}"

# %% [markdown]
# **2.** Draw 5 captions with `storybook.model.generate` and the options `do_sample`, `seed=1` and
# `num_return_sequences`. Give them as a list of texts.

# %%
yours = ...

# %%
ids = storybook.model.generate(pixel_values=pixels, do_sample=True, seed=1, num_return_sequences=5)
solution = [vocabulary.decode(row.tolist()) for row in ids]
assert len(solution) == 5
assert len(set(solution)) > 1
assert yours is ... or yours == solution, f"expected {solution}, got {yours}"

# %%
print("every claim of tutorial 07 holds")

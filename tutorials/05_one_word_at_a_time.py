# %% [markdown]
# # 05 One word at a time
#
# After this tutorial you can write the loop that makes a sentence (autoregressive decoding), and
# say what it throws away.
#
# Open `numpygit/model/generate.py` beside this file. We use the slow definition, `text.forward`,
# which reads everything anew for each word. Given a whole known text it scores all next words at
# once, as in training (teacher forcing). Tutorial 06 makes it fast.

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
assert (vocabulary.start_id, vocabulary.end_id) == (2, 3)

# %% [markdown]
# ## Words are numbers
# The vocabulary has 154 entries. Text becomes ids and comes back. What is no word is spelt.

# %%
assert len(params.word_embedding) == 154
assert vocabulary.encode("an orange fish") == [80, 127, 136]
assert vocabulary.decode([80, 127, 136]) == "an orange fish"
pieces = [vocabulary.tokenizer.id_to_token(i) for i in vocabulary.encode("rain")]
assert pieces == ["r", "##a", "##i", "##n"]
print(f"{len(params.word_embedding) = }")
print(f'{vocabulary.encode("an orange fish") = }')

# %% [markdown]
# ## The loop
# Begin with the start token, 2. Read; take the likeliest next word; append it; read again. Stop
# when the likeliest word is the end token, 3. This is all there is to greedy search.

# %%
ids, history = np.array([[2]]), []
while ids[0, -1] != 3:
    logits, _ = text.forward(memory, ids, params, config=config)
    history.append(logits[0, -1])
    ids = np.append(ids, [[logits[0, -1].argmax()]], axis=1)
assert vocabulary.decode(ids[0].tolist()) == "an orange fish in front of a green boat"
assert ids[0, 0] == 2
print(f"{vocabulary.decode(ids[0].tolist()) = }")
print(f"{ids[0, 0] = :d}")

# %% [markdown]
# ![The logits of each step, a row a word; the chosen one is orange](pictures/05_logits.png)
#
# 10 rows, one a word; 154 columns, one for each entry of the vocabulary. Bright is likely.

# %%
table = np.array(history)
assert table.shape == (10, 154)
light = ((table - table.min()) / (table.max() - table.min()) * 255).astype(np.uint8)
colours = np.stack([light] * 3, axis=2)
colours[np.arange(10), table.argmax(axis=1)] = (255, 140, 0)
shown = Image.fromarray(colours).resize((154 * 4, 10 * 12), Image.Resampling.NEAREST)
show(shown, "05_logits.png")
print(f"{table.shape = }")

# %% [markdown]
# ## The package says the same
# `steps` of the model gives the same ids and the same logits, up to rounding.

# %%
picture = EXAMPLES / "relation.png"
steps = list(storybook.model.steps(storybook.pixels(picture)))
assert len(steps) == 10
assert np.array_equal(steps[-1].ids, ids)
assert np.allclose([step.logits[0] for step in steps], table, atol=1e-4)
print(f"{len(steps) = }")

# %% [markdown]
# ## Greedy search needs no softmax
# Softmax keeps the order: the highest logit is the highest probability. Only who wants to know how
# sure the model is, or who draws words, needs it.

# %%
probabilities = layers.softmax(table)
assert np.array_equal(probabilities.argmax(axis=1), table.argmax(axis=1))
assert probabilities.max(axis=1).min() > 0.999  # on its own world the model is very sure
assert np.log(probabilities.max(axis=1)).sum() > -0.001
print(f"{probabilities.max(axis=1).min() = :.4g}")
print(f"{np.log(probabilities.max(axis=1)).sum() = :.4g}")

# %% [markdown]
# ## Surprise: nearly all results are thrown away
# `forward` makes logits for each of the 65 image tokens and for every word. The loop uses the last
# row only. In the last step that is 1 row of 75. `keep=1` computes only that one.

# %%
logits, _ = text.forward(memory, ids[:, :-1], params, config=config)
assert logits.shape == (1, 65 + 10, 154) == (1, 75, 154)
one, _ = text.forward(memory, ids[:, :-1], params, config=config, keep=1)
assert one.shape == (1, 1, 154)
assert np.allclose(one[0, 0], logits[0, -1], atol=1e-5)
print(f"{logits.shape = }")
print(f"{one.shape = }")

# %% [markdown]
# It goes further: the last layer need not think about any token but the last. The others are there
# to be looked at, so they give keys and values, and nothing else.

# %%
seen, last = {}, params.blocks[3]
text.forward(memory, ids[:, :-1], params, config=config, trace=seen.__setitem__)
x = seen["text.2.x"]
others = layers.keys_and_values(x[:, :-1], last.attention, heads=5)
settings = {"heads": 5, "eps": config.layer_norm_eps, "activation": "gelu"}
final, _ = text.block(x[:, -1:], last, context=others, **settings)
assert np.allclose(layers.linear(final, params.head), one, atol=1e-4)

# %% [markdown]
# ## All words at once
# When the words are known, as in training, one pass gives the prediction after every one of them.
# Each row's best word is the next word of the caption.

# %%
after_each_word = logits[0, 65:].argmax(axis=1)
assert np.array_equal(after_each_word, ids[0, 1:])
assert np.allclose(logits[0, 65:], table, atol=1e-4)

# %% [markdown]
# ## A word said cannot be taken back
# Begin the caption for the model, with something false. It must go on from there, and it cannot go
# back. After "five" it even loses its grammar.


# %%
def go_on(beginning):
    prompt = np.array([[2, *vocabulary.encode(beginning)]])
    *_, last = storybook.model.steps(storybook.pixels(picture), prompt)
    return vocabulary.decode(last.ids[0].tolist())


assert go_on("an orange cat") == "an orange cat in front of a green boat"
assert go_on("a green") == "a green fish in front of a green boat"
assert go_on("five") == "five big green boat in of a green boat"
print(f'{go_on("an orange cat") = }')
print(f'{go_on("a green") = }')

# %% [markdown]
# ## When does it stop?
# At the end token, or when the positions run out: the model has 32. The end token is a word like
# any other, and the model has learned when to say it.

# %%
assert len(params.position_embedding) == config.max_position_embeddings == 32
assert ids[0, -1] == 3
assert storybook.caption(picture, max_length=4) == "an orange fish"
print(f"{len(params.position_embedding) = }")
print(f"{ids[0, -1] = :d}")

# %% [markdown]
# ## Exercises
# **1.** The loop called `text.forward` ten times, with 66 tokens first and 75 last. How many
# tokens went through the text decoder in all?

# %%
yours = ...

# %%
solution = sum(65 + n for n in range(1, 11))
assert solution == sum(len(step.ids[0]) - 1 + 65 for step in steps)
assert yours is ... or yours == solution, f"expected {solution}, got {yours}"

# %% [markdown]
# **2.** Which word is the second-likeliest at the very beginning of the caption?

# %%
yours = ...

# %%
solution = vocabulary.decode([int(table[0].argsort()[-2])])
assert solution == "a"
assert yours is ... or yours == solution, f"expected {solution}, got {yours}"

# %% [markdown]
# **3.** Write a function that turns logits (V,) into log-probabilities.

# %%
yours = ...


# %%
def solution(logits):
    shifted = logits - logits.max()
    return shifted - np.log(np.exp(shifted).sum())


assert np.isclose(np.exp(solution(table[0])).sum(), 1)
assert np.allclose(np.exp(solution(table[0])), probabilities[0], atol=1e-6)
expected = solution(table[0])
assert yours is ... or np.allclose(yours(table[0]), expected, atol=1e-4), f"expected {expected}"

# %%
print("every claim of tutorial 05 holds")

# %% [markdown]
# # 09 Looking inside
#
# After this tutorial you can record any tensor, find the first one that is wrong, and tell what a
# picture's part is worth from where the model looks.
#
# Open `numpygit/trace.py` beside this file. The commands `numpygit trace`, `diff`, `step` and
# `explain` do the same for you; here we do it by hand.

# %%
import io
from dataclasses import replace

import numpy as np
from PIL import Image

import numpygit
from numpygit.inside.show import show
from numpygit.storybook import EXAMPLES
from numpygit.trace import TABLE, Printer, Recorder

# %%
storybook = numpygit.load("storybook")
model, vocabulary = storybook.model, storybook.processor.vocabulary
params, config, layers = model.params, model.config, numpygit.layers
pixels = storybook.pixels(EXAMPLES / "relation.png")
caption = "an orange fish in front of a green boat"
ids = np.array([[2, *vocabulary.encode(caption)]])
assert storybook.caption(EXAMPLES / "relation.png") == caption
print(f'{storybook.caption(EXAMPLES / "relation.png") = }')

# %% [markdown]
# ## The table
# Every tensor has a row: its name, its shape in letters, one sentence, the function that makes it,
# and the module of the official code whose output it equals. `{i}` is the number of the layer.

# %%
table = {row.name: row for row in TABLE}
row = table["text.{i}.weights"]
assert row.shape == "(B, N, T, S)"
assert row.function == "layers.attention"
print(f"{row.shape = }")
print(f"{row.function = }")

# %% [markdown]
# ## Recorder and Printer
# A recorder keeps what fits its patterns; `*` stands for anything. A printer writes a line for
# each.

# %%
recorder, page = Recorder("text.*.weights", "logits"), io.StringIO()
model.logits(ids, pixels, trace=recorder)
assert list(recorder.tensors) == [*(f"text.{i}.weights" for i in range(4)), "logits"]
model.logits(ids, pixels, trace=Printer("memory", to=page))
assert page.getvalue().startswith("memory")
assert "(1, 65, 160)" in page.getvalue()
print(f"{list(recorder.tensors) = }")
print(f"{page.getvalue() = }")

# %% [markdown]
# ## Your own observer
# Any function of a name and an array will do. This one looks for the largest number of the run: it
# is at the end of the vision encoder, whose stream grows (tutorial 03).

# %%
largest = {}


def find_largest(name, value):
    if np.isfinite(value).all():  # masks hold -inf
        largest[name] = np.abs(value).max()


model.logits(ids, pixels, trace=find_largest)
assert max(largest, key=largest.get).startswith("vision.3.")

# %% [markdown]
# ## The logit lens: a guess after every layer
# The head turns the last layer's token into a word. Nothing forbids to ask it earlier. While the
# model says its third word, it guesses "boat", then "bird", and only then "fish": that a thing
# must follow is clear at once, which thing comes later.

# %%
record = Recorder("word.2.text.*.x")
list(storybook.stream(EXAMPLES / "relation.png", trace=record))
tops = [layers.linear(x, params.text.head).argmax() for x in record.tensors.values()]
guesses = [vocabulary.decode([int(top)]) for top in tops]
assert guesses == ["boat", "bird", "fish", "fish"]
print(f"{guesses = }")

# %% [markdown]
# ## The first tensor that differs
# Somebody ports a model and transposes one matrix. Many tensors are wrong then. Only the first one
# matters: up to there, all is right.


# %%
def first_difference(other):
    right, wrong = {}, {}
    model.logits(ids, pixels, trace=right.__setitem__)
    other.logits(ids, pixels, trace=wrong.__setitem__)
    names = [name for name in right if not np.array_equal(right[name], wrong[name])]
    return names[0] if names else None


assert first_difference(numpygit.GitForCausalLM(config, params)) is None
print(f"{first_difference(numpygit.GitForCausalLM(config, params)) = }")

# %%
block = params.text.blocks[2]
value = replace(block.attention.value, weight=block.attention.value.weight.T.copy())
broken = replace(block, attention=replace(block.attention, value=value))
blocks = (*params.text.blocks[:2], broken, params.text.blocks[3])
text_params = replace(params.text, blocks=blocks)
ported = numpygit.GitForCausalLM(config, replace(params, text=text_params))
assert first_difference(ported) == "text.2.v"
print(f"{first_difference(ported) = }")

# %% [markdown]
# ## Surprise: a wrong model with four right captions
# Another porter takes `gelu` where the vision encoder wants `quick_gelu`. They differ by less than
# 0.021. All four examples get the right caption! Only the trace shows the mistake.

# %%
x = np.linspace(-8, 8, 1001, dtype=np.float32)
assert 0.020 < np.abs(layers.gelu(x) - layers.quick_gelu(x)).max() < 0.021
wrong_config = replace(config, vision_config=replace(config.vision_config, hidden_act="gelu"))
wrong = numpygit.GitForCausalLM(wrong_config, params)
assert first_difference(wrong) == "vision.0.activated"
print(f"{np.abs(layers.gelu(x) - layers.quick_gelu(x)).max() = :.4g}")
print(f"{first_difference(wrong) = }")

# %%
careless = numpygit.Captioner(wrong, storybook.processor, "careless")
examples = [EXAMPLES / f"{name}.png" for name in ("relation", "count", "row", "sign")]
assert careless.captions(examples) == storybook.captions(examples)
assert not np.allclose(wrong.logits(ids, pixels), model.logits(ids, pixels), atol=0.1)

# %% [markdown]
# ## What is a part of the picture worth?
# Hide a patch with a border around it, and see how much less likely "fish" becomes: all 64 as a
# batch. How wide the border is, and in which colour it is painted, are choices of ours.


# %%
def drops(border, colour, patches=range(64)):
    hidden = pixels.repeat(len(patches) + 1, axis=0)  # the last one stays whole
    for picture, patch in zip(hidden[:-1], patches, strict=True):
        top, left = patch // 8 * 12, patch % 8 * 12
        down = slice(max(0, top - border), top + 12 + border)
        picture[:, down, max(0, left - border) : left + 12 + border] = colour
    logits = model.logits(ids[:, :3].repeat(len(hidden), axis=0), hidden)[:, -1]
    fits = np.log(layers.softmax(logits)[:, vocabulary.encode("fish")[0]])
    return fits[-1] - fits[:-1]


drop = drops(6, pixels.mean())
assert drop.shape == (64,)
print(f"{drop.shape = }")

# %% [markdown]
# ## Looking is not needing
# The last layer gives patch 52 more than half of its attention. But hide that patch, exactly, and
# nothing happens: "fish" loses less than 0.02, in grey, black or white, because the rest of the
# fish is still there. With a border of 6 or 12 pixels there are drops of more than 5. Which window
# does the most harm depends on border and colour: around patch 53, 61 or 45, but never around 52.
# So attention says where a token looked; what it needed, experiments tell, and they too depend on
# what one takes away.

# %%
record = Recorder("text.3.weights")
model.logits(ids, pixels, trace=record)
attention = record.tensors["text.3.weights"][0, :, 65 + 2, 1:65].mean(axis=0)
assert attention.argmax() == 52
assert attention.max() > 0.5
colours = [pixels.mean(), pixels.min(), pixels.max()]  # grey, black, white
assert max(drops(0, colour, [52])[0] for colour in colours) < 0.02
print(f"{attention.argmax() = :d}")
print(f"{attention.max() = :.4g}")

# %%
others = [(6, colours[1]), (6, colours[2]), *((12, colour) for colour in colours)]
wide = [drop, *(drops(border, colour) for border, colour in others)]
assert len(wide) == len((6, 12)) * len(colours)
assert min(each.max() for each in wide) > 5
assert [int(each.argmax()) for each in wide] == [53, 61, 45, 45, 45, 45]
print(f"{min(each.max() for each in wide) = :.4g}")

# %%
maps = [attention / attention.max(), drop.clip(0) / drop.max()]
light = np.sqrt(np.concatenate([each.reshape(8, 8) for each in maps], axis=1))[..., None]
large = light.repeat(24, axis=0).repeat(24, axis=1) * 0.85 + 0.15
scene = np.tile(np.asarray(Image.open(EXAMPLES / "relation.png").resize((192, 192))), (1, 2, 1))
shown = Image.fromarray((large * scene).astype(np.uint8)).resize((288, 144))
assert light.shape == (8, 16, 1)
show(shown, "09_look_and_need.png")
print(f"{light.shape = }")

# %% [markdown]
# ## Exercises
# **1.** Which module of the official code makes what we call `projected`? Look it up in `table`.

# %%
yours = ...

# %%
solution = table["projected"].official
assert solution.startswith("git.visual_projection")
assert yours is ... or yours == solution, f"expected {solution}, got {yours}"

# %% [markdown]
# **2.** What does the lens say after each layer for the ninth word, whose names begin with
# `word.8`?

# %%
yours = ...

# %%
record = Recorder("word.8.text.*.x")
list(storybook.stream(EXAMPLES / "relation.png", trace=record))
tops = [layers.linear(x, params.text.head).argmax() for x in record.tensors.values()]
solution = [vocabulary.decode([int(top)]) for top in tops]
assert solution[-1] == "boat"
assert yours is ... or yours == solution, f"expected {solution}, got {yours}"

# %%
print("every claim of tutorial 09 holds")

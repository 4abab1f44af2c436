# %% [markdown]
# # 08 Questions and clips
#
# After this tutorial you can ask about a picture, feed a clip, and say where the model keeps time.
#
# Open `numpygit/model/vision.py` at `image_tokens` beside this file.

# %%
from dataclasses import replace

import numpy as np
from PIL import Image

import numpygit
from numpygit.huggingface.processing.video import read_clip
from numpygit.inside.show import show
from numpygit.model import layers, text, vision
from numpygit.storybook import EXAMPLES

# %%
storybook = numpygit.load("storybook", plain=True)
params, config = storybook.model.params, storybook.model.config
vocabulary, picture = storybook.processor.vocabulary, EXAMPLES / "relation.png"
assert storybook.answer(picture, "what color is the boat?") == "green"
assert storybook.answer(picture, "what is in front of the boat?") == "an orange fish"
assert storybook.answer(picture, "is there a cat?") == "no"
print(f'{storybook.answer(picture, "what color is the boat?") = }')
print(f'{storybook.answer(picture, "what is in front of the boat?") = }')

# %% [markdown]
# ## A question is the beginning of a text
# There is no special input for questions. The model has learned texts of the form "question
# answer". So the question goes in as if the model had said it, after the start token 2 and without
# an end token, and the answer is what comes next.

# %%
question = "what color is the boat?"
prompt = storybook.processor.prompt(question)
assert prompt.tolist() == [[2, *vocabulary.encode(question)]]
assert prompt[0, -1] != vocabulary.end_id
*_, last = storybook.model.steps(storybook.pixels(picture), prompt)
assert vocabulary.decode(last.ids[0].tolist()) == "what color is the boat? green"
print(f"{prompt.tolist() = }")
print(f"{prompt[0, -1] = :d}")

# %% [markdown]
# ## Many questions, one look
# `prefill` computes the picture's keys and values. All questions use them. The vision encoder runs
# once, and not at all for a question.

# %%
cache, names = storybook.prefill(picture), []
questions = ["is it day or night?", "how many animals are there?", "is there a cat?"]
assert storybook.answers(cache, questions) == ["day", "one", "no"]
list(storybook.stream(cache, questions[0], trace=lambda name, value: names.append(name)))
assert "word.0.text.0.q" in names
assert not any("vision" in name for name in names)
print(f"{storybook.answers(cache, questions) = }")

# %% [markdown]
# ## It believes what you ask
# Ask for the color of a cat that is not there. In training every such question was about a thing
# in the picture. The model knows that there is no cat, and yet it answers "zero", which is no
# color.

# %%
assert storybook.answer(cache, "is there a cat?") == "no"
assert storybook.answer(cache, "what color is the cat?") == "zero"
print(f'{storybook.answer(cache, "is there a cat?") = }')
print(f'{storybook.answer(cache, "what color is the cat?") = }')

# %% [markdown]
# ## A clip
# Four pictures in their order. Each is encoded alone, as a still of 65 tokens. Then each frame gets
# its own temporal embedding, added to all of its tokens, and the frames stand in one row: 260
# tokens.

# %%
frames = read_clip(EXAMPLES / "clip.gif", 4)
pixels = storybook.pixels(frames)
assert pixels.shape == (1, 4, 3, 96, 96)
tokens = vision.image_tokens(pixels, params.vision, config=config.vision_config)
assert tokens.shape == (1, 4 * 65, 160) == (1, 260, 160)
print(f"{pixels.shape = }")
print(f"{tokens.shape = }")

# %%
for i in range(4):
    still = vision.image_tokens(pixels[:, i], params.vision, config=config.vision_config)
    time = params.vision.temporal_embedding[i]
    assert np.allclose(still[0] + time, tokens[0, i * 65 : i * 65 + 65], atol=1e-4)

# %% [markdown]
# ## Play it backwards
# Nothing else knows of time: there is no motion anywhere in the vision encoder. But the words see
# all frames, and which is which. So the clip played backwards moves the other way.

# %%
assert storybook.caption(frames) == "a red bird moves to the right"
assert storybook.caption(frames[::-1]) == "a red bird moves to the left"
assert storybook.answer(frames, "does the bird move?") == "yes"
print(f"{storybook.caption(frames) = }")
print(f"{storybook.caption(frames[::-1]) = }")

# %% [markdown]
# ## Surprise: four small vectors are the model's whole sense of time
# Set them to zero: 4 x 160 numbers of 2636154. The words see the same frames, but as a heap, not
# as a row: forwards and backwards give the same logits. The bird is still red. It moves no more.

# %%
zeros = np.zeros_like(params.vision.temporal_embedding)
timeless = replace(params, vision=replace(params.vision, temporal_embedding=zeros))
still_life = numpygit.Captioner(
    numpygit.GitForCausalLM(config, timeless), storybook.processor, "timeless"
)
assert zeros.shape == (4, 160)
assert still_life.caption(frames) == still_life.caption(frames[::-1]) == "a red bird"
print(f"{zeros.shape = }")
print(f"{still_life.caption(frames) = }")

# %%
start = np.array([[2]])
forwards = still_life.model.logits(start, pixels)[0, -1]
backwards = still_life.model.logits(start, pixels[:, ::-1])[0, -1]
assert np.allclose(forwards, backwards, atol=1e-4)
shapes = numpygit.loading.tensor_shapes(config).values()
assert sum(int(np.prod(shape)) for shape in shapes) == 2636154
print(f"{sum(int(np.prod(shape)) for shape in shapes) = }")

# %% [markdown]
# ## A still is not a clip of one frame
# A still gets no temporal embedding. One frame, given as a clip, gets the first one, and the model
# begins to tell what happens, though nothing does.

# %%
assert storybook.caption(frames[0]) == "a red bird"
assert storybook.caption(frames[:1]) == "a red bird turns red"
one = vision.image_tokens(pixels[:, :1], params.vision, config=config.vision_config)
alone = vision.image_tokens(pixels[:, 0], params.vision, config=config.vision_config)
assert np.allclose(one - alone, params.vision.temporal_embedding[0], atol=1e-5)
print(f"{storybook.caption(frames[0]) = }")
print(f"{storybook.caption(frames[:1]) = }")

# %% [markdown]
# ## Where does a word look in a clip?
# Where the last layer looks when it is about to say "right": most at the last frame. From the
# second frame on, the brightest patch moves to the right, with the bird: it stands in columns 3, 4
# and 5.

# %%
memory = text.project(tokens, params.text, eps=config.vision_config.layer_norm_eps)
ids, trace = np.array([[2, *vocabulary.encode("a red bird moves to the")]]), {}
logits, _ = text.forward(memory, ids, params.text, config=config, trace=trace.__setitem__)
assert vocabulary.decode([int(logits[0, -1].argmax())]) == "right"
looks = trace["text.3.weights"][0, :, -1, :260].mean(axis=0).reshape(4, 65)
assert looks.sum(axis=1).argmax() == 3
columns = (looks[:, 1:].argmax(axis=1) % 8).tolist()
assert columns[1:] == [3, 4, 5]
print(f"{vocabulary.decode([int(logits[0, -1].argmax())]) = }")
print(f"{looks.sum(axis=1).argmax() = :d}")

# %%
tiles = []
for frame, look in zip(frames, looks[:, 1:], strict=True):
    light = np.sqrt(look / looks[:, 1:].max()).reshape(8, 8, 1)
    large = light.repeat(12, axis=0).repeat(12, axis=1) * 0.8 + 0.2
    tiles.append(large * np.asarray(frame.resize((96, 96))))
sheet = Image.fromarray(np.concatenate(tiles, axis=1).astype(np.uint8))
assert sheet.size == (4 * 96, 96)
show(sheet, "08_frames.png")
print(f"{sheet.size = }")

# %% [markdown]
# ## Which frames does a word need?
# Looking does not tell. Take frames away: the memory without their tokens, the others with the
# times that they had. Without any one of the first three, "right" keeps more than 0.99 of the
# probability; without the last it has less than 0.3. The first and the last alone are enough. The
# last alone is not: less than 0.01, because a movement needs two places.


# %%
def chance_of_right(*kept):
    parts = [memory[:, i * 65 : i * 65 + 65] for i in kept]
    logits, _ = text.forward(np.concatenate(parts, axis=1), ids, params.text, config=config)
    return layers.softmax(logits[0, -1])[vocabulary.encode("right")[0]]


assert min(chance_of_right(1, 2, 3), chance_of_right(0, 2, 3), chance_of_right(0, 1, 3)) > 0.99
assert chance_of_right(0, 1, 2) < 0.3
assert chance_of_right(0, 3) > 0.99
assert chance_of_right(3) < 0.01
print(f"{chance_of_right(0, 1, 2) = :.4g}")
print(f"{chance_of_right(0, 3) = :.4g}")

# %% [markdown]
# ## Exercises
# **1.** How many tokens does the text decoder see when it is asked "is it day or night?" about a
# clip of three frames? Do not forget the start token.

# %%
yours = ...

# %%
solution = 3 * 65 + 1 + len(vocabulary.encode("is it day or night?"))
asked = storybook.processor.prompt("is it day or night?")
assert storybook.model.logits(asked, pixels[:, :3]).shape[1] == solution
assert yours is ... or yours == solution, f"expected {solution}, got {yours}"

# %% [markdown]
# **2.** What does the model say about the clip if it sees only its last two frames, in reverse
# order?

# %%
yours = ...

# %%
solution = storybook.caption([frames[3], frames[2]])
assert solution.startswith("a red bird")
assert yours is ... or yours == solution, f"expected {solution}, got {yours}"

# %%
print("every claim of tutorial 08 holds")

"""Mistakes of porters that nobody had seen when the causes of `diff` were written.

As in `port_mistakes.py`: a tensor where the two programs part, words of which one must be in the
cause. They were written all at once, before `diff` was asked about any of them. Half of them, chosen
by a checksum of the title, was kept aside while causes were written for the others: `is_aside`.
"""

from __future__ import annotations

import io
import zlib

import numpy as np
from PIL import Image
from port import V, Weights
from port_mistakes import (
    MEAN,
    STD,
    Mistake,
    colours,
    head_with,
    linear_with,
    mlp_with,
    one_norm,
    part_without_bias,
    picture_layers,
    pixels,
    plain_end,
    plain_middle,
    right,
    rotate,
    text_block_with,
    text_end,
    text_middle,
    times_with,
    vision_block_with,
)

Array = np.ndarray


def is_aside(title: str) -> bool:
    return zlib.crc32(title.encode()) % 2 == 0


# ---------------------------------------------------------------- the picture, prepared otherwise


def wide_picture() -> Image.Image:
    """A picture that is not square, and not of the model's size."""
    from numpygit.storybook import EXAMPLES

    return Image.open(EXAMPLES / "sign.png").convert("RGB").resize((240, 150))


def prepared(array: Array) -> Array:
    """(H, W, C), 0 to 255 -> (1, C, H, W)."""
    share = np.moveaxis(np.asarray(array, np.float32) / np.float32(255), -1, 0)
    return ((share - MEAN) / STD)[None].astype(np.float32)


def in_place_of(make) -> dict:
    return {"logits": lambda self, x, ids: right("logits")(self, prepared(make()), ids)}


def middle(array: Array, by: int = 0) -> Array:
    top, left = (array.shape[0] - 96) // 2, (array.shape[1] - 96) // 2 + by
    return array[top : top + 96, left : left + 96]


def short_96(method: Image.Resampling = Image.Resampling.BICUBIC) -> Array:
    return np.asarray(wide_picture().resize((153, 96), method))


def two_taps() -> Array:
    """Bilinear between pixel centres, as a shader does it."""
    x = np.asarray(wide_picture(), np.float64)
    rows = np.clip((np.arange(96) + 0.5) * 150 / 96 - 0.5, 0, 149)
    columns = np.clip((np.arange(153) + 0.5) * 240 / 153 - 0.5, 0, 239)
    for axis, at in ((0, rows), (1, columns)):
        low = np.floor(at).astype(int)
        high = np.minimum(low + 1, x.shape[axis] - 1)
        part = (at - low).reshape([-1 if i == axis else 1 for i in range(3)])
        x = np.take(x, low, axis) * (1 - part) + np.take(x, high, axis) * part
    return middle(x)


def letterbox(colour: tuple[float, float, float]) -> Array:
    whole = np.empty((96, 96, 3))
    whole[:] = colour
    whole[18:78] = np.asarray(wide_picture().resize((96, 60), Image.Resampling.BICUBIC))
    return whole


def as_jpeg() -> Array:
    file = io.BytesIO()
    wide_picture().save(file, "JPEG", quality=75)
    return middle(np.asarray(Image.open(file).resize((153, 96), Image.Resampling.BICUBIC)))


def in_two_steps() -> Array:
    once = wide_picture().resize((192, 120), Image.Resampling.BICUBIC)
    return middle(np.asarray(once.resize((153, 96), Image.Resampling.BICUBIC)))


# ---------------------------------------------------------------- numbers


def steps_of_15(w: Array) -> Array:
    step = np.abs(w).max(axis=1, keepdims=True) / 7
    return (np.rint(w / step) * step).astype(np.float32)


def tf32(x: Array) -> Array:
    """Ten bits behind the point."""
    bits = np.ascontiguousarray(x, np.float32).view(np.uint32).astype(np.uint64)
    rounded = (bits + 0x0FFF + ((bits >> 13) & 1)) & 0xFFFFE000
    return rounded.astype(np.uint32).view(np.float32)


# ---------------------------------------------------------------- attention


def ten_heads(self, x, ids):
    self.w = Weights(self.w.of, 10, self.w.patch)
    return right("logits")(self, x, ids)


def head_2_lost(self, weights, v):
    z = right("mix")(self, weights, v)
    z[:, :, 2] = 0
    return z


def best_eight(self, scores):
    weights = right("softmax")(self, scores)
    least = np.sort(weights, axis=-1)[..., -8:-7]
    return np.where(weights >= least, weights, 0)


def no_look_at_class(self, x, tower, i, keep):
    if tower == "vision":
        keep = np.ones((len(x), len(x)), bool)
        keep[:, 0] = False
    return right("attention")(self, x, tower, i, keep)


def neighbours_only(self, x, tower, i, keep):
    if tower == "vision":
        place = np.arange(len(x))
        keep = np.abs(place[:, None] - place) <= 8
    return right("attention")(self, x, tower, i, keep)


def clipped(self, scores, keep):
    return right("masked")(self, np.clip(scores, -2, 2), keep)


def apart(self, scores):
    """Pictures and words have a softmax each; where there are no words, it is the usual one."""
    S = scores.shape[-1]
    if S == 65:
        return right("softmax")(self, scores)
    parts = [right("softmax")(self, scores[..., :65]), right("softmax")(self, scores[..., 65:])]
    return np.concatenate(parts, axis=-1) / 2


def unit_heads(self, q, k, tower):
    def unit(x):
        rest = x - x.mean(-1, keepdims=True)
        return (rest / np.sqrt(x.var(-1, keepdims=True) + 1e-6)).astype(np.float32)

    return unit(q), unit(k)


# ---------------------------------------------------------------- blocks


def places_in_every_layer(self, x, i):
    if self.number:
        x = x + self.picture_positions()[:, None]
    return right("vision_block")(self, x, i)


def active_behind(self, x, name):
    out = right("named_linear")(self, x, name)
    return self.act_vision(out) if name.endswith("mlp.fc2") else out


def half_of_hidden(self, x, name):
    if name.endswith("mlp.fc2"):
        x = x.copy()
        x[..., x.shape[-1] // 2 :] = 0
    return right("named_linear")(self, x, name)


def no_norm_for_class(self, x):
    return np.concatenate([x[:1], right("before_layers")(self, x)[1:]])


def two_groups(self, x, weight, bias, eps):
    halves = x.reshape(*x.shape[:-1], 2, -1)
    rest = halves - halves.mean(-1, keepdims=True)
    normed = rest / np.sqrt(halves.var(-1, keepdims=True) + eps)
    return normed.reshape(x.shape) * weight + bias


def memory_stays(self, x, i, keep):
    """Image tokens are keys and values in every layer as they came, as in cross-attention."""
    self.first = x[:65] if self.number == 0 else self.first
    out = right("text_block")(self, x, i, keep)
    return np.concatenate([self.first, out[65:]])


def wrong_tanh(x):
    return 0.5 * x * (1 + np.tanh(np.sqrt(2 / np.pi) * (x + 0.44715 * x**3)))


# ---------------------------------------------------------------- both ends


def timed_memory(self, tokens):
    """The times of frames are added behind the projection."""
    frames = len(tokens) // 65
    memory = right("project")(self, tokens)
    times = np.repeat(self.times(frames), 65, axis=0)[:, None]
    return memory + times


def normed_before_projection(self, tokens):
    normed = self.named_norm(tokens, "git.visual_projection.visual_projection.1", 1e-5)
    x = self.named_linear(normed, "git.visual_projection.visual_projection.0")
    self.dumped["projected"] = x
    return x


def without_last_token(self, tokens):
    return right("project")(self, tokens[:-1])


def every_second_place(self, ids):
    words = self.w["git.embeddings.word_embeddings.weight"][ids.T]
    places = self.w["git.embeddings.position_embeddings.weight"][: 2 * ids.shape[1] : 2][:, None]
    self.dumped["text.hook_embed"] = words
    self.dumped["text.hook_pos_embed"] = np.broadcast_to(places, words.shape)
    return self.named_norm(words + places, "git.embeddings.LayerNorm", 1e-12)


def no_start(self, M, T):
    keep = right("keep")(self, M, T).copy()
    keep[M + 1 :, M] = False
    return keep


def last_layer_again(self):
    return [*right("picture_layers")(self), 3]


def reversed_head(self, x, name):
    return right("named_linear")(self, x[..., ::-1] if name == "output" else x, name)


NEW = [
    Mistake("picture resized between pixel centres", "pixels", ("bilinear",), in_place_of(two_taps), "wide"),
    Mistake("picture resized by Lanczos", "pixels", ("lanczos",), in_place_of(lambda: middle(short_96(Image.Resampling.LANCZOS))), "wide"),
    Mistake("picture resized by the mean of areas", "pixels", ("box", "area"), in_place_of(lambda: middle(short_96(Image.Resampling.BOX))), "wide"),
    Mistake("picture squashed", "pixels", ("squashed",), in_place_of(lambda: np.asarray(wide_picture().resize((96, 96), Image.Resampling.BICUBIC))), "wide"),
    Mistake("picture not resized, its middle cut out", "pixels", ("not resized",), in_place_of(lambda: middle(np.asarray(wide_picture()))), "wide"),
    Mistake("picture in a grey frame", "pixels", ("filled up",), in_place_of(lambda: letterbox((128, 128, 128))), "wide"),
    Mistake("picture in a frame of the mean colour", "pixels", ("filled up",), in_place_of(lambda: letterbox(tuple(255 * MEAN.ravel()))), "wide"),
    Mistake("picture saved as JPEG before", "pixels", ("JPEG",), in_place_of(as_jpeg), "wide"),
    Mistake("picture resized in two steps", "pixels", ("two steps",), in_place_of(in_two_steps), "wide"),
    Mistake("picture cut one pixel to the right", "pixels", ("pixel",), in_place_of(lambda: middle(short_96(), 1)), "wide"),
    Mistake("mean not divided by 255 with the rest", "pixels", ("mean",), pixels(lambda x: (colours(x) - MEAN / 255) / STD)),
    Mistake("colours rolled: green, blue, red", "pixels", ("colours", "green"), pixels(lambda x: (np.roll(colours(x), -1, axis=1) - MEAN) / STD)),
    Mistake("each colour by the picture's own mean and std", "pixels", ("of the picture", "own"), pixels(lambda x: (x - x.mean((2, 3), keepdims=True)) / x.std((2, 3), keepdims=True))),
    Mistake("pixels clipped to -1 and 1", "pixels", ("clip", "between"), pixels(lambda x: np.clip(x, -1, 1))),
    Mistake("picture shifted by a pixel", "pixels", ("shift", "pixel"), pixels(lambda x: np.roll(x, 1, axis=-1))),
    Mistake("the red channel three times", "pixels", ("red",), pixels(lambda x: (np.repeat(colours(x)[:, :1], 3, axis=1) - MEAN) / STD)),
    Mistake("picture turned by a quarter", "pixels", ("turned", "quarter"), pixels(lambda x: np.rot90(x, axes=(2, 3)).copy())),
    Mistake("ten heads of half the width", "vision.0.q", ("10 heads",), {"logits": ten_heads}),
    Mistake("the scale of heads 64 wide", "vision.0.scores", ("0.125", "64", "times 0.7"), {"scale": lambda s, A, D: 0.125}),
    Mistake("a head gives nothing", "vision.0.mixed", ("head 2",), {"mix": head_2_lost}),
    Mistake("heads divided by their number", "vision.0.mixed", ("times 0.2", "number of heads"), {"mix": lambda s, w, v: right("mix")(s, w, v) / np.float32(5)}),
    Mistake("the eight best keys alone", "vision.0.weights", ("best", "largest", "top"), {"softmax": best_eight}),
    Mistake("nobody looks at the class token", "vision.0.scores", ("class token",), {"attention": no_look_at_class}),
    Mistake("patches look at neighbours only", "vision.0.scores", ("window", "neighbour"), {"attention": neighbours_only}),
    Mistake("scores clipped", "vision.0.scores", ("clip", "between"), {"masked": clipped}),
    Mistake("pictures and words have a softmax each", "text.0.weights", ("apart", "each"), {"softmax": apart}),
    Mistake("queries and keys normalised in each head", "vision.0.q", ("each head",), {"turn": unit_heads}),
    Mistake("the last layer twice", "vision.image_tokens", ("once more", "twice"), {"picture_layers": last_layer_again}),
    Mistake("positions added in every layer", "vision.1.attention_input", ("positions",), {"vision_block": places_in_every_layer}),
    Mistake("activation behind the MLP too", "vision.0.thought", ("gelu", "activation"), {"named_linear": active_behind}),
    Mistake("half of the MLP", "vision.0.thought", ("half",), {"named_linear": half_of_hidden}),
    Mistake("class token not normalised at first", "vision.x", ("class token",), {"before_layers": no_norm_for_class}),
    Mistake("normalised in two groups", "vision.x", ("groups",), {"norm": two_groups}),
    Mistake("tanh gelu with a slip in its factor", "text.0.activated", ("0.44715", "gelu_new"), mlp_with(wrong_tanh, "text")),
    Mistake("attention times 0.3", "vision.0.after_attention", ("0.3",), vision_block_with(lambda x, n, o: x + np.float32(0.3) * o, plain_end)),
    Mistake("MLP times 1.5", "vision.0.x", ("1.5",), vision_block_with(plain_middle, lambda b, n, o, x: b + np.float32(1.5) * o)),
    Mistake("text: residual times 1.6, as in DeepNorm", "text.0.after_attention", ("residual", "1.6"), text_block_with(lambda n, x, o: n(np.float32(1.6) * x + o), text_end)),
    Mistake("text: the MLP normalised before and after", "text.0.x", ("once more", "normalised"), text_block_with(text_middle, lambda n, b, o, x: n(b + n(o)))),
    Mistake("weights in 4 bits", "vision.0.q", ("4 bits", "int4"), linear_with(weight=steps_of_15)),
    Mistake("products of ten bits, as TF32", "vision.0.q", ("TF32",), linear_with(tf32, tf32)),
    Mistake("words look at image tokens of the start", "text.0.x", ("image tokens",), {"text_block": memory_stays}),
    Mistake("epsilon 1e-3 in the text decoder", "text.0.after_attention", ("1e-03",), {"named_norm": lambda s, x, n, e: right("named_norm")(s, x, n, 1e-3 if "git.encoder" in n else e)}),
    Mistake("times behind the projection", "clip_tokens", ("times",), {"project": timed_memory, **times_with(lambda s, tokens, times: tokens)}, "clip"),
    Mistake("times halved", "clip_tokens", ("0.5", "halved"), times_with(lambda s, tokens, times: [t + x / 2 for t, x in zip(tokens, times, strict=True)]), "clip"),
    Mistake("the two middle frames exchanged", "clip_tokens", ("frames",), {"join_frames": lambda s, tokens: np.concatenate([tokens[i] for i in (0, 2, 1, 3)])}, "clip"),
    Mistake("projection's normalisation before it", "projected", ("normalis",), {"project": normed_before_projection}),
    Mistake("the last image token dropped", "projected", ("last", "dropped"), {"project": without_last_token}),
    Mistake("every second position", "place_vectors", ("second", "2"), {"embed_words": every_second_place}),
    Mistake("words do not see the start token", "text.mask", ("start", "first word"), {"keep": no_start}),
    Mistake("logits divided by a temperature of 0.7", "logits", ("1.429", "0.7"), head_with(lambda s, x, logits: logits / np.float32(0.7))),
    Mistake("logits capped at 15", "logits", ("cap", "tanh"), head_with(lambda s, x, logits: (15 * np.tanh(logits / 15)).astype(np.float32))),
    Mistake("the head reads vectors in reverse", "logits", ("reverse",), {"named_linear": reversed_head}),
    Mistake("bias of fc2 missing", "vision.0.thought", ("bias",), part_without_bias("fc2")),
    Mistake("second text layer twice, the third left out", "text.2.q", ("layer 1",), {"text_layers": lambda s: [0, 1, 1, 3]}),
    Mistake("scale of norms 1 in the last layer", "vision.3.mlp_input", ("without the scale",), one_norm("layers.3.layer_norm2", lambda s, x, w, b, e: right("norm")(s, x, np.float32(1), b, e))),
    Mistake("picture layers in pairs exchanged", "vision.0.attention_input", ("layer 1",), picture_layers(1, 0, 3, 2)),
]  # fmt: skip


# ---------------------------------------------------------------- a second batch, after the first


def own_range(x):
    share = colours(x)
    low, high = share.min(), share.max()
    return ((share - low) / (high - low) - MEAN) / STD


def coarse_places(self):
    """Positions of a grid of 4 x 4, each for four patches."""
    places = right("picture_places")(self)
    grid = places[1:].reshape(4, 2, 4, 2, -1).mean(axis=(1, 3))
    return np.concatenate([places[:1], grid.repeat(2, 0).repeat(2, 1).reshape(64, -1)])


def place_of_class_everywhere(self):
    places = right("picture_places")(self)
    return places + places[:1]


def by_absolute(self, x, weight, bias, eps):
    rest = x - x.mean(-1, keepdims=True)
    return rest / (np.abs(rest).mean(-1, keepdims=True) + eps) * weight + bias


def by_highest(self, x, weight, bias, eps):
    rest = x - x.mean(-1, keepdims=True)
    return rest / np.abs(rest).max(-1, keepdims=True) * weight + bias


def random_norm(self, x, weight, bias, eps):
    rng = np.random.default_rng(3)
    scale = rng.normal(1, 0.3, weight.shape).astype(np.float32)
    return right("norm")(self, x, scale, bias * 0 + np.float32(0.1), eps)


def prompt_both_ways(self, M, T):
    keep = right("keep")(self, M, T).copy()
    keep[M : M + 3, M : M + 3] = True
    return keep


def half_of_the_picture(self, M, T):
    keep = right("keep")(self, M, T).copy()
    keep[M:, M // 2 : M] = False
    return keep


def squares_without_class(self, M, T):
    keep = right("keep")(self, M, T).copy()
    keep[1:M, 0] = False
    return keep


def values_late(self, weights, v):
    return right("mix")(self, weights, np.roll(v, 1, axis=1))


def with_segment(self, memory, words):
    vector = self.w["git.embeddings.word_embeddings.weight"][7]
    return np.concatenate([memory + vector, words])


def three_decimals(w):
    return np.round(w, 3).astype(np.float32)


def inputs_in_8_bits(x):
    step = np.abs(x).max() / 127
    return (np.rint(x / step) * step).astype(np.float32)


def mlp_first(self, x, i):
    at, where = f"vision.blocks.{self.number}.", f"{V}encoder.layers.{i}."
    normed = self.named_norm(x, f"{where}layer_norm2", 1e-5)
    self.dumped[f"{at}ln2.hook_normalized"] = normed
    x = x + self.mlp(normed, "vision", i)
    normed = self.named_norm(x, f"{where}layer_norm1", 1e-5)
    self.dumped[f"{at}ln1.hook_normalized"] = normed
    return x + self.attention(normed, "vision", i, None)


def norms_of_the_other_tower(self, x, name, eps):
    if "encoder.layer." in name and name.endswith("attention.output.LayerNorm"):
        name = f"{V}encoder.layers.{self.number}.layer_norm1"
    return right("named_norm")(self, x, name, eps)


def biases_for_words_alone(self, x, weight, bias):
    out = right("linear")(self, x, weight, bias)
    if len(x) > 65 and weight.shape[0] == 3 * weight.shape[1]:
        out[:65] -= bias
    return out


LATER = [
    Mistake("gamma of 2.2 undone", "pixels", ("gamma",), pixels(lambda x: (colours(x).clip(0, 1) ** 2.2 - MEAN) / STD)),
    Mistake("stretched to the picture's own range", "pixels", ("own", "of the picture", "plus"), pixels(own_range)),
    Mistake("pixels in bfloat16", "pixels", ("bfloat16",), pixels(lambda x: np.ascontiguousarray((x.view(np.uint32) & 0xFFFF0000).view(np.float32)))),
    Mistake("positions of a coarser grid", "vision.embedded", ("grid", "coarse", "interpolated"), {"picture_places": coarse_places}),
    Mistake("the class token's position for all as well", "vision.embedded", ("class token", "same vector", "first position"), {"picture_places": place_of_class_everywhere}),
    Mistake("mean absolute deviation for the standard one", "vision.x", ("absolute",), {"norm": by_absolute}),
    Mistake("divided by the highest", "vision.0.attention_input", ("highest", "largest"), one_norm("layer_norm1", by_highest)),
    Mistake("a normalisation that was never trained", "text.1.after_attention", ("scale", "parameters"), one_norm("layer.1.attention.output.LayerNorm", random_norm)),
    Mistake("the prompt sees itself both ways", "text.mask", ("both ways", "first 3", "ahead"), {"keep": prompt_both_ways}),
    Mistake("words see half of the picture", "text.mask", ("half", "32", "first"), {"keep": half_of_the_picture}),
    Mistake("patches do not see the class token", "text.mask", ("class token", "S (keys)"), {"keep": squares_without_class}),
    Mistake("values one token late", "vision.0.mixed", ("token before", "rolled", "shifted"), {"mix": values_late}),
    Mistake("a vector for the picture's segment", "text.x", ("vector",), {"sequence": with_segment}),
    Mistake("weights with three decimals", "vision.0.q", ("decimals",), linear_with(weight=three_decimals)),
    Mistake("inputs in 8 bits", "vision.0.q", ("8 bits", "int8"), linear_with(x=inputs_in_8_bits)),
    Mistake("the MLP before attention", "vision.0.attention_input", ("MLP first", "before attention", "order"), {"vision_block": mlp_first}),
    Mistake("normalisations of the other tower", "text.0.after_attention", ("other tower", "vision encoder"), {"named_norm": norms_of_the_other_tower}),
    Mistake("biases for words alone", "text.0.q", ("image tokens", "bias"), {"linear": biases_for_words_alone}),
    Mistake("scores of the word before in the vocabulary", "logits", ("rolled", "row"), head_with(lambda s, x, logits: np.roll(logits, 1, axis=-1))),
    Mistake("values scaled as queries are", "vision.0.mixed", ("0.1768", "1/sqrt(A)"), {"mix": lambda s, w, v: right("mix")(s, w, v / np.float32(32**0.5))}),
    Mistake("bias of the head left out for the first half", "logits", ("half", "bias", "V (the vocabulary)"), head_with(lambda s, x, logits: logits - np.where(np.arange(154) < 77, s.w["output.bias"], 0).astype(np.float32))),
    Mistake("frames turned around in time, the last one missing", "clip_tokens", ("frames",), {"join_frames": lambda s, tokens: np.concatenate([*tokens[2::-1], tokens[2]])}, "clip"),
]  # fmt: skip


# ---------------------------------------------------------------- a third batch, after the second


def rope_with(base: float = 10000.0, part: float = 1.0, keys: bool = True):
    def turn(self, q, k, tower):
        def turned(x):
            width = int(x.shape[-1] * part)
            return np.concatenate(
                [rotate(x[..., :width], halves=True, base=base), x[..., width:]], -1
            )

        return (turned(q), turned(k) if keys else k) if tower == "text" else (q, k)

    return {"turn": turn}


def times_interleaved(self, tokens, times):
    """Each token gets the time of its position modulo the number of frames."""
    places = np.arange(len(tokens[0]))
    return [t + times[places % len(times)][:, None] for t in tokens]


def first_rows(self, pixels, ids):
    logits = right("logits")(self, pixels, ids)
    x = self.dumped["text.blocks.3.hook_normalized_resid_post"]
    logits = self.head(x)[: ids.shape[1]].swapaxes(0, 1)
    self.dumped["logits"] = logits
    return logits


def one_map_for_all_heads(self, scores, keep):
    return right("masked")(self, np.broadcast_to(scores.mean(1, keepdims=True), scores.shape), keep)


def unit_keys(self, q, k, tower):
    return q, (k / np.sqrt((k * k).sum(-1, keepdims=True))).astype(np.float32)


def two_heads_lost(self, weights, v):
    z = right("mix")(self, weights, v)
    z[:, :, [1, 3]] = 0
    return z


def keys_of_layer_0(self, qkv):
    q, k, v = right("cut")(self, qkv)
    self.first = (k, v) if self.number == 0 else self.first
    return q, *self.first


def no_top_row(self, M, T):
    keep = right("keep")(self, M, T).copy()
    keep[M:, 1:9] = False
    return keep


def far_is_less(self, scores, keep):
    if keep is None:
        place = np.arange(scores.shape[-1])
        scores = scores - np.float32(0.05) * np.abs(place[:, None] - place)
    return right("masked")(self, scores, keep)


def e4m3(x):
    _, power = np.frexp(x)
    step = np.exp2(np.maximum(power - 1, -6) - 3)
    return (np.rint(x / step) * step).astype(np.float32)


def normed_at_the_end(self, x, i):
    out = right("vision_block")(self, x, i)
    return self.named_norm(out, f"{V}post_layernorm", 1e-5)


def last_words_unknown(self, ids):
    words = self.w["git.embeddings.word_embeddings.weight"][ids.T].copy()
    words[-2:] = self.w["git.embeddings.word_embeddings.weight"][1]
    places = self.w["git.embeddings.position_embeddings.weight"][: ids.shape[1]][:, None]
    self.dumped["text.hook_embed"] = words
    self.dumped["text.hook_pos_embed"] = np.broadcast_to(places, words.shape)
    return self.named_norm(words + places, "git.embeddings.LayerNorm", 1e-12)


LAST = [
    Mistake("rotary positions for queries alone", "text.0.q", ("RoPE",), rope_with(keys=False)),
    Mistake("rotary positions of base 500000", "text.0.q", ("RoPE",), rope_with(base=500000.0)),
    Mistake("rotary positions for half of a head", "text.0.q", ("RoPE",), rope_with(part=0.5)),
    Mistake("times token by token", "clip_tokens", ("times",), times_with(times_interleaved), "clip"),
    Mistake("logits of the first tokens", "logits", ("first", "image tokens"), {"logits": first_rows}),
    Mistake("one attention map for all heads", "vision.0.scores", ("mean of the heads", "N (heads)"), {"masked": one_map_for_all_heads}),
    Mistake("keys of length 1", "vision.0.k", ("length 1",), {"turn": unit_keys}),
    Mistake("gelu times 1.702", "text.0.activated", ("1.702",), mlp_with(lambda x: np.float32(1.702) * right("act_text")(None, x), "text")),
    Mistake("two heads give nothing", "vision.0.mixed", ("1, 3", "N (heads)"), {"mix": two_heads_lost}),
    Mistake("keys and values of the first layer for all", "vision.1.k", ("layer before", "layer 0"), {"cut": keys_of_layer_0}),
    Mistake("words do not see the top row", "text.mask", ("image tokens 1 to 8",), {"keep": no_top_row}),
    Mistake("far patches count less", "vision.0.scores", ("distance",), {"masked": far_is_less}),
    Mistake("keys kept in float8", "vision.0.k", ("float8",), {"turn": lambda s, q, k, tower: (q, e4m3(k))}),
    Mistake("values kept in 8 bits", "vision.0.v", ("8 bits",), {"cut": lambda s, x: (lambda q, k, v: (q, k, inputs_in_8_bits(v)))(*right("cut")(s, x))}),
    Mistake("every picture layer normalised at its end", "vision.0.x", ("normalis",), {"vision_block": normed_at_the_end}),
    Mistake("the last two words unknown", "word_vectors", ("8 to 9", "T (tokens)"), {"embed_words": last_words_unknown}),
    Mistake("MLP added to the normalised stream", "vision.0.x", ("behind the normalis",), vision_block_with(plain_middle, lambda b, n, o, x: n + o)),
    Mistake("query bias missing in one text layer", "text.2.q", ("bias",), {"fused": lambda s, t, i: (lambda w, b: (w, np.where((np.arange(len(b)) < len(b) // 3) & (t == "text") & (i == 2), 0, b).astype(np.float32)))(*right("fused")(s, t, i))}),
]  # fmt: skip

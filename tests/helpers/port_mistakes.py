"""Mistakes of porters, put into `port.py`: none of them stood in the first list of `diff`.

Each has the tensor (a name of ours) where the two programs part, words of which one must be in the
cause that `diff` names, and what it runs on. A third of them, chosen by a checksum of the title,
was kept aside until the causes were written: `is_aside`.
"""

from __future__ import annotations

import math
import zlib
from collections.abc import Callable
from typing import NamedTuple

import numpy as np
from port import Port, V

Array = np.ndarray


class Mistake(NamedTuple):
    title: str
    tensor: str
    hints: tuple[str, ...]
    methods: dict[str, Callable]
    kind: str = "still"


def is_aside(title: str) -> bool:
    return zlib.crc32(title.encode()) % 3 == 0


def right(name: str) -> Callable:
    return getattr(Port, name)


def bfloat16(x: Array) -> Array:
    bits = np.ascontiguousarray(x, np.float32).view(np.uint32).astype(np.uint64)
    rounded = (bits + 0x7FFF + ((bits >> 16) & 1)) & 0xFFFF0000
    return rounded.astype(np.uint32).view(np.float32)


def float16(x: Array) -> Array:
    return x.astype(np.float16).astype(np.float32)


def int8(w: Array) -> Array:
    step = np.abs(w).max(axis=1, keepdims=True) / 127
    return (np.rint(w / step) * step).astype(np.float32)


# ---------------------------------------------------------------- pixels


def pixels(change: Callable[[Array], Array]) -> dict[str, Callable]:
    return {"logits": lambda self, x, ids: right("logits")(self, change(x), ids)}


MEAN = np.array([0.48145466, 0.4578275, 0.40821073], np.float32)[:, None, None]
STD = np.array([0.26862954, 0.26130258, 0.27577711], np.float32)[:, None, None]


def colours(x: Array) -> Array:
    return x * STD + MEAN


# ---------------------------------------------------------------- norms


def rms(self, x, weight, bias, eps):
    return x / np.sqrt((x * x).mean(-1, keepdims=True) + eps) * weight


def rms_with_bias(self, x, weight, bias, eps):
    return rms(self, x, weight, bias, eps) + bias


def outside(self, x, weight, bias, eps):
    return (x - x.mean(-1, keepdims=True)) / (x.std(-1, keepdims=True) + eps) * weight + bias


def over_tokens(self, x, weight, bias, eps):
    return (x - x.mean(0, keepdims=True)) / np.sqrt(x.var(0, keepdims=True) + eps) * weight + bias


def over_all(self, x, weight, bias, eps):
    axes = (0, 2)
    mean, var = x.mean(axes, keepdims=True), x.var(axes, keepdims=True)
    return (x - mean) / np.sqrt(var + eps) * weight + bias


def plus_one(self, x, weight, bias, eps):
    return right("norm")(self, x, weight + 1, bias, eps)


def norm_twice(self, x, weight, bias, eps):
    return right("norm")(self, right("norm")(self, x, weight, bias, eps), weight, bias, eps)


def by_variance(self, x, weight, bias, eps):
    return (x - x.mean(-1, keepdims=True)) / (x.var(-1, keepdims=True) + eps) * weight + bias


def bias_inside(self, x, weight, bias, eps):
    normed = right("norm")(self, x, np.float32(1), np.float32(0), eps)
    return (normed + bias) * weight


def one_norm(part: str, change: Callable) -> dict[str, Callable]:
    def named_norm(self, x, name, eps):
        weight, bias = self.w[f"{name}.weight"], self.w[f"{name}.bias"]
        norm = change if part in name else right("norm")
        return norm(self, x, weight, bias, eps)

    return {"named_norm": named_norm}


# ---------------------------------------------------------------- attention


def order_of_qkv(*order: int) -> dict[str, Callable]:
    def cut(self, qkv):
        parts = right("cut")(self, qkv)
        return tuple(parts[i] for i in order)

    return {"cut": cut}


def interleaved(self, qkv):
    T, B, _ = qkv.shape
    parts = qkv.reshape(T, B, self.w.heads, 3, -1).transpose(3, 1, 0, 2, 4)
    return tuple(parts)


def each_of_three(self, qkv):
    T, B, _ = qkv.shape
    parts = qkv.reshape(T, B, self.w.heads, -1, 3).transpose(4, 1, 0, 2, 3)
    return tuple(parts)


def bias_in_order(*order: int) -> dict[str, Callable]:
    def fused(self, tower, i):
        weight, bias = right("fused")(self, tower, i)
        return weight, bias.reshape(3, -1)[list(order)].reshape(-1)

    return {"fused": fused}


def rotate(x: Array, *, halves: bool, base: float = 10000.0) -> Array:
    _, T, _, A = x.shape
    angle = np.arange(T)[:, None] * base ** (-np.arange(0, A, 2) / A)
    cos, sin = np.cos(angle)[None, :, None], np.sin(angle)[None, :, None]
    if halves:
        a, b = x[..., : A // 2], x[..., A // 2 :]
        turned = np.concatenate([a * cos - b * sin, b * cos + a * sin], axis=-1)
    else:
        a, b = x[..., ::2], x[..., 1::2]
        turned = np.stack([a * cos - b * sin, b * cos + a * sin], axis=-1).reshape(x.shape)
    return turned.astype(np.float32)


def rope(halves: bool, only: str) -> dict[str, Callable]:
    def turn(self, q, k, tower):
        if tower != only:
            return q, k
        return rotate(q, halves=halves), rotate(k, halves=halves)

    return {"turn": turn}


def normed_heads(self, q, k, tower):
    def unit(x):
        return x / np.sqrt((x * x).sum(-1, keepdims=True))

    return unit(q), unit(k)


def one_head_of_keys(self, qkv):
    q, k, v = right("cut")(self, qkv)
    return q, np.broadcast_to(k[:, :, :1], k.shape), np.broadcast_to(v[:, :, :1], v.shape)


def off_by_one(self, scores):
    highest = scores.max(-1, keepdims=True)
    powers = np.exp(scores - highest)
    return powers / (np.exp(-highest) + powers.sum(-1, keepdims=True))


def softmax_in(half: Callable[[Array], Array]) -> dict[str, Callable]:
    return {"softmax": lambda self, s: half(right("softmax")(self, half(s)))}


def causal_picture(self, x, tower, i, keep):
    if tower == "vision":
        keep = np.tril(np.ones((len(x), len(x)), bool))
    return right("attention")(self, x, tower, i, keep)


def alibi(self, scores, keep):
    if keep is not None:
        S, N = scores.shape[-1], scores.shape[1]
        far = np.arange(S)[None] - np.arange(S)[:, None]
        slope = 2.0 ** (-8 * (np.arange(N) + 1) / N)
        scores = scores + (slope[:, None, None] * np.minimum(far, 0)).astype(np.float32)
    return right("masked")(self, scores, keep)


def mask_as_numbers(self, scores, keep):
    return scores if keep is None else scores + keep.astype(np.float32)


def soft_mask(self, scores, keep):
    return scores if keep is None else np.where(keep, scores, scores - np.float32(1))


def join_reversed(self, z):
    return right("join")(self, z[:, :, ::-1])


def one_layer_at(change: Callable[[Port, Array, str, int, Array], Array]) -> dict[str, Callable]:
    return {"attention": change}


# ---------------------------------------------------------------- blocks


def parallel(self, x, i):
    at, where = f"vision.blocks.{self.number}.", f"{V}encoder.layers.{i}."
    normed = self.named_norm(x, f"{where}layer_norm1", 1e-5)
    self.dumped[f"{at}ln1.hook_normalized"] = normed
    attended = self.attention(normed, "vision", i, None)
    other = self.named_norm(x, f"{where}layer_norm2", 1e-5)
    self.dumped[f"{at}ln2.hook_normalized"] = other
    return x + attended + self.mlp(other, "vision", i)


def vision_block_with(middle: Callable, end: Callable) -> dict[str, Callable]:
    def block(self, x, i):
        at, where = f"vision.blocks.{self.number}.", f"{V}encoder.layers.{i}."
        normed = self.named_norm(x, f"{where}layer_norm1", 1e-5)
        self.dumped[f"{at}ln1.hook_normalized"] = normed
        between = middle(x, normed, self.attention(normed, "vision", i, None))
        self.dumped[f"{at}hook_resid_mid"] = between
        normed = self.named_norm(between, f"{where}layer_norm2", 1e-5)
        self.dumped[f"{at}ln2.hook_normalized"] = normed
        return end(between, normed, self.mlp(normed, "vision", i), x)

    return {"vision_block": block}


def plain_middle(x, normed, out):
    return x + out


def plain_end(between, normed, out, x):
    return between + out


def text_block_with(middle: Callable, end: Callable) -> dict[str, Callable]:
    def block(self, x, i, keep):
        at, where = f"text.blocks.{self.number}.", f"git.encoder.layer.{i}."
        first, second = f"{where}attention.output.LayerNorm", f"{where}output.LayerNorm"
        out = self.attention(x, "text", i, keep)
        between = middle(lambda y: self.named_norm(y, first, 1e-12), x, out)
        self.dumped[f"{at}hook_normalized_resid_mid"] = between
        out = self.mlp(between, "text", i)
        return end(lambda y: self.named_norm(y, second, 1e-12), between, out, x)

    return {"text_block": block}


def text_middle(norm, x, out):
    return norm(x + out)


def text_end(norm, between, out, x):
    return norm(between + out)


def picture_layers(*order: int) -> dict[str, Callable]:
    return {"picture_layers": lambda self: list(order)}


def text_layers(*order: int) -> dict[str, Callable]:
    return {"text_layers": lambda self: list(order)}


def mlp_with(act: Callable, tower: str = "vision") -> dict[str, Callable]:
    return {f"act_{tower}": lambda self, x: act(x).astype(np.float32)}


def linear_with(
    weight: Callable = lambda w: w, x: Callable = lambda a: a, out: Callable = lambda a: a
):
    def linear(self, given, matrix, bias):
        return out(right("linear")(self, x(given), weight(matrix), bias))

    return {"linear": linear}


def part_without_bias(part: str) -> dict[str, Callable]:
    def named_linear(self, x, name):
        bias = self.w[f"{name}.bias"]
        is_it = name == part or (part != "output" and part in name)
        return self.linear(x, self.w[f"{name}.weight"], bias * 0 if is_it else bias)

    return {"named_linear": named_linear}


def neighbour(part: str, of: str, instead: str) -> dict[str, Callable]:
    """One module reads the parameters of another."""

    def swap(name: str) -> str:
        return name.replace(of, instead) if part in name and of in name else name

    return {
        "named_linear": lambda self, x, name: right("named_linear")(self, x, swap(name)),
        "named_norm": lambda self, x, name, eps: right("named_norm")(self, x, swap(name), eps),
    }


# ---------------------------------------------------------------- both ends


def turned_places(self):
    places = right("picture_places")(self)
    side = math.isqrt(len(places) - 1)
    grid = places[1:].reshape(side, side, -1).swapaxes(0, 1).reshape(side * side, -1)
    return np.concatenate([places[:1], grid])


def sines(self):
    places = right("picture_places")(self)
    S, D = places.shape
    angle = np.arange(S)[:, None] * 10000.0 ** (-np.arange(0, D, 2) / D)
    return np.stack([np.sin(angle), np.cos(angle)], axis=-1).reshape(S, D).astype(np.float32)


def without_class(self, pixels):
    x = self.embed_picture(pixels)
    self.dumped["vision.hook_full_embed"] = x
    return x


def places_after_norm(self, ids):
    words = self.w["git.embeddings.word_embeddings.weight"][ids.T]
    places = self.w["git.embeddings.position_embeddings.weight"][: ids.shape[1]][:, None]
    self.dumped["text.hook_embed"] = words
    self.dumped["text.hook_pos_embed"] = np.broadcast_to(places, words.shape)
    return self.named_norm(words, "git.embeddings.LayerNorm", 1e-12) + places


def without_word_norm(self, ids):
    right("embed_words")(self, ids)
    return self.dumped["text.hook_embed"] + self.dumped["text.hook_pos_embed"]


def times_with(change: Callable) -> dict[str, Callable]:
    return {"with_times": lambda self, tokens: change(self, tokens, self.times(len(tokens)))}


def rolled(self, tokens, times):
    return [t + times[(i + 1) % len(times)] for i, t in enumerate(tokens)]


def twice(self, tokens, times):
    return [t + time + time for t, time in zip(tokens, times, strict=True)]


def on_class_only(self, tokens, times):
    found = [t.copy() for t in tokens]
    for t, time in zip(found, times, strict=True):
        t[0] += time
    return found


def mean_of_frames(self, tokens):
    mean = np.mean(tokens, axis=0)
    return np.concatenate([mean] * len(tokens))


def first_frame(self, tokens):
    return np.concatenate([tokens[0]] * len(tokens))


def frames_reversed(self, tokens):
    return np.concatenate(tokens[::-1])


def still_with_time(self, pixels):
    return self.picture_tower(pixels) + self.times(1)[0]


def unit_memory(self, tokens):
    memory = right("project")(self, tokens)
    return memory / np.sqrt((memory * memory).sum(-1, keepdims=True))


def projected_only(self, tokens):
    return self.named_linear(tokens, "git.visual_projection.visual_projection.0")


def projected_after_norm(self, tokens):
    x = right("named_linear")(self, tokens, "git.visual_projection.visual_projection.0")
    self.dumped["projected"] = x
    x = self.act_text(x)
    return self.named_norm(x, "git.visual_projection.visual_projection.1", 1e-5)


def places_for_all(self, memory, words):
    places = self.w["git.embeddings.position_embeddings.weight"]
    memory = memory + places[np.arange(len(memory)) % len(places)][:, None]
    return np.concatenate([memory, words])


def no_picture_class(self, memory, words):
    return np.concatenate([memory[1:], words])


def head_with(change: Callable) -> dict[str, Callable]:
    return {"head": lambda self, x: change(self, x, right("head")(self, x))}


def normed_head(self, x, logits):
    return right("head")(self, self.named_norm(x, "git.encoder.layer.3.output.LayerNorm", 1e-12))


def log_shares(self, x, logits):
    return logits - logits.max(-1, keepdims=True) - np.log(
        np.exp(logits - logits.max(-1, keepdims=True)).sum(-1, keepdims=True)
    )  # fmt: skip


def layer_before(self, x, logits):
    return right("head")(self, self.dumped["text.blocks.3.hook_resid_pre"])


def blind_words(self, M, T):
    keep = right("keep")(self, M, T).copy()
    keep[M:, :M] = False
    return keep


def all_words(self, M, T):
    keep = right("keep")(self, M, T).copy()
    keep[M:, M:] = True
    return keep


def causal_all(self, M, T):
    return np.tril(np.ones((M + T, M + T), bool))


def window(self, M, T):
    keep = right("keep")(self, M, T).copy()
    far = np.arange(M + T)[:, None] - np.arange(M + T)[None]
    keep[M:, M:] &= far[M:, M:] < 2
    return keep


def itself_not(self, M, T):
    place = np.arange(M + T)
    return (place[None] < M) | (place[None] < place[:, None])


ATT, PRE = ".attn.hook_", "vision.0."
MISTAKES = [
    Mistake("pixels from 0 to 255", "pixels", ("255",), pixels(lambda x: (colours(x) * 255 - MEAN) / STD)),
    Mistake("pixels divided by 255 twice", "pixels", ("255", "twice"), pixels(lambda x: (colours(x) / 255 - MEAN) / STD)),
    Mistake("pixels left between 0 and 1", "pixels", ("0 to 1", "not normalised", "mean"), pixels(colours)),
    Mistake("blue first, normalised in that order", "pixels", ("red and blue", "blue"), pixels(lambda x: (colours(x)[:, ::-1] - MEAN) / STD)),
    Mistake("the mean taken away, not divided", "pixels", ("spread", "deviation", "std"), pixels(lambda x: x * STD)),
    Mistake("divided, the mean not taken away", "pixels", ("mean",), pixels(lambda x: x + MEAN / STD)),
    Mistake("normalised twice", "pixels", ("twice",), pixels(lambda x: (x - MEAN) / STD)),
    Mistake("positions of the picture turned", "vision.embedded", ("turned", "transposed", "column"), {"picture_places": turned_places}),
    Mistake("positions of the picture are sines", "vision.embedded", ("sine", "sinus"), {"picture_places": sines}),
    Mistake("positions of the picture reversed", "vision.embedded", ("reverse",), {"picture_places": lambda s: np.concatenate([right("picture_places")(s)[:1], right("picture_places")(s)[:0:-1]])}),
    Mistake("kernel turned half around, as a true convolution", "vision.patch_tokens", ("half", "180", "flipped"), {"patch_kernel": lambda s: right("patch_kernel")(s)[:, :, ::-1, ::-1]}),
    Mistake("blue first in the kernel", "vision.patch_tokens", ("colours", "red and blue"), {"patch_kernel": lambda s: right("patch_kernel")(s)[:, ::-1]}),
    Mistake("no first normalisation", "vision.x", ("without this normalisation",), {"before_layers": lambda s, x: x}),
    Mistake("first normalisation with the parameters of the last", "vision.x", ("last norm",), neighbour("pre_", "pre_layrnorm", "post_layernorm")),
    Mistake("last normalisation left out", "vision.image_tokens", ("without this normalisation",), {"after_layers": lambda s, x: x}),
    Mistake("last normalisation for the class token alone", "vision.image_tokens", ("class token",), {"after_layers": lambda s, x: np.concatenate([right("after_layers")(s, x)[:1], x[1:]])}),
    Mistake("RMS norm in the vision encoder", "vision.0.attention_input", ("RMS",), one_norm("layer_norm", rms)),
    Mistake("RMS norm with the bias kept", "vision.0.attention_input", ("mean",), one_norm("layer_norm", rms_with_bias)),
    Mistake("epsilon outside the root", "vision.0.attention_input", ("outside the root",), one_norm("layer_norm", lambda s, x, w, b, e: outside(s, x, w, b, 1e-2))),
    Mistake("normalised over the tokens", "vision.0.attention_input", ("over the tokens",), one_norm("layer_norm", over_tokens)),
    Mistake("normalised over tokens and width", "vision.0.attention_input", ("tokens and",), one_norm("layer_norm", over_all)),
    Mistake("scale of the norms counted from 1", "vision.x", ("1 +", "plus 1", "1 added"), {"norm": plus_one}),
    Mistake("second norm of a layer applied twice", "vision.0.mlp_input", ("twice",), one_norm("layer_norm2", norm_twice)),
    Mistake("divided by the variance", "vision.0.attention_input", ("variance",), one_norm("layer_norm", by_variance)),
    Mistake("shift added before the scale", "vision.0.mlp_input", ("shift", "bias"), one_norm("layer_norm2", bias_inside)),
    Mistake("fused matrix read as k, q, v", "vision.0.q", ("our k", "k, q, v"), order_of_qkv(1, 0, 2)),
    Mistake("fused matrix read as v, k, q", "vision.0.q", ("our v", "v, k, q"), order_of_qkv(2, 1, 0)),
    Mistake("fused matrix read as q, v, k", "vision.0.k", ("our v", "q, v, k"), order_of_qkv(0, 2, 1)),
    Mistake("fused matrix read as v, q, k", "vision.0.q", ("our v", "v, q, k"), order_of_qkv(2, 0, 1)),
    Mistake("fused matrix cut head by head", "vision.0.q", ("head by head",), {"cut": interleaved}),
    Mistake("fused matrix cut number by number", "vision.0.q", ("number by number",), {"cut": each_of_three}),
    Mistake("biases of q and k exchanged", "vision.0.q", ("bias of k", "biases in the order k, q, v"), bias_in_order(1, 0, 2)),
    Mistake("biases of q, k, v rolled", "vision.0.q", ("bias of v", "biases in the order v, q, k"), bias_in_order(2, 0, 1)),
    Mistake("scaled twice", "vision.0.scores", ("twice",), {"scale": lambda s, A, D: 1 / A}),
    Mistake("scaled by the number of heads", "vision.0.scores", ("heads",), {"scale": lambda s, A, D: 1 / math.sqrt(D // A)}),
    Mistake("not scaled, in all layers", "vision.0.scores", ("without the scale",), {"scale": lambda s, A, D: 1.0}),
    Mistake("rotary positions in halves", "text.0.q", ("rotary", "RoPE"), rope(True, "text")),
    Mistake("rotary positions in pairs", "vision.0.q", ("rotary", "RoPE"), rope(False, "vision")),
    Mistake("queries and keys of length 1", "vision.0.q", ("length 1", "normalised"), {"turn": normed_heads}),
    Mistake("all heads share the first one's keys", "vision.0.k", ("first head", "head 0", "multi-query"), {"cut": one_head_of_keys}),
    Mistake("softmax with one more in its sum", "vision.0.weights", ("one more", "added to the sum", "off by one"), {"softmax": off_by_one}),
    Mistake("sigmoid for softmax", "vision.0.weights", ("sigmoid",), {"softmax": lambda s, x: (1 / (1 + np.exp(-np.maximum(x, -50)))).astype(np.float32)}),
    Mistake("softmax in bfloat16", "vision.0.weights", ("bfloat16",), softmax_in(bfloat16)),
    Mistake("softmax in float16", "vision.0.weights", ("float16",), softmax_in(float16)),
    Mistake("causal mask in the vision encoder", "vision.0.scores", ("causal",), {"attention": causal_picture}),
    Mistake("distances taken from the scores", "text.0.scores", ("ALiBi", "distance"), {"masked": alibi}),
    Mistake("mask added as ones and zeros", "text.0.scores", ("0 and 1", "ones"), {"masked": mask_as_numbers}),
    Mistake("mask that only lowers by 1", "text.0.scores", ("mask", "-1"), {"masked": soft_mask}),
    Mistake("heads joined in reverse", "vision.0.attended", ("reverse",), {"join": join_reversed}),
    Mistake("keys mixed, not values", "vision.0.mixed", ("keys",), {"cut": lambda s, x: (lambda q, k, v: (q, k, v))(*right("cut")(s, x)), "mix": lambda s, w, v: np.einsum("bnts,bsna->btna", w, s.dumped[list(s.dumped)[-4]])}),
    Mistake("last projection of attention left out", "vision.0.attended", ("missing", "left out"), {"project_out": lambda s, x, t, i: x}),
    Mistake("bias of the last projection missing", "text.0.attended", ("bias",), part_without_bias("attention.output.dense")),
    Mistake("attention and MLP side by side", "vision.0.mlp_input", ("parallel", "side by side", "stream that went in"), {"vision_block": parallel}),
    Mistake("no residual around attention", "vision.0.after_attention", ("without the residual",), vision_block_with(lambda x, n, o: o, plain_end)),
    Mistake("no residual around the MLP", "vision.0.x", ("without the residual",), vision_block_with(plain_middle, lambda b, n, o, x: o)),
    Mistake("residual of the MLP from the block's beginning", "vision.0.x", ("beginning",), vision_block_with(plain_middle, lambda b, n, o, x: x + o)),
    Mistake("residual added twice", "vision.0.x", ("twice",), vision_block_with(plain_middle, lambda b, n, o, x: b + b + o)),
    Mistake("MLP halved", "vision.0.x", ("half", "0.5", "halved"), vision_block_with(plain_middle, lambda b, n, o, x: b + o / 2)),
    Mistake("text: MLP residual from the block's beginning", "text.0.x", ("beginning",), text_block_with(text_middle, lambda n, b, o, x: n(x + o))),
    Mistake("text: no residual around attention", "text.0.after_attention", ("without the residual",), text_block_with(lambda n, x, o: n(o), text_end)),
    Mistake("text: residual added behind the norm", "text.0.x", ("then added", "behind"), text_block_with(text_middle, lambda n, b, o, x: b + n(o))),
    Mistake("text: no second normalisation", "text.0.x", ("without this normalisation",), text_block_with(text_middle, lambda n, b, o, x: b + o)),
    Mistake("a layer of the vision encoder left out", "vision.1.attention_input", ("layer 2", "left out", "skipped"), picture_layers(0, 2, 3)),
    Mistake("a layer of the vision encoder twice", "vision.1.attention_input", ("layer 0",), picture_layers(0, 0, 1, 2, 3)),
    Mistake("all text layers share the first one's parameters", "text.1.q", ("layer 0",), text_layers(0, 0, 0, 0)),
    Mistake("text layers rolled by one", "text.0.q", ("layer 1",), text_layers(1, 2, 3, 0)),
    Mistake("relu in the vision encoder", "vision.0.activated", ("relu",), mlp_with(lambda x: np.maximum(x, 0))),
    Mistake("squared relu", "vision.0.activated", ("square",), mlp_with(lambda x: np.maximum(x, 0) ** 2)),
    Mistake("silu in the text decoder", "text.0.activated", ("silu", "swish"), mlp_with(lambda x: x / (1 + np.exp(-x)), "text")),
    Mistake("tanh as the activation", "text.0.activated", ("tanh",), mlp_with(np.tanh, "text")),
    Mistake("mish as the activation", "vision.0.activated", ("mish",), mlp_with(lambda x: x * np.tanh(np.log1p(np.exp(x))))),
    Mistake("quick gelu with 1.7", "vision.0.activated", ("1.7",), mlp_with(lambda x: x / (1 + np.exp(-1.7 * x)))),
    Mistake("sigmoid alone, the factor x forgotten", "vision.0.activated", ("sigmoid",), mlp_with(lambda x: 1 / (1 + np.exp(-1.702 * x)))),
    Mistake("hard swish", "text.0.activated", ("hard",), mlp_with(lambda x: x * np.clip(x + 3, 0, 6) / 6, "text")),
    Mistake("no activation", "text.0.activated", ("without an activation",), mlp_with(lambda x: x, "text")),
    Mistake("bias of the first MLP matrix missing", "vision.0.hidden", ("bias",), part_without_bias("fc1")),
    Mistake("MLP of the layer behind", "vision.0.hidden", ("layer 1",), neighbour("mlp", "layers.0", "layers.1")),
    Mistake("weights in bfloat16", "vision.0.q", ("bfloat16",), linear_with(weight=bfloat16)),
    Mistake("weights in 8 bits", "vision.0.q", ("int8", "8 bits"), linear_with(weight=int8)),
    Mistake("products in float16", "vision.0.q", ("float16",), linear_with(float16, float16, float16)),
    Mistake("inputs of products in bfloat16", "vision.0.q", ("bfloat16",), linear_with(bfloat16, bfloat16)),
    Mistake("memory not normalised", "memory", ("without this normalisation",), {"project": projected_only}),
    Mistake("memory brought to length 1", "memory", ("length 1",), {"project": unit_memory}),
    Mistake("gelu behind the projection", "memory", ("gelu",), {"project": projected_after_norm}),
    Mistake("bias of the projection missing", "projected", ("bias",), part_without_bias("visual_projection.0")),
    Mistake("positions added behind the norm of the words", "words", ("behind", "after"), {"embed_words": places_after_norm}),
    Mistake("words not normalised", "words", ("without this normalisation",), {"embed_words": without_word_norm}),
    Mistake("image tokens get positions of words", "text.x", ("positions",), {"sequence": places_for_all}),
    Mistake("the picture's class token dropped", "text.x", ("class token", "last", "first"), {"sequence": no_picture_class}),
    Mistake("words blind to the picture", "text.mask", ("blind",), {"keep": blind_words}),
    Mistake("words see all words", "text.mask", ("ahead", "causal"), {"keep": all_words}),
    Mistake("everything causal", "text.mask", ("causal",), {"keep": causal_all}),
    Mistake("words see the two last words only", "text.mask", ("window", "last"), {"keep": window}),
    Mistake("a word may not look at itself", "text.mask", ("itself",), {"keep": itself_not}),
    Mistake("one more norm before the head", "logits", ("normalis",), head_with(normed_head)),
    Mistake("the layer before the last goes into the head", "logits", ("layer 2", "before the last", "penultimate"), head_with(layer_before)),
    Mistake("logits as log-probabilities", "logits", ("log",), head_with(log_shares)),
    Mistake("logits capped by tanh", "logits", ("tanh", "cap"), head_with(lambda s, x, l: 30 * np.tanh(l / 30))),
    Mistake("logits divided by sqrt(D)", "logits", ("sqrt(D)",), head_with(lambda s, x, l: l / np.float32(math.sqrt(x.shape[-1])))),
    Mistake("vocabulary padded", "logits", ("vocabulary", "padded"), head_with(lambda s, x, l: np.pad(l, ((0, 0), (0, 0), (0, 6))))),
    Mistake("bias of the head missing", "logits", ("bias",), part_without_bias("output")),
    Mistake("times of frames rolled", "clip_tokens", ("roll", "next frame", "one frame"), times_with(rolled), "clip"),
    Mistake("times of frames twice", "clip_tokens", ("twice",), times_with(twice), "clip"),
    Mistake("times for class tokens alone", "clip_tokens", ("class token",), times_with(on_class_only), "clip"),
    Mistake("mean of all frames", "clip_tokens", ("mean",), {"join_frames": mean_of_frames}, "clip"),
    Mistake("first frame again and again", "clip_tokens", ("first frame",), {"join_frames": first_frame}, "clip"),
    Mistake("frames in reverse, with their times", "clip_tokens", ("reverse",), {"join_frames": frames_reversed}, "clip"),
    Mistake("a time on a still", "projected", ("time",), {"still": still_with_time}),
]  # fmt: skip

if __name__ == "__main__":
    print(len(MISTAKES), sum(is_aside(m.title) for m in MISTAKES))

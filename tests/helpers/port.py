"""GIT written once more, as a porter might: other layouts, other names, and a place for mistakes.

Sequences stand first, (T, B, D); queries, keys and values come out of one matrix and stay
(B, T, N, A); masks say what to keep; the tensors bear the names of TransformerLens. Nothing here
comes from `numpygit.model`. Every step is a method, so that a mistake is another method.
"""

from __future__ import annotations

import math
from dataclasses import dataclass, field

import numpy as np
from scipy_free import erf

Array = np.ndarray


@dataclass
class Weights:
    """The tensors of a checkpoint file, under the names of the file."""

    of: dict[str, Array]
    heads: int
    patch: int

    def __getitem__(self, name: str) -> Array:
        return self.of[name]

    def layers(self, start: str) -> int:
        return len({name[len(start) :].split(".")[0] for name in self.of if name.startswith(start)})


V = "git.image_encoder.vision_model."


@dataclass
class Port:
    """A right port. `dumped` fills while it runs."""

    w: Weights
    dumped: dict[str, Array] = field(default_factory=dict)
    number: int = 0  # of the layer, whichever parameters it has

    # ------------------------------------------------------------ small parts

    def norm(self, x: Array, weight: Array, bias: Array, eps: float) -> Array:
        mean = x.mean(-1, keepdims=True)
        return (x - mean) / np.sqrt(x.var(-1, keepdims=True) + eps) * weight + bias

    def named_norm(self, x: Array, name: str, eps: float) -> Array:
        return self.norm(x, self.w[f"{name}.weight"], self.w[f"{name}.bias"], eps)

    def linear(self, x: Array, weight: Array, bias: Array) -> Array:
        return np.einsum("...i,oi->...o", x, weight) + bias

    def named_linear(self, x: Array, name: str) -> Array:
        return self.linear(x, self.w[f"{name}.weight"], self.w[f"{name}.bias"])

    def softmax(self, scores: Array) -> Array:
        powers = np.exp(scores - scores.max(-1, keepdims=True))
        return powers / powers.sum(-1, keepdims=True)

    def act_vision(self, x: Array) -> Array:
        return x / (1 + np.exp(np.float32(-1.702) * x))

    def act_text(self, x: Array) -> Array:
        return (x * 0.5 * (1 + erf(x / math.sqrt(2)))).astype(np.float32)

    # ------------------------------------------------------------ attention

    def fused(self, tower: str, i: int) -> tuple[Array, Array]:
        """The one matrix of queries, keys and values, (3 D, D), and its bias."""
        where = (
            f"{V}encoder.layers.{i}.self_attn."
            if tower == "vision"
            else f"git.encoder.layer.{i}.attention.self."
        )
        parts = ["q_proj", "k_proj", "v_proj"] if tower == "vision" else ["query", "key", "value"]
        weight = np.concatenate([self.w[f"{where}{part}.weight"] for part in parts])
        return weight, np.concatenate([self.w[f"{where}{part}.bias"] for part in parts])

    def cut(self, qkv: Array) -> tuple[Array, Array, Array]:
        """(T, B, 3 D) -> three times (B, T, N, A)."""
        T, B, _ = qkv.shape
        parts = qkv.reshape(T, B, 3, self.w.heads, -1).transpose(2, 1, 0, 3, 4)
        return parts[0], parts[1], parts[2]

    def turn(self, q: Array, k: Array, tower: str) -> tuple[Array, Array]:
        """Where positions would enter queries and keys; they do not."""
        return q, k

    def scale(self, A: int, D: int) -> float:
        return 1 / math.sqrt(A)

    def mix(self, weights: Array, v: Array) -> Array:
        return np.einsum("bnts,bsna->btna", weights, v)

    def join(self, z: Array) -> Array:
        B, T, N, A = z.shape
        return z.transpose(1, 0, 2, 3).reshape(T, B, N * A)

    def masked(self, scores: Array, keep: Array | None) -> Array:
        return scores if keep is None else np.where(keep, scores, np.float32(-1e4))

    def out_name(self, tower: str, i: int) -> str:
        if tower == "vision":
            return f"{V}encoder.layers.{i}.self_attn.out_proj"
        return f"git.encoder.layer.{i}.attention.output.dense"

    def attention(self, x: Array, tower: str, i: int, keep: Array | None) -> Array:
        at = f"{tower}.blocks.{self.number}."
        q, k, v = self.cut(self.linear(x, *self.fused(tower, i)))
        q, k = self.turn(q, k, tower)
        for name, part in (("q", q), ("k", k), ("v", v)):
            self.dumped[f"{at}attn.hook_{name}"] = part
        A = q.shape[-1]
        scores = np.einsum("btna,bsna->bnts", q, k) * np.float32(self.scale(A, A * self.w.heads))
        scores = self.masked(scores, keep)
        self.dumped[f"{at}attn.hook_attn_scores"] = scores
        weights = self.softmax(scores)
        self.dumped[f"{at}attn.hook_pattern"] = weights
        z = self.mix(weights, v)
        self.dumped[f"{at}attn.hook_z"] = z
        out = self.project_out(self.join(z), tower, i)
        self.dumped[f"{at}hook_attn_out"] = out
        return out

    def project_out(self, joined: Array, tower: str, i: int) -> Array:
        return self.named_linear(joined, self.out_name(tower, i))

    def mlp(self, x: Array, tower: str, i: int) -> Array:
        at = f"{tower}.blocks.{self.number}."
        if tower == "vision":
            up, down = f"{V}encoder.layers.{i}.mlp.fc1", f"{V}encoder.layers.{i}.mlp.fc2"
        else:
            up = f"git.encoder.layer.{i}.intermediate.dense"
            down = f"git.encoder.layer.{i}.output.dense"
        pre = self.named_linear(x, up)
        post = self.act_vision(pre) if tower == "vision" else self.act_text(pre)
        self.dumped[f"{at}mlp.hook_pre"], self.dumped[f"{at}mlp.hook_post"] = pre, post
        out = self.named_linear(post, down)
        self.dumped[f"{at}hook_mlp_out"] = out
        return out

    # ------------------------------------------------------------ blocks

    def vision_block(self, x: Array, i: int) -> Array:
        at, where = f"vision.blocks.{self.number}.", f"{V}encoder.layers.{i}."
        normed = self.named_norm(x, f"{where}layer_norm1", 1e-5)
        self.dumped[f"{at}ln1.hook_normalized"] = normed
        middle = x + self.attention(normed, "vision", i, None)
        self.dumped[f"{at}hook_resid_mid"] = middle
        normed = self.named_norm(middle, f"{where}layer_norm2", 1e-5)
        self.dumped[f"{at}ln2.hook_normalized"] = normed
        return middle + self.mlp(normed, "vision", i)

    def text_block(self, x: Array, i: int, keep: Array) -> Array:
        at, where = f"text.blocks.{self.number}.", f"git.encoder.layer.{i}."
        out = self.attention(x, "text", i, keep)
        middle = self.named_norm(x + out, f"{where}attention.output.LayerNorm", 1e-12)
        self.dumped[f"{at}hook_normalized_resid_mid"] = middle
        out = self.mlp(middle, "text", i)
        return self.named_norm(middle + out, f"{where}output.LayerNorm", 1e-12)

    # ------------------------------------------------------------ vision encoder

    def patch_kernel(self) -> Array:
        return self.w[f"{V}embeddings.patch_embedding.weight"]

    def embed_picture(self, pixels: Array) -> Array:
        """(B, C, H, W) -> (P + 1, B, D)."""
        B, _, H, W = pixels.shape
        p, kernel = self.w.patch, self.patch_kernel()
        squares = [pixels[:, :, y : y + p, x : x + p] for y, x in self.corners(H, W)]
        tokens = np.stack([np.einsum("bcyx,dcyx->bd", square, kernel) for square in squares])
        self.dumped["vision.hook_embed"] = tokens
        first = np.broadcast_to(self.class_token(), (1, B, tokens.shape[-1]))
        return np.concatenate([first, tokens]) + self.picture_positions()[:, None]

    def corners(self, H: int, W: int) -> list[tuple[int, int]]:
        p = self.w.patch
        return [(y, x) for y in range(0, H, p) for x in range(0, W, p)]

    def class_token(self) -> Array:
        return self.w[f"{V}embeddings.class_embedding"]

    def picture_positions(self) -> Array:
        return self.w[f"{V}embeddings.position_embedding.weight"]

    def picture_layers(self) -> list[int]:
        return list(range(self.w.layers(f"{V}encoder.layers.")))

    def text_layers(self) -> list[int]:
        return list(range(self.w.layers("git.encoder.layer.")))

    def picture_tower(self, pixels: Array) -> Array:
        x = self.embed_picture(pixels)
        self.dumped["vision.hook_full_embed"] = x
        x = self.before_layers(x)
        for number, i in enumerate(self.picture_layers()):
            self.number = number
            self.dumped[f"vision.blocks.{number}.hook_resid_pre"] = x
            x = self.vision_block(x, i)
            self.dumped[f"vision.blocks.{number}.hook_resid_post"] = x
        x = self.after_layers(x)
        self.dumped["vision.ln_final.hook_normalized"] = x
        return x

    def before_layers(self, x: Array) -> Array:
        return self.named_norm(x, f"{V}pre_layrnorm", 1e-5)

    def after_layers(self, x: Array) -> Array:
        return self.named_norm(x, f"{V}post_layernorm", 1e-5)

    def times(self, frames: int) -> Array:
        names = [f"git.img_temperal_embedding.{i}" for i in range(frames)]
        return np.stack([self.w[name].reshape(-1) for name in names])

    def clip(self, pixels: Array) -> Array:
        """(B, frames, C, H, W) -> (M, B, D)."""
        frames = pixels.shape[1]
        tokens = [self.picture_tower(pixels[:, i]) for i in range(frames)]
        tokens = self.with_times(tokens)
        joined = self.join_frames(tokens)
        self.dumped["clip_tokens"] = joined
        return joined

    def with_times(self, tokens: list[Array]) -> list[Array]:
        return [t + time for t, time in zip(tokens, self.times(len(tokens)), strict=True)]

    def join_frames(self, tokens: list[Array]) -> Array:
        return np.concatenate(tokens)

    # ------------------------------------------------------------ text decoder

    def project(self, tokens: Array) -> Array:
        x = self.named_linear(tokens, "git.visual_projection.visual_projection.0")
        self.dumped["projected"] = x
        return self.named_norm(x, "git.visual_projection.visual_projection.1", 1e-5)

    def embed_words(self, ids: Array) -> Array:
        """(B, T) -> (T, B, D)."""
        words = self.w["git.embeddings.word_embeddings.weight"][ids.T]
        places = self.w["git.embeddings.position_embeddings.weight"][: ids.shape[1]][:, None]
        self.dumped["text.hook_embed"] = words
        self.dumped["text.hook_pos_embed"] = np.broadcast_to(places, words.shape)
        return self.named_norm(words + places, "git.embeddings.LayerNorm", 1e-12)

    def keep(self, M: int, T: int) -> Array:
        """Who may look at whom, True for yes: (S, S)."""
        place = np.arange(M + T)
        return (place[None] < M) | (place[None] <= place[:, None])

    def sequence(self, memory: Array, words: Array) -> Array:
        return np.concatenate([memory, words])

    def head(self, x: Array) -> Array:
        return self.named_linear(x, "output")

    def logits(self, pixels: Array, ids: Array) -> Array:
        self.dumped["pixels"], self.dumped["ids"] = pixels, ids
        tokens = self.clip(pixels) if pixels.ndim == 5 else self.still(pixels)
        memory = self.project(tokens)
        self.dumped["memory"] = memory
        words = self.embed_words(ids)
        self.dumped["words"] = words
        x = self.sequence(memory, words)
        keep = self.keep(len(x) - len(words), len(words))
        self.dumped["text.mask"] = keep
        for number, i in enumerate(self.text_layers()):
            self.number = number
            self.dumped[f"text.blocks.{number}.hook_resid_pre"] = x
            x = self.text_block(x, i, keep)
            self.dumped[f"text.blocks.{number}.hook_normalized_resid_post"] = x
        logits = self.head(x)[-len(words) :].swapaxes(0, 1)
        self.dumped["logits"] = logits
        return logits

    def still(self, pixels: Array) -> Array:
        return self.picture_tower(pixels)

    def run(self, pixels: Array, ids: Array, *, coarse: bool = False) -> dict[str, Array]:
        """Run once -> what a porter would dump: everything, or the outputs of blocks alone."""
        self.dumped.clear()
        self.logits(pixels, ids)
        if coarse:
            ends = ("hook_resid_post", "hook_normalized_resid_post")
            kept = ("pixels", "ids", "memory", "logits", "vision.ln_final.hook_normalized")
            return {n: a for n, a in self.dumped.items() if n in kept or n.endswith(ends)}
        return dict(self.dumped)

"""Mistakes put into the official model, for `check_diff.py`: none stood in its first list.

A bug changes the torch model, or the tensors that go in. Each has the tensor where `diff` must
point, words of which one must be in the cause, and what it runs on.
"""

from __future__ import annotations

import math
import zlib
from collections.abc import Callable
from types import MethodType
from typing import NamedTuple

import torch
import transformers
from torch import nn
from torch.nn import functional


class Official(NamedTuple):
    """A mistake."""

    title: str
    tensor: str
    hints: tuple[str, ...]
    bug: Callable[[nn.Module], object]
    kind: str = "still"


def is_aside(title: str) -> bool:
    """Tell whether a mistake was kept aside until the causes were written."""
    return zlib.crc32(title.encode()) % 3 == 0


def vision(m: nn.Module) -> nn.Module:
    return m.git.image_encoder.vision_model


def seeing(m: nn.Module, i: int) -> nn.Module:
    return vision(m).encoder.layers[i]


def reading(m: nn.Module, i: int) -> nn.Module:
    return m.git.encoder.layer[i]


def set_(parameter: nn.Parameter, value: torch.Tensor) -> None:
    parameter.data = value.detach().clone().contiguous()


def rounded(m: nn.Module, kind: torch.dtype, part: str = "") -> None:
    for name, p in m.named_parameters():
        if part in name:
            set_(p, p.data.to(kind).float())


def replaced(m: nn.Module, kind: type, by: Callable[[nn.Module], nn.Module], part: str) -> None:
    for name, module in list(m.named_modules()):
        if isinstance(module, kind) and part in name:
            parent = m.get_submodule(name.rpartition(".")[0])
            setattr(parent, name.rpartition(".")[2], by(module))


class Norm(nn.Module):
    """A normalisation that is not LayerNorm."""

    def __init__(self, of: nn.LayerNorm, how: Callable) -> None:
        super().__init__()
        self.weight, self.bias, self.eps, self.how = of.weight, of.bias, of.eps, how

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return self.how(x, self.weight, self.bias, self.eps)


def rms(x, w, b, e):
    return x * torch.rsqrt((x * x).mean(-1, keepdim=True) + e) * w


def outside(x, w, b, e):
    return (x - x.mean(-1, keepdim=True)) / (x.std(-1, keepdim=True, unbiased=False) + 1e-3) * w + b


def batchwise(x, w, b, e):
    rest = x - x.mean(1, keepdim=True)
    return rest / torch.sqrt((rest * rest).mean(1, keepdim=True) + e) * w + b


def forward_of(module: nn.Module, forward: Callable) -> None:
    module.forward = MethodType(forward, module)


def after(module: nn.Module, change: Callable[[torch.Tensor], torch.Tensor]) -> None:
    """Change what a module gives out, inside of it."""
    right = module.forward

    def forward(*given, **rest):
        out = right(*given, **rest)
        return (change(out[0]), *out[1:]) if isinstance(out, tuple) else change(out)

    module.forward = forward


def mask_with(m: nn.Module, change: Callable[[torch.Tensor], torch.Tensor]) -> None:
    def before(module, given, named):
        return given, named | {"attention_mask": change(named["attention_mask"].clone())}

    m.git.encoder.register_forward_pre_hook(before, with_kwargs=True)


LOW = torch.finfo(torch.float32).min


def open_all(mask):
    return torch.zeros_like(mask)


def causal(mask):
    S = mask.shape[-1]
    return torch.full_like(mask, LOW) * torch.ones(S, S).triu(1)


def blind(mask):
    mask[..., 65:, :65] = LOW
    return mask


def peeking(mask):
    S = mask.shape[-1]
    for i in range(65, S - 1):
        mask[..., i, i + 1] = 0
    return mask


def given_out(x: torch.Tensor) -> torch.Tensor | tuple[torch.Tensor]:
    """Give a layer's output out as this version of transformers does: alone from 5 on."""
    return x if int(transformers.__version__.split(".")[0]) >= 5 else (x,)


def parallel(self, hidden, *given, **rest):
    attended = self.self_attn(hidden_states=self.layer_norm1(hidden), attention_mask=None,
                              causal_attention_mask=None)  # fmt: skip
    other = self.mlp(self.layer_norm2(hidden))
    return given_out(hidden + attended[0] + other)


def no_residual(self, hidden, given):
    return self.LayerNorm(self.dense(hidden))


def normed_alone(self, hidden, given):
    return given + self.LayerNorm(self.dense(hidden))


def vision_without(first: bool) -> Callable:
    def forward(self, hidden, *given, **rest):
        attended = self.self_attn(hidden_states=self.layer_norm1(hidden), attention_mask=None,
                                  causal_attention_mask=None)[0]  # fmt: skip
        middle = attended if first else hidden + attended
        self.layer_norm2(middle)
        out = self.mlp(self.layer_norm2(middle))
        return given_out(middle + out if first else out)

    return forward


def times(m: nn.Module) -> list[nn.Parameter]:
    return [p for name, p in m.named_parameters() if "img_temp" in name]


def times_rolled(m: nn.Module) -> None:
    values = [p.data.clone() for p in times(m)]
    for i, p in enumerate(times(m)):
        set_(p, values[(i + 1) % len(values)])


def dropping(m: nn.Module) -> None:
    torch.manual_seed(0)
    drop = reading(m, 0).attention.self.dropout
    drop.p = 0.1
    drop.train()


def grid_of(places: torch.Tensor, change: Callable) -> torch.Tensor:
    side = math.isqrt(len(places) - 1)
    grid = change(places[1:].reshape(side, side, -1)).reshape(side * side, -1)
    return torch.cat([places[:1], grid])


def places(m: nn.Module) -> nn.Parameter:
    return vision(m).embeddings.position_embedding.weight


def exchange(a: nn.Parameter, b: nn.Parameter) -> None:
    left, right = a.data.clone(), b.data.clone()
    set_(a, right)
    set_(b, left)


def rotary_query(m: nn.Module) -> None:
    """RoPE on queries and keys of the first text layer."""
    own = reading(m, 0).attention.self
    for part in (own.query, own.key):

        def turn(x, N=own.num_attention_heads):
            B, T, D = x.shape
            A = D // N
            angle = torch.arange(T)[:, None] * 10000.0 ** (-torch.arange(0, A, 2) / A)
            cos, sin = angle.cos()[None, :, None].to(x), angle.sin()[None, :, None].to(x)
            a, b = x.reshape(B, T, N, A).split(A // 2, dim=-1)
            return torch.cat([a * cos - b * sin, b * cos + a * sin], -1).reshape(B, T, D)

        after(part, turn)  # fmt: skip


def swap_layers(m: nn.Module, *order: int) -> None:
    m.git.encoder.layer = nn.ModuleList([reading(m, i) for i in order])


def in_float(x: torch.Tensor, kind: torch.dtype) -> torch.Tensor:
    return x.to(kind).to(x.dtype)


OFFICIAL = [
    Official("bias of a value missing", "vision.1.v", ("bias",), lambda m: seeing(m, 1).self_attn.v_proj.bias.data.zero_()),
    Official("bias of out_proj twice", "text.3.attended", ("bias added twice",), lambda m: set_(reading(m, 3).attention.output.dense.bias, 2 * reading(m, 3).attention.output.dense.bias)),
    Official("query of the neighbour", "text.2.q", ("layer 1",), lambda m: reading(m, 2).attention.self.query.load_state_dict(reading(m, 1).attention.self.query.state_dict())),
    Official("biases of k and v exchanged", "vision.0.k", ("bias",), lambda m: exchange(seeing(m, 0).self_attn.k_proj.bias, seeing(m, 0).self_attn.v_proj.bias)),
    Official("k and v exchanged", "text.1.k", ("our v", "keys and values"), lambda m: (exchange(reading(m, 1).attention.self.key.weight, reading(m, 1).attention.self.value.weight), exchange(reading(m, 1).attention.self.key.bias, reading(m, 1).attention.self.value.bias))),
    Official("fc2 in bfloat16", "text.1.thought", ("bfloat16",), lambda m: rounded(m, torch.bfloat16, "layer.1.output.dense")),
    Official("all weights in bfloat16", "vision.patch_tokens", ("bfloat16",), lambda m: rounded(m, torch.bfloat16)),
    Official("silu in the vision encoder", "vision.0.activated", ("silu", "swish"), lambda m: setattr(seeing(m, 0).mlp, "activation_fn", nn.SiLU())),
    Official("elu in the text decoder", "text.0.activated", ("elu",), lambda m: setattr(reading(m, 0).intermediate, "intermediate_act_fn", nn.ELU())),
    Official("leaky relu", "vision.2.activated", ("leaky",), lambda m: setattr(seeing(m, 2).mlp, "activation_fn", nn.LeakyReLU())),
    Official("softplus", "text.1.activated", ("softplus",), lambda m: setattr(reading(m, 1).intermediate, "intermediate_act_fn", nn.Softplus())),
    Official("no activation at all", "text.2.activated", ("without an activation",), lambda m: setattr(reading(m, 2).intermediate, "intermediate_act_fn", nn.Identity())),
    Official("relu6", "vision.1.activated", ("relu6",), lambda m: setattr(seeing(m, 1).mlp, "activation_fn", nn.ReLU6())),
    Official("RMSNorm in the text decoder", "text.0.after_attention", ("RMS",), lambda m: replaced(m, nn.LayerNorm, lambda n: Norm(n, rms), "git.encoder")),
    Official("epsilon outside the root, everywhere", "vision.x", ("outside the root",), lambda m: replaced(m, nn.LayerNorm, lambda n: Norm(n, outside), "")),
    Official("batch norm's axis", "vision.2.attention_input", ("over the tokens",), lambda m: replaced(m, nn.LayerNorm, lambda n: Norm(n, batchwise), "layers.2.layer_norm1")),
    Official("first norm without scale and shift", "vision.x", ("without scale and shift",), lambda m: (vision(m).pre_layrnorm.weight.data.fill_(1), vision(m).pre_layrnorm.bias.data.zero_())),
    Official("first norm left out", "vision.x", ("without this normalisation",), lambda m: setattr(vision(m), "pre_layrnorm", nn.Identity())),
    Official("last norm left out", "vision.image_tokens", ("without this normalisation",), lambda m: setattr(vision(m), "post_layernorm", nn.Identity())),
    Official("last norm for the class token", "vision.image_tokens", ("class token",), lambda m: forward_of(vision(m).post_layernorm, lambda s, x: torch.cat([functional.layer_norm(x[:, :1], (x.shape[-1],), s.weight, s.bias, s.eps), x[:, 1:]], 1))),
    Official("positions rolled", "vision.embedded", ("one token",), lambda m: set_(places(m), places(m).data.roll(1, 0))),
    Official("positions upside down", "vision.embedded", ("bottom",), lambda m: set_(places(m), grid_of(places(m).data, lambda g: g.flip(0)))),
    Official("class token of zeros", "vision.embedded", ("zeros",), lambda m: vision(m).embeddings.class_embedding.data.zero_()),
    Official("kernel mirrored", "vision.patch_tokens", ("mirrored",), lambda m: set_(vision(m).embeddings.patch_embedding.weight, vision(m).embeddings.patch_embedding.weight.data.flip(-1))),
    Official("text layers in reverse", "text.0.q", ("layer 3",), lambda m: swap_layers(m, 3, 2, 1, 0)),
    Official("a text layer left out", "text.1.q", ("layer 2",), lambda m: setattr(m.git.encoder, "layer", nn.ModuleList([reading(m, 0), reading(m, 2), reading(m, 3), reading(m, 1)]))),
    Official("one layer's parameters for all", "vision.1.attention_input", ("layer 0",), lambda m: [seeing(m, i).load_state_dict(seeing(m, 0).state_dict()) for i in (1, 2, 3)]),
    Official("head without bias", "logits", ("bias",), lambda m: m.output.bias.data.zero_()),
    Official("words times sqrt(D)", "word_vectors", ("sqrt(D)",), lambda m: m.git.embeddings.word_embeddings.weight.data.mul_(math.sqrt(160))),
    Official("positions from 2", "place_vectors", ("counted from 2",), lambda m: set_(m.git.embeddings.position_embeddings.weight, m.git.embeddings.position_embeddings.weight.data.roll(-2, 0))),
    Official("rows of words one too late", "word_vectors", ("row",), lambda m: set_(m.git.embeddings.word_embeddings.weight, m.git.embeddings.word_embeddings.weight.data.roll(1, 0))),
    Official("words not normalised", "words", ("without this normalisation",), lambda m: setattr(m.git.embeddings, "LayerNorm", nn.Identity())),
    Official("memory not normalised", "memory", ("without this normalisation",), lambda m: m.git.visual_projection.visual_projection.__setitem__(1, nn.Identity())),
    Official("projection transposed", "projected", ("transposed",), lambda m: set_(m.git.visual_projection.visual_projection[0].weight, m.git.visual_projection.visual_projection[0].weight.data.T)),
    Official("projection without bias", "projected", ("bias",), lambda m: m.git.visual_projection.visual_projection[0].bias.data.zero_()),
    Official("nothing masked", "text.mask", ("nothing blocked",), lambda m: mask_with(m, open_all)),
    Official("all causal", "text.mask", ("causal",), lambda m: mask_with(m, causal)),
    Official("words blind", "text.mask", ("blind",), lambda m: mask_with(m, blind)),
    Official("a word peeks at the next", "text.mask", ("next one",), lambda m: mask_with(m, peeking)),
    Official("scale applied twice", "vision.0.scores", ("twice",), lambda m: setattr(seeing(m, 0).self_attn, "scale", 1 / 32)),
    Official("no scale", "vision.3.scores", ("without the scale",), lambda m: setattr(seeing(m, 3).self_attn, "scale", 1.0)),
    Official("dropout on attention weights", "text.0.mixed", ("dropout",), dropping),
    Official("parallel block", "vision.1.after_attention", ("parallel", "side by side"), lambda m: forward_of(seeing(m, 1), parallel)),
    Official("residual missing in the text decoder", "text.2.after_attention", ("without the residual",), lambda m: forward_of(reading(m, 2).attention.output, no_residual)),
    Official("residual added behind the norm", "text.1.x", ("then added", "new part"), lambda m: forward_of(reading(m, 1).output, normed_alone)),
    Official("no residual around vision attention", "vision.2.after_attention", ("without the residual",), lambda m: forward_of(seeing(m, 2), vision_without(True))),
    Official("no residual around the vision MLP", "vision.2.x", ("without the residual",), lambda m: forward_of(seeing(m, 2), vision_without(False))),
    Official("rotary positions in the first text layer", "text.0.q", ("RoPE",), rotary_query),
    Official("attention in bfloat16", "text.0.attended", ("bfloat16",), lambda m: after(reading(m, 0).attention.output.dense, lambda x: in_float(x, torch.bfloat16))),
    Official("MLP output clipped", "vision.1.thought", ("clip", "between"), lambda m: after(seeing(m, 1).mlp.fc2, lambda x: x.clamp(-0.5, 0.5))),
    Official("times rolled", "clip_tokens", ("roll", "next frame", "frame before"), times_rolled, "clip"),
    Official("times twice", "clip_tokens", ("twice",), lambda m: [p.data.mul_(2) for p in times(m)], "clip"),
    Official("times subtracted", "clip_tokens", ("taken away",), lambda m: [p.data.mul_(-1) for p in times(m)], "clip"),
    Official("one time for all frames", "clip_tokens", ("first frame's",), lambda m: [set_(p, times(m)[0].data) for p in times(m)], "clip"),
]  # fmt: skip

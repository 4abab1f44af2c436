"""Mistakes put into the official model that nobody had seen when the causes were written.

As in `official_mistakes.py`. They were written all at once, before `diff` was asked about any of
them. Half of them, chosen by a checksum of the title, was kept aside while causes were written for
the others: `is_aside`.
"""

from __future__ import annotations

import zlib

import torch
from official_mistakes import (
    LOW,
    Norm,
    Official,
    after,
    forward_of,
    given_out,
    mask_with,
    places,
    reading,
    replaced,
    seeing,
    set_,
    times,
    vision,
)  # fmt: skip
from torch import nn
from torch.nn import functional


def is_aside(title: str) -> bool:
    """Tell whether a mistake was kept aside until the causes were written."""
    return zlib.crc32(title.encode()) % 2 == 0


def before(module: nn.Module, change) -> None:
    """Change what goes into a module, inside of it."""
    right = module.forward
    module.forward = lambda x, *given, **rest: right(change(x), *given, **rest)


def tf32(x: torch.Tensor) -> torch.Tensor:
    bits = x.float().contiguous().view(torch.int32).long()
    kept = ((bits + 0x0FFF + ((bits >> 13) & 1)) & ~0x1FFF).int()
    return kept.view(torch.float32).to(x.dtype)


def fp8(x: torch.Tensor) -> torch.Tensor:
    return x.to(torch.float8_e4m3fn).float()


def four_bits(w: torch.Tensor) -> torch.Tensor:
    step = w.abs().amax(1, keepdim=True) / 7
    return (w / step).round() * step


def weights_of(m: nn.Module, kind, part: str) -> None:
    for name, p in m.named_parameters():
        if part in name and name.endswith("weight") and p.ndim == 2:
            set_(p, kind(p.data))


def inputs_of(m: nn.Module, kind) -> None:
    for module in m.modules():
        if isinstance(module, nn.Linear):
            set_(module.weight, kind(module.weight.data))
            before(module, kind)


def heads(m: nn.Module, count: int) -> None:
    m.config.vision_config.num_attention_heads = count
    for i in range(4):
        own = seeing(m, i).self_attn
        own.num_heads, own.head_dim, own.scale = count, 160 // count, (160 // count) ** -0.5


def groups(x, w, b, e):
    halves = x.unflatten(-1, (2, -1))
    rest = halves - halves.mean(-1, keepdim=True)
    normed = rest / torch.sqrt(halves.var(-1, keepdim=True, unbiased=False) + e)
    return normed.flatten(-2) * w + b


def no_start(mask):
    mask[..., 66:, 65] = LOW
    return mask


def every_second_word(mask):
    """A word does not see the word before it."""
    for i in range(66, mask.shape[-1]):
        mask[..., i, i - 1] = LOW
    return mask


def class_alone_raw(m: nn.Module) -> None:
    own = vision(m).pre_layrnorm
    right = own.forward
    own.forward = lambda x: torch.cat([x[:, :1], right(x)[:, 1:]], 1)


def tanh_slip(x):
    return 0.5 * x * (1 + torch.tanh((2 / torch.pi) ** 0.5 * (x + 0.44715 * x**3)))


class Act(nn.Module):
    """An activation made of a function."""

    def __init__(self, how) -> None:
        super().__init__()
        self.how = how

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return self.how(x)


def memory_in_every_layer(m: nn.Module) -> None:
    """Image tokens come into every text layer as they came into the first."""
    kept = {}
    for i in range(4):

        def change(x, i=i):
            kept.setdefault("image", x[:, :65])
            if i == 0:
                kept["image"] = x[:, :65]
            return torch.cat([kept["image"], x[:, 65:]], 1)

        after(reading(m, i), lambda x: torch.cat([kept["image"], x[:, 65:]], 1))
        before(reading(m, i), change)


def residual_scaled(self, hidden, given):
    return self.LayerNorm(self.dropout(self.dense(hidden)) + 1.6 * given)


def with_layer_scale(self, hidden, *given, **rest):
    attended = self.self_attn(hidden_states=self.layer_norm1(hidden), attention_mask=None,
                              causal_attention_mask=None)[0]  # fmt: skip
    middle = hidden + 0.3 * attended
    return given_out(middle + self.mlp(self.layer_norm2(middle)))


def normed_new_part(self, hidden, given):
    return self.LayerNorm(self.LayerNorm(self.dense(hidden)) + given)


def swap_rows(p: nn.Parameter, order: list[int]) -> None:
    set_(p, p.data[order])


def head_rows(order: list[int]) -> list[int]:
    """Rows of a matrix whose heads, 32 wide, stand in another order."""
    return [32 * head + i for head in order for i in range(32)]


def heads_of_keys_rolled(m: nn.Module) -> None:
    key = seeing(m, 1).self_attn.k_proj
    rows = head_rows([1, 2, 3, 4, 0])
    swap_rows(key.weight, rows)
    swap_rows(key.bias, rows)


def small_weights_pruned(w: torch.Tensor) -> torch.Tensor:
    return torch.where(w.abs() >= w.abs().flatten().median(), w, 0 * w)


NEW = [
    Official("products with ten bits, as TF32", "vision.0.q", ("TF32",), lambda m: inputs_of(m, tf32)),
    Official("weights in 8-bit floats", "text.0.q", ("float8", "fp8", "e4m3"), lambda m: weights_of(m, fp8, "git.encoder")),
    Official("weights in four bits", "text.0.q", ("4 bits", "int4"), lambda m: weights_of(m, four_bits, "git.encoder")),
    Official("half of the weights pruned", "vision.1.hidden", ("pruned", "zero", "small"), lambda m: weights_of(m, small_weights_pruned, "layers.1.mlp.fc1")),
    Official("ten heads in place of five", "vision.0.q", ("10 heads",), lambda m: heads(m, 10)),
    Official("two heads in place of five", "vision.0.q", ("2 heads",), lambda m: heads(m, 2)),
    Official("the scale of 64", "vision.1.scores", ("0.125", "64", "times 0.7"), lambda m: setattr(seeing(m, 1).self_attn, "scale", 0.125)),
    Official("gelu with a slip of the pen", "text.1.activated", ("0.44715", "gelu_new"), lambda m: setattr(reading(m, 1).intermediate, "intermediate_act_fn", Act(tanh_slip))),
    Official("leaky relu of 0.2", "text.0.activated", ("leaky",), lambda m: setattr(reading(m, 0).intermediate, "intermediate_act_fn", nn.LeakyReLU(0.2))),
    Official("quick gelu with 1.5", "vision.0.activated", ("1.5",), lambda m: setattr(seeing(m, 0).mlp, "activation_fn", Act(lambda x: x * torch.sigmoid(1.5 * x)))),
    Official("prelu with 0.25", "vision.2.activated", ("leaky", "0.25"), lambda m: setattr(seeing(m, 2).mlp, "activation_fn", nn.PReLU())),
    Official("hardtanh", "text.3.activated", ("between", "hard", "clip"), lambda m: setattr(reading(m, 3).intermediate, "intermediate_act_fn", nn.Hardtanh())),
    Official("softsign", "text.2.activated", ("softsign",), lambda m: setattr(reading(m, 2).intermediate, "intermediate_act_fn", nn.Softsign())),
    Official("activation behind fc2 too", "vision.0.thought", ("gelu", "activation"), lambda m: after(seeing(m, 0).mlp.fc2, lambda x: x * torch.sigmoid(1.702 * x))),
    Official("logits by a temperature", "logits", ("1.25", "0.8"), lambda m: after(m.output, lambda x: x / 0.8)),
    Official("normalisation in two groups", "vision.1.mlp_input", ("groups",), lambda m: replaced(m, nn.LayerNorm, lambda n: Norm(n, groups), "layers.1.layer_norm2")),
    Official("epsilon 1e-2 in a text layer", "text.2.x", ("1e-02",), lambda m: setattr(reading(m, 2).output.LayerNorm, "eps", 1e-2)),
    Official("class token raw", "vision.x", ("class token",), class_alone_raw),
    Official("a word does not see the start", "text.mask", ("start", "first word"), lambda m: mask_with(m, no_start)),
    Official("a word does not see the one before", "text.mask", ("before",), lambda m: mask_with(m, every_second_word)),
    Official("image tokens as they came, in every layer", "text.0.x", ("image tokens",), memory_in_every_layer),
    Official("residual times 1.6", "text.1.after_attention", ("residual", "1.6"), lambda m: forward_of(reading(m, 1).attention.output, residual_scaled)),
    Official("the new part normalised twice", "text.1.x", ("once more", "normalised"), lambda m: forward_of(reading(m, 1).output, normed_new_part)),
    Official("attention times 0.3, as LayerScale does", "vision.2.after_attention", ("0.3",), lambda m: forward_of(seeing(m, 2), with_layer_scale)),
    Official("heads of keys rolled", "vision.1.k", ("heads",), heads_of_keys_rolled),
    Official("rows of the value matrix in reverse", "text.1.v", ("reverse",), lambda m: (set_(reading(m, 1).attention.self.value.weight, reading(m, 1).attention.self.value.weight.data.flip(0)), set_(reading(m, 1).attention.self.value.bias, reading(m, 1).attention.self.value.bias.data.flip(0)))),
    Official("keys are zeros", "text.0.k", ("zeros",), lambda m: (reading(m, 0).attention.self.key.weight.data.zero_(), reading(m, 0).attention.self.key.bias.data.zero_())),
    Official("kernel rolled by a pixel", "vision.patch_tokens", ("roll", "shift"), lambda m: set_(vision(m).embeddings.patch_embedding.weight, vision(m).embeddings.patch_embedding.weight.data.roll(1, -1))),
    Official("mean of colours in the kernel", "vision.patch_tokens", ("mean", "grey"), lambda m: set_(vision(m).embeddings.patch_embedding.weight, vision(m).embeddings.patch_embedding.weight.data.mean(1, keepdim=True).expand(-1, 3, -1, -1))),
    Official("positions of the picture doubled", "vision.embedded", ("twice",), lambda m: places(m).data.mul_(2)),
    Official("positions of the picture halved", "vision.embedded", ("0.5", "halved"), lambda m: places(m).data.mul_(0.5)),
    Official("times of frames normalised to length 1", "clip_tokens", ("length 1",), lambda m: [set_(p, functional.normalize(p.data, dim=-1)) for p in times(m)], "clip"),
    Official("times of frames three times", "clip_tokens", ("times 3", "3 times", "multiplied by 3"), lambda m: [p.data.mul_(3) for p in times(m)], "clip"),
    Official("word embedding centred", "word_vectors", ("mean", "centred", "same vector"), lambda m: set_(m.git.embeddings.word_embeddings.weight, m.git.embeddings.word_embeddings.weight.data - m.git.embeddings.word_embeddings.weight.data.mean(0))),
    Official("start token's vector is zero", "word_vectors", ("zero", "first word", "0 of"), lambda m: m.git.embeddings.word_embeddings.weight.data[2].zero_()),
    Official("positions of words scaled by 0.1", "place_vectors", ("0.1",), lambda m: m.git.embeddings.position_embeddings.weight.data.mul_(0.1)),
    Official("head without the rows' means", "logits", ("mean",), lambda m: set_(m.output.weight, m.output.weight.data - m.output.weight.data.mean(1, keepdim=True))),
    Official("bias of the head doubled", "logits", ("twice",), lambda m: m.output.bias.data.mul_(2)),
    Official("queries with the key's bias", "text.3.q", ("bias of k",), lambda m: set_(reading(m, 3).attention.self.query.bias, reading(m, 3).attention.self.key.bias.data)),
    Official("dropout behind the MLP left on", "text.0.x", ("dropout", "0 where"), lambda m: (torch.manual_seed(1), setattr(reading(m, 0).output.dropout, "p", 0.1), reading(m, 0).output.dropout.train())),
    Official("layer norms of the last text layer of layer 0", "text.3.after_attention", ("layer 0",), lambda m: (reading(m, 3).attention.output.LayerNorm.load_state_dict(reading(m, 0).attention.output.LayerNorm.state_dict()))),
    Official("fc1 of the text decoder's layer", "vision.2.hidden", ("other tower",), lambda m: (set_(seeing(m, 2).mlp.fc1.weight, reading(m, 2).intermediate.dense.weight.data), set_(seeing(m, 2).mlp.fc1.bias, reading(m, 2).intermediate.dense.bias.data))),
]  # fmt: skip

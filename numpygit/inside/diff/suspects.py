"""Which mistakes to look for first in a tensor, when none explains the numbers."""

from __future__ import annotations

from ...trace import find

# ---------------------------------------------------------------- what is usually wrong

LINEAR = "weight transposed, bias missing, the parameters of another layer, half precision"
NORM = "epsilon, scale and shift missing, variance divided by D - 1, the wrong normalisation"
SUSPECTS = {
    "pixels": "mean and std, resize (bicubic, in 8 bits), crop, red and blue, 0..1 or 0..255",
    "vision.patches": "order of the squares (row by row), order inside a square (C, H, W)",
    "vision.patch_tokens": "order of the squares, kernel read as (H, W, C), a bias (it has none)",
    "vision.embedded": "class token not in front, places missing or one too late",
    "vision.x": NORM + ", left out (CLIP has it, plain ViT has not)",
    "vision.image_tokens": NORM + ", used for the class token alone as in CLIP",
    "clip_tokens": "times of frames missing or in another order, frames woven together",
    "memory": NORM + " (the picture tower's, 1e-5, and not the text tower's 1e-12)",
    "word_vectors": "other token ids, the embedding scaled, the head's rows",
    "place_vectors": "image tokens counted, counted from 1, padding counted",
    "words": NORM + ", places not added",
    "text.x": "words before the image tokens, class token of the picture dropped",
    "text.mask": "off by one, image tokens looking at words, padding, queries and keys exchanged",
    "logits": "head tied to the word embedding, bias missing, a last normalisation (there is none)",
    "word": "suppressed words, another search",
    "scores": "scale (1/sqrt(A), of one head), mask, q and k exchanged",
    "weights": "axis of the softmax (the last), mask after the softmax, dropout left on",
    "mixed": "weights transposed, keys for values, dropout left on",
    "joined": "heads joined without the transpose before",
    "activated": "kind of gelu (picture: quick_gelu; text: exact gelu, not the tanh one), float64",
    "attention_input": NORM + ", layers in another order",
    "mlp_input": NORM,
    "after_attention": "residual missing or taken from the wrong place, pre-norm and post-norm "
    "exchanged (picture: pre, text: post), " + NORM,
    "q": LINEAR + ", cut into heads wrongly, q and k exchanged",
}
SUSPECTS |= {"x": SUSPECTS["after_attention"], "k": SUSPECTS["q"], "v": SUSPECTS["q"]}


def usual_suspects(name: str) -> str:
    """Say what is usually wrong where a tensor is computed."""
    location = find(name)
    if location is None:
        return LINEAR
    last = location.row.name.rpartition(".")[2]
    return SUSPECTS.get(location.row.name, SUSPECTS.get(last, LINEAR))

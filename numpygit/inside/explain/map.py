"""The whole model in a dozen stops, each with a sentence and the shape that it has in this run."""

from __future__ import annotations

from typing import Any

from .traced_run import Run

Stop = tuple[str, str, str, str]  # title, shape, sentence, the panel to open


def whole_model(run: Run) -> list[dict[str, Any]]:
    """List the stops from the picture to the word: title, shape, sentence, the panel to open."""
    stops = [*picture_stops(run), *word_stops(run)]
    return [dict(zip(("title", "shape", "sentence", "panel"), stop, strict=True)) for stop in stops]


def picture_stops(run: Run) -> list[Stop]:
    """List the stops from the picture to the memory."""
    vision = run.captioner.model.config.vision_config
    rows, columns = run.grid
    size = " x ".join(map(str, run.pixels.shape[-2:]))
    frames = len(run.tensors["vision.x"])
    heads, layers = vision.num_attention_heads, vision.num_hidden_layers
    return [
        (
            "picture",
            f"{size} pixels",
            "Brought to the size of the model; three colours for each pixel.",
            "seen",
        ),
        (
            "patches",
            f"{rows} x {columns} = {rows * columns}",
            f"Cut into squares of {vision.patch_size} pixels. A matrix turns each into a token, a "
            f"vector of {vision.hidden_size} numbers. One more token, the class token, stands for "
            "the picture as a whole.",
            "seen",
        ),
        (
            "vision encoder",
            f"{layers} layers, {heads} heads",
            "A layer is attention and then a small network, the MLP. Attention lets every token "
            "gather from the others; it does so in several heads, each with its own idea of what "
            "is worth looking at. The MLP works on each token alone.",
            "vision",
        ),
        (
            "memory",
            f"{run.memory} image tokens",
            "Brought to the width of the text decoder"
            + (f", those of all {frames} frames in a row." if frames > 1 else ".")
            + " The memory is all that words can know of the picture.",
            "follow",
        ),
    ]


def word_stops(run: Run) -> list[Stop]:
    """List the stops from the words so far to the next one."""
    config = run.captioner.model.config
    return [
        (
            "words so far",
            f"{len(run.prompt)} to begin with",
            "The start token, then the question if there is one, then each word that was said. "
            "Each is looked up as a vector, and its position is added.",
            "mask",
        ),
        (
            "text decoder",
            f"{config.num_hidden_layers} layers, {config.num_attention_heads} heads",
            "The same kind of layers. A word looks at the memory and at the words up to itself; "
            "what it looked at is what the picture above shows.",
            "heads",
        ),
        (
            "scores",
            f"{config.vocab_size} words",
            "The last token's vector becomes a score for each word of the vocabulary. The highest "
            "is said, and read in turn, until the end token wins.",
            "else",
        ),
    ]

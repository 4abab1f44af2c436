"""The 17 official checkpoints: `numpygit models` prints this table.

Sources: names, sizes and licences from the Hub; metrics from the README of
microsoft/GenerativeImage2Text at faae4fb, measured by the authors with their own code.
"""

from __future__ import annotations

from typing import Any

from .config import GitConfig, GitVisionConfig
from .hub import CONVERTED
from .official_models import CATALOGUE, Entry

README = "README of microsoft/GenerativeImage2Text at faae4fb"
LICENCE = "MIT"


VISION_SIZES: dict[str, dict[str, Any]] = {
    "base": {},
    "large": {
        "patch_size": 14,
        "hidden_size": 1024,
        "intermediate_size": 4096,
        "num_hidden_layers": 24,
        "num_attention_heads": 16,
    },
}
# numbers in the file, by size, picture size and frames; a test counts them
PARAMETERS = {
    ("base", 224, None): 176_619_066,
    ("base", 480, None): 177_159_738,
    ("base", 224, 6): 176_623_674,
    ("large", 224, None): 394_196_026,
    ("large", 420, None): 394_855_482,
    ("large", 224, 6): 394_202_170,
}


def config_of(entry: Entry) -> GitConfig:
    """Write down the config of a checkpoint: the defaults, but for the vision encoder's sizes."""
    vision = GitVisionConfig(image_size=entry.image_size, **VISION_SIZES[entry.size])
    return GitConfig(vision_config=vision, num_image_with_embedding=entry.frames)


def parameters(entry: Entry) -> int:
    """Look up how many numbers a checkpoint holds."""
    return PARAMETERS[entry.size, entry.image_size, entry.frames]


def is_cached(name: str) -> bool:
    """Tell whether the Hub's cache holds the weights of a model, in any file that can hold them."""
    from huggingface_hub import constants, try_to_load_from_cache

    cache = constants.HF_HUB_CACHE
    return any(
        isinstance(try_to_load_from_cache(name, file, cache, revision=revision), str)
        for file in ("model.safetensors", "pytorch_model.bin")
        for revision in ("main", CONVERTED)
    )


def describe(entry: Entry) -> dict[str, Any]:
    """Say everything about one checkpoint; the keys are those of `numpygit models --json`."""
    config = config_of(entry)
    vision = config.vision_config
    return {
        "name": entry.name,
        "task": entry.task,
        "image_size": entry.image_size,
        "patch_size": vision.patch_size,
        "vision_width": vision.hidden_size,
        "vision_layers": vision.num_hidden_layers,
        "text_width": config.hidden_size,
        "text_layers": config.num_hidden_layers,
        "frames": entry.frames,
        "parameters": parameters(entry),
        "download_bytes": 4 * parameters(entry),  # float32; the file's own table adds 50 KB
        "metric": entry.metric,
        "metric_source": README,
        "licence": LICENCE,
        "cached": is_cached(entry.name),
    }


def table(columns: int | None = None) -> str:
    """Write the catalogue as lines of text, one for each checkpoint, under a line of titles.

    Where a terminal has fewer columns than that needs, each checkpoint gets two lines.
    """
    titles = ("name", "task", "picture", "width", "frames", "parameters", "download",
              "reported", "cached")  # fmt: skip
    rows = [titles]
    for row in map(describe, CATALOGUE):
        rows.append(
            (
                row["name"],
                row["task"],
                f"{row['image_size']}/{row['patch_size']}",
                f"{row['vision_width']}+{row['text_width']}",
                str(row["frames"] or "-"),
                f"{row['parameters'] / 1e6:.0f}M",
                f"{row['download_bytes'] / 1e6:.0f} MB",
                row["metric"],
                "yes" if row["cached"] else "no",
            )
        )
    widths = [max(len(row[i]) for row in rows) for i in range(len(titles))]
    cells = [[cell.ljust(width) for cell, width in zip(r, widths, strict=True)] for r in rows]
    notes = [
        "",
        "picture: pixels of a side / pixels of a patch; width: vision encoder + text decoder.",
        f"Licence of all: {LICENCE}. Reported by the authors, with their own code: {README}.",
    ]
    lines = ["  ".join(row).rstrip() for row in cells]
    if columns is not None and columns < max(map(len, lines)):
        lines, notes[1:] = [in_two_lines(row) for row in rows[1:]], [
            f"Licence of all: {LICENCE}. Figures: reported by the authors, with their own code.",
        ]  # fmt: skip
    return "\n".join(lines + notes)


def in_two_lines(row: tuple[str, ...]) -> str:
    """Write one checkpoint in lines of at most 80 columns."""
    name, task, picture, _, frames, parameters, download, metric, cached = row
    size = f"{picture.split('/')[0]} pixels" + (f" x {frames} frames" if frames != "-" else "")
    here = "cached" if cached == "yes" else download
    return f"{name:<32}{task:<25}{here}\n    {size}, {parameters} parameters; {metric}"

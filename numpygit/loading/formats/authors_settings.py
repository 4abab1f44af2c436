"""The settings of the authors' models: what the `parameter.yaml` of each one says, built in.

Source: microsoft/GenerativeImage2Text at faae4fb, `aux_data/models/NAME/parameter.yaml`, `model.py`
and `inference.py`; their weights lie at `output/NAME/snapshot/model.pt`. A `parameter.yaml` beside
the weights, or beside the folder `snapshot`, comes before what is built in: so the authors describe
a model of one's own. What it leaves out is as in GIT_BASE. Encoders and frames are also those of
the Hub's conversion: transformers 4.37.2, `convert_git_to_pytorch.py`.
"""

from __future__ import annotations

from dataclasses import dataclass, fields
from pathlib import Path

from ...errors import UserError

FILE, SNAPSHOT = "parameter.yaml", "snapshot"
LONGEST_FILE = 2**16
ENCODERS = {"CLIPViT_B_16": (768, 16), "CLIPViT_L_14": (1024, 14)}  # width and patch


@dataclass(frozen=True)
class Parameters:
    """One model's settings, called as the authors call them. Zero stands for none."""

    image_encoder_type: str = ""  # one of ENCODERS; "" leaves it to the tensors
    test_crop_size: int = 224  # of the square that is cut out, or of the shorter side
    test_respect_ratio_max: int = 0  # the longer side's limit where the whole picture is taken
    num_image_with_embedding: int = 0  # frames of a clip


BASE, LARGE = Parameters("CLIPViT_B_16"), Parameters("CLIPViT_L_14")
BASE_WHOLE = Parameters("CLIPViT_B_16", 480, 640)
LARGE_WHOLE = Parameters("CLIPViT_L_14", 420, 560)
BASE_CLIP = Parameters("CLIPViT_B_16", num_image_with_embedding=6)
LARGE_CLIP = Parameters("CLIPViT_L_14", num_image_with_embedding=6)
BUILT_IN = {
    "GIT_BASE": BASE,
    "GIT_BASE_COCO": BASE,
    "GIT_BASE_TEXTCAPS": BASE,
    "GIT_BASE_VQAv2": BASE_WHOLE,
    "GIT_BASE_TEXTVQA": BASE_WHOLE,
    "GIT_BASE_VATEX": BASE_CLIP,
    "GIT_BASE_MSRVTT": BASE_CLIP,
    "GIT_BASE_MSRVTT_QA": BASE_CLIP,
    "GIT_LARGE": LARGE,
    "GIT_LARGE_COCO": LARGE,
    "GIT_LARGE_TEXTCAPS": LARGE,
    "GIT_LARGE_VQAv2": LARGE_WHOLE,
    "GIT_LARGE_TEXTVQA": LARGE_WHOLE,
    "GIT_LARGE_VATEX": LARGE_CLIP,
    "GIT_LARGE_MSRVTT": LARGE_CLIP,
    "GIT_LARGE_MSRVTT_QA": LARGE_CLIP,
    "GIT_LARGE_R": LARGE,
    "GIT_LARGE_R_COCO": LARGE,
    "GIT_LARGE_R_TEXTCAPS": LARGE,
}


def parameters_of(folder: Path) -> tuple[Parameters, str] | None:
    """Find the settings of a folder with the authors' weights, and say where they come from.

    None for a model that is not the authors' and has no parameter.yaml: its tensors must do.
    """
    folders = [folder.absolute()]
    if folder.absolute().name == SNAPSHOT:
        folders.append(folder.absolute().parent)
    for one in folders:
        if (one / FILE).is_file():
            return read_parameters(one / FILE), str(one / FILE)
    for one in folders:
        if one.name in BUILT_IN:
            return BUILT_IN[one.name], f"the authors' settings of {one.name}"
    return None


def read_parameters(path: Path) -> Parameters:
    """Read the lines of a parameter.yaml that matter here, each `name: value`.

    No YAML beyond that is understood: the authors' files have none. Other names are theirs alone.
    """
    kinds = {field.name: type(field.default) for field in fields(Parameters)}
    found: dict[str, str | int] = {}
    for number, line in enumerate(lines_of(path), 1):
        name, colon, rest = line.partition(":")
        value = rest.split(" #")[0].strip().strip("\"'")
        if not colon or name not in kinds or value in ("", "null", "~"):
            continue
        if kinds[name] is int and not (value.isdecimal() and len(value) < 5):
            raise UserError(
                f"{path}, line {number}: {name} is {value[:40]!r}, expected a whole number "
                "from 0 to 9999"
            )
        if kinds[name] is str and value not in ENCODERS:
            raise UserError(
                f"{path}, line {number}: {name} is {value[:40]!r}, expected one of "
                f"{', '.join(ENCODERS)}"
            )
        found[name] = int(value) if kinds[name] is int else value
    return Parameters(**found)  # type: ignore[arg-type]


def lines_of(path: Path) -> list[str]:
    """Read a small text file."""
    try:
        if path.stat().st_size > LONGEST_FILE:
            raise UserError(f"{path} has more than {LONGEST_FILE} bytes")
        return path.read_text(encoding="utf-8").splitlines()
    except (OSError, UnicodeDecodeError) as error:
        raise UserError(f"{path} cannot be read as text: {error}") from None

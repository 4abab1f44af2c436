"""Make `golden/pixels`: small picture files of every kind, and the official pixels of each.

    python golden/make_pixels.py        # needs the extra [golden] with transformers 4.37.2

The files come from a seeded generator; the official processor then opens exactly these files
with Pillow. A file that exists is kept, so that its bytes do not change with the version of
Pillow. `cases.json` holds the settings of every case as the official processor saves them,
`pixels.npz` its answers. The answers for two photographs are in `photos.npz`; the photographs
(boats.jpg, mountain.jpg) are not: they are looked for in $NUMPYGIT_PHOTOS, or else in
../shared/data/photos beside the repository, and are left out where they are missing.

Two habits of the official code that matter here. It guesses which axis holds the colours and
guesses wrongly where a side has 1 or 3 pixels; it is told "channels_last" throughout. And where
an odd number of pixels is missing for the crop, it returns a picture one pixel too small: no
case here has an odd rest, `tests/model/test_image.py` tests ours by its definition.
"""

from __future__ import annotations

import json
import os
from collections.abc import Callable
from pathlib import Path

import numpy as np
from PIL import Image
from transformers import CLIPImageProcessor, VideoMAEImageProcessor

HERE = Path(__file__).parent / "pixels"
PHOTOS = Path(
    os.environ.get("NUMPYGIT_PHOTOS", Path(__file__).parents[1] / ".." / "shared/data/photos")
)


def drawn(height: int, width: int, channels: int = 3, seed: int = 0) -> np.ndarray:
    """Draw something smooth with noise on it: (height, width, channels) uint8."""
    rng = np.random.default_rng([seed, height, width, channels])
    y, x = np.mgrid[0:height, 0:width]
    waves = rng.uniform(0.05, 0.6, (channels, 2))
    smooth = np.stack([np.sin(a * y + b * x + i) for i, (a, b) in enumerate(waves)], axis=-1)
    noisy = 127 + 120 * smooth + rng.normal(0, 12, smooth.shape)
    return noisy.clip(0, 255).astype(np.uint8)


def colours(height: int, width: int, seed: int = 0) -> Image.Image:
    """Make an RGB picture."""
    return Image.fromarray(drawn(height, width, 3, seed))


def grey(height: int, width: int) -> Image.Image:
    """Make a grey picture."""
    return Image.fromarray(drawn(height, width, 1)[:, :, 0])


def palette() -> Image.Image:
    """Make a picture with a palette of 16 colours."""
    return colours(30, 44, 5).quantize(16)


def save_transparent_bytes(path: Path) -> None:
    """Save a palette whose every colour has its own opacity."""
    palette().save(path, transparency=bytes(range(0, 256, 16)))


def save_frames(path: Path, **options: object) -> None:
    """Save three different frames; only the first one counts."""
    frames = [colours(34, 26, seed) for seed in (1, 2, 3)]
    frames[0].save(path, save_all=True, append_images=frames[1:], duration=50, **options)


def save_turned(path: Path) -> None:
    """Save a JPEG whose EXIF note says that the camera was turned."""
    exif = Image.Exif()
    exif[0x0112] = 6
    colours(28, 46).save(path, exif=exif, quality=90)


def wide_values(high: float, dtype: type) -> Image.Image:
    """Make a grey picture whose numbers go beyond 255."""
    numbers = drawn(29, 35, 1)[:, :, 0].astype(np.float64) / 255 * high
    return Image.fromarray(numbers.astype(dtype))


FILES: dict[str, Callable[[Path], None]] = {
    "rgb.png": lambda path: colours(40, 60).save(path),
    "odd.png": lambda path: colours(37, 53).save(path),
    "tall.png": lambda path: colours(71, 34).save(path),
    "square.png": lambda path: colours(33, 33).save(path),
    "one_pixel.png": lambda path: colours(1, 1).save(path),
    "1x500.png": lambda path: colours(1, 500).save(path),
    "500x1.png": lambda path: colours(500, 1).save(path),
    "3x40.png": lambda path: colours(3, 40).save(path),
    "40x3.png": lambda path: colours(40, 3).save(path),
    "grey.png": lambda path: grey(31, 45).save(path),
    "one_bit.png": lambda path: grey(31, 45).convert("1").save(path),
    "palette.png": lambda path: palette().save(path),
    "palette_transparent.png": lambda path: palette().save(path, transparency=3),
    "palette_opacities.png": save_transparent_bytes,
    "rgb_transparent.png": lambda path: colours(30, 30).save(path, transparency=(9, 9, 9)),
    "grey_alpha.png": lambda path: Image.fromarray(drawn(30, 41, 2)).save(path),
    "rgba.png": lambda path: Image.fromarray(drawn(30, 41, 4)).save(path),
    "grey16.png": lambda path: wide_values(65535, np.uint16).save(path),
    "grey16.tif": lambda path: wide_values(65535, np.uint16).save(path),
    "grey32.tif": lambda path: wide_values(1000, np.int32).save(path),
    "float.tif": lambda path: wide_values(300, np.float32).save(path),
    "cmyk.jpg": lambda path: colours(33, 47).convert("CMYK").save(path, quality=90),
    "turned.jpg": save_turned,
    "grey.jpg": lambda path: grey(33, 47).save(path, quality=90),
    "animated.gif": save_frames,
    "animated.webp": lambda path: save_frames(path, lossless=True),
    "animated.png": save_frames,
    "plain.webp": lambda path: colours(36, 27).save(path, lossless=True),
    "plain.bmp": lambda path: colours(19, 23).save(path),
}

# name -> (file, size, crop, resample); the crop is 24 and the size as large, unless said here
SPECIAL = {
    "odd at 33": ("odd.png", 33, 33, 3),
    "tall at 33": ("tall.png", 33, 33, 3),
    "crop smaller by an odd rest": ("rgb.png", 33, 24, 3),
    "crop smaller by an even rest": ("rgb.png", 32, 24, 3),
    "crop larger, both sides": ("square.png", 20, 32, 3),
    "crop larger, one side": ("rgb.png", 20, 26, 3),
    "crop larger, one side, the other cut": ("1x500.png", 4, 12, 3),
    "bilinear": ("odd.png", 24, 24, 2),
    "nearest": ("odd.png", 24, 24, 0),
    "lanczos": ("odd.png", 24, 24, 1),
    "enlarged": ("plain.bmp", 64, 64, 3),
    "crop not square": ("rgb.png", 30, (20, 28), 3),
}


def make_cases() -> dict[str, tuple[str, dict[str, object]]]:
    """List all cases of small files: name -> file and settings."""
    cases = {name: (name, 24, 24, 3) for name in FILES} | SPECIAL
    made: dict[str, tuple[str, dict[str, object]]] = {}
    for name, (file, size, crop, resample) in cases.items():
        height, width = crop if isinstance(crop, tuple) else (crop, crop)
        settings = {
            "size": {"shortest_edge": size},
            "crop_size": {"height": height, "width": width},
            "resample": resample,
        }
        made[name] = file, settings
    return made


def ask(processor: object, path: Path) -> np.ndarray:
    """Run the official processor on one file: -> (C, H, W) float32."""
    with Image.open(path) as picture:
        given = processor(picture, return_tensors="np", input_data_format="channels_last")
    pixels = given["pixel_values"]
    return pixels.reshape(pixels.shape[-3:])


def main() -> None:
    """Write the files, the settings and the answers."""
    HERE.mkdir(exist_ok=True)
    for name, save in FILES.items():
        if not (HERE / name).is_file():
            save(HERE / name)
    cases, answers = {}, {}
    for name, (file, settings) in make_cases().items():
        processor = CLIPImageProcessor(**settings)
        cases[name] = {"file": file, "settings": json.loads(processor.to_json_string())}
        answers[name] = ask(processor, HERE / file)
        height, width = settings["crop_size"].values()
        assert answers[name].shape == (3, height, width), (name, answers[name].shape)
    clip = VideoMAEImageProcessor(size={"shortest_edge": 30}, crop_size={"height": 28, "width": 28})
    cases["as for clips"] = {"file": "odd.png", "settings": json.loads(clip.to_json_string())}
    answers["as for clips"] = ask(clip, HERE / "odd.png")
    (HERE / "cases.json").write_text(json.dumps(cases, indent=1) + "\n")
    np.savez_compressed(HERE / "pixels.npz", **answers)
    print(f"{len(cases)} cases")
    photos = {name: PHOTOS / f"{name}.jpg" for name in ("boats", "mountain")}
    if all(path.is_file() for path in photos.values()):
        processor = CLIPImageProcessor()
        asked = {name: ask(processor, path) for name, path in photos.items()}
        np.savez_compressed(HERE / "photos.npz", **asked)
        print(f"{len(asked)} photographs")


if __name__ == "__main__":
    main()

"""Make pictures as they come from cameras, scanners, drawing programs and broken disks.

    python tests/helpers/foreign_pictures.py FOLDER [--pictures 1000] [--seed 1]

Every format that Pillow can write, in every mode that the format has, with the options that its
files have in the world: progressive, interlaced, CMYK, 1 to 16 bits and floats, palettes with and
without transparency, all compressions of TIFF, pages and animations, EXIF with orders to turn and
damaged EXIF, ICC profiles. One in eight is cut short or has wrong bytes, one in sixteen the ending
of another format. The same seed makes the same pictures.
"""

from __future__ import annotations

import argparse
import io
import random
import warnings
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
from PIL import Image, ImageCms, features

Made = tuple[str, dict[str, Any]]  # a mode, and options of `save`
TIFF = ("raw", "tiff_lzw", "tiff_adobe_deflate", "packbits")


def draw(rng: random.Random, mode: str) -> Image.Image:
    """Draw a picture of any size: noise, a gradient, or blocks."""
    sizes = [(1, 4), (5, 40), (40, 300), (40, 300), (200, 400), (300, 700)]
    width = rng.randint(*rng.choice(sizes))
    height = max(1, min(700, round(width * rng.choice([1, 1, 0.75, 1.5, 0.2, 4]))))
    numbers = np.random.default_rng(rng.randrange(2**32))
    kind = rng.choice(["noise", "gradient", "blocks"])
    if kind == "noise":
        colours = numbers.integers(0, 256, (height, width, 4))
    elif kind == "gradient":
        down, across = np.mgrid[0:height, 0:width]
        colours = np.stack([down * 255 // height, across * 255 // width, (down + across) % 256,
                            255 - across * 255 // width], axis=2)  # fmt: skip
    else:
        few = numbers.integers(0, 256, (4, 4, 4))
        rows, columns = np.arange(height) * 4 // height, np.arange(width) * 4 // width
        colours = few[rows][:, columns]
    rgba = Image.fromarray(colours.astype(np.uint8), "RGBA")
    return in_mode(rgba, mode, numbers)


def in_mode(rgba: Image.Image, mode: str, numbers: np.random.Generator) -> Image.Image:
    """Bring a picture into a mode; greys of many bits use all of their range."""
    if mode in ("I", "I;16", "F"):
        grey = np.asarray(rgba.convert("L"), np.float64)
        if mode == "F":
            grey = grey * numbers.choice([1 / 255, 1.0, 40.0]) - numbers.choice([0, 0, 3])
            return Image.fromarray(grey.astype(np.float32))
        whole = (grey * 257).astype(np.int32 if mode == "I" else np.uint16)
        return Image.fromarray(whole)
    if mode == "P":
        return rgba.convert("RGB").quantize(int(numbers.integers(2, 256)))
    if mode in ("RGBA", "LA", "PA", "La", "RGBa"):
        return rgba.convert("LA").convert(mode) if mode == "PA" else rgba.convert(mode)
    if mode == "LAB":
        profiles = [ImageCms.createProfile(kind) for kind in ("sRGB", "LAB")]
        converted = ImageCms.profileToProfile(rgba.convert("RGB"), *profiles, outputMode="LAB")
        assert converted is not None
        return converted
    return rgba.convert("RGB").convert(mode)


def exif(rng: random.Random) -> bytes:
    """Write EXIF that turns, that is damaged, or that knows no such turn."""
    kind = rng.random()
    if kind < 0.1:
        return b"Exif\0\0" + rng.randbytes(rng.randint(0, 40))
    entry = Image.Exif()
    entry[0x0112] = rng.choice([1, 2, 3, 4, 5, 6, 7, 8, 0, 9])
    entry[0x010F] = "a camera"
    return entry.tobytes()


def profile(rng: random.Random) -> bytes:
    """Write an ICC profile, now and then a damaged one."""
    whole = ImageCms.ImageCmsProfile(ImageCms.createProfile("sRGB")).tobytes()
    return whole if rng.random() < 0.8 else whole[: rng.randint(0, 200)]


def kinds(rng: random.Random) -> dict[str, tuple[str, list[str], dict[str, Any]]]:
    """List what can be written: ending -> format, modes, options drawn for this picture."""
    photo = {"exif": exif(rng)} if rng.random() < 0.6 else {}
    photo |= {"icc_profile": profile(rng)} if rng.random() < 0.3 else {}
    jpeg = {**photo, "quality": rng.choice([1, 30, 75, 100]), "progressive": rng.random() < 0.3,
            "subsampling": rng.choice([0, 1, 2])}  # fmt: skip
    tiff = {**photo, "compression": rng.choice(TIFF)}
    if rng.random() < 0.2:
        tiff["big_tiff"] = True
    png = {**photo, "optimize": rng.random() < 0.2, "compress_level": rng.randint(0, 9)}
    found = {
        ".jpg": ("JPEG", ["L", "RGB", "CMYK", "YCbCr"], jpeg),
        ".png": ("PNG", ["1", "L", "LA", "I;16", "I", "P", "RGB", "RGBA"], png),
        ".webp": ("WEBP", ["RGB", "RGBA", "L", "P"],
                  {**photo, "lossless": rng.random() < 0.5, "quality": rng.randint(0, 100)}),
        ".gif": ("GIF", ["1", "L", "P", "RGB", "RGBA"], {"interlace": rng.random() < 0.5}),
        ".tif": ("TIFF", ["1", "L", "LA", "P", "RGB", "RGBA", "CMYK", "I;16", "I", "F", "LAB",
                          "YCbCr"], tiff),
        ".bmp": ("BMP", ["1", "L", "P", "RGB", "RGBA"], {}),
        ".dib": ("DIB", ["L", "P", "RGB"], {}),
        ".ico": ("ICO", ["L", "P", "RGB", "RGBA"], {}),
        ".icns": ("ICNS", ["RGBA"], {}),
        ".jp2": ("JPEG2000", ["L", "LA", "RGB", "RGBA", "I;16"],
                 {"irreversible": rng.random() < 0.5}),
        ".pcx": ("PCX", ["1", "L", "P", "RGB"], {}),
        ".ppm": ("PPM", ["1", "L", "I", "RGB", "F"], {}),
        ".sgi": ("SGI", ["L", "RGB", "RGBA"], {}),
        ".tga": ("TGA", ["L", "LA", "P", "RGB", "RGBA"],
                 {"compression": rng.choice([None, "tga_rle"])}),
        ".im": ("IM", ["1", "L", "LA", "P", "RGB", "RGBA", "CMYK", "YCbCr", "F", "I;16"], {}),
        ".dds": ("DDS", ["L", "LA", "RGB", "RGBA"], {}),
        ".blp": ("BLP", ["P"], {"blp_version": rng.choice(["BLP1", "BLP2"])}),
        ".xbm": ("XBM", ["1"], {}),
        ".msp": ("MSP", ["1"], {}),
        ".spi": ("SPIDER", ["F"], {}),
        ".mpo": ("MPO", ["RGB", "L"], photo),
        ".jpeg": ("MPO", ["RGB", "L"], photo),  # as telephones call them
    }  # fmt: skip
    if features.check("avif"):
        found[".avif"] = ("AVIF", ["RGB", "RGBA", "L"], {})  # Pillow 13 dies of damaged profiles
    return found


def encoded(rng: random.Random) -> tuple[str, bytes]:
    """Draw and encode one picture: -> the ending of its name, and the bytes."""
    ending, (form, modes, options) = rng.choice(list(kinds(rng).items()))
    picture = draw(rng, rng.choice(modes))
    file = io.BytesIO()
    several = form in ("GIF", "WEBP", "TIFF", "PNG", "MPO", "AVIF") and rng.random() < 0.25
    if several:
        more = [picture.transpose(Image.Transpose.ROTATE_180) for _ in range(rng.randint(1, 3))]
        options = {**options, "save_all": True, "append_images": more}
        if form == "GIF":
            options["disposal"] = rng.choice([0, 1, 2, 3])
    if picture.mode == "P" and form in ("PNG", "GIF") and rng.random() < 0.5:
        options = {**options, "transparency": rng.randint(0, 3)}
    if picture.mode in ("L", "RGB") and form == "PNG" and rng.random() < 0.2:
        options = {**options, "transparency": 7 if picture.mode == "L" else (7, 8, 9)}
    picture.save(file, form, **options)
    return ending, file.getvalue()


def damaged(content: bytes, rng: random.Random) -> bytes:
    """Cut a file short, or change some of its bytes."""
    if rng.random() < 0.5:
        return content[: rng.randint(0, len(content))]
    changed = bytearray(content)
    for _ in range(rng.choice([1, 5, 50])):
        changed[rng.randrange(len(changed))] = rng.randrange(256)
    return bytes(changed)


def pictures(count: int, seed: int) -> Iterator[tuple[str, bytes]]:
    """Make so many files: -> names and bytes."""
    number = attempt = 0
    while number < count:
        rng = random.Random(seed * 10**7 + attempt)
        attempt += 1
        try:
            with warnings.catch_warnings():
                warnings.simplefilter("ignore")
                ending, content = encoded(rng)
        except Exception:
            continue  # Pillow cannot write this so, and says it in many ways
        what = "whole"
        if content and rng.random() < 1 / 8:
            content, what = damaged(content, rng), "damaged"
        if rng.random() < 1 / 16:
            ending, what = rng.choice([".jpg", ".png", ".gif", ".tif"]), f"{what}-{ending[1:]}"
        yield f"{number:04}-{what}{ending}", content
        number += 1


def main() -> None:
    """Write the files that the command line asks for."""
    given = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    given.add_argument("folder", type=Path)
    given.add_argument("--pictures", type=int, default=1000)
    given.add_argument("--seed", type=int, default=1)
    asked = given.parse_args()
    asked.folder.mkdir(parents=True, exist_ok=True)
    for name, content in pictures(asked.pictures, asked.seed):
        (asked.folder / name).write_bytes(content)


if __name__ == "__main__":
    main()

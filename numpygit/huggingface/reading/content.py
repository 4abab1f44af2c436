"""What a file is, by its first bytes: the ending of its name may be wrong.

Sources: ISO/IEC 14496-12 (ftyp brands), 23008-12 (HEIF), 18181-2 (JPEG XL); RFC 9559 (Matroska).
"""

from __future__ import annotations

import io
import struct
from importlib.util import find_spec
from pathlib import Path
from typing import BinaryIO

from PIL import features

PICTURE, VIDEO, RAW, EMPTY = "PICTURE", "VIDEO", "RAW", "EMPTY"
STARTS = (  # the first bytes, and the kind
    (b"\xff\xd8\xff", PICTURE),
    (b"\x89PNG\r\n\x1a\n", PICTURE),
    (b"GIF8", PICTURE),
    (b"BM", PICTURE),
    (b"II*\0", PICTURE),
    (b"MM\0*", PICTURE),
    (b"II+\0", PICTURE),  # TIFF of more than 4 GB
    (b"MM\0+", PICTURE),
    (b"\xff\x0a", "JXL"),
    (b"\0\0\0\x0cJXL \r\n\x87\n", "JXL"),
    (b"%!PS", "EPS"),
    (b"\xc5\xd0\xd3\xc6", "EPS"),
    (b"\xd7\xcd\xc6\x9a", "WMF"),
    (b"\x01\0\t\0", "WMF"),
    (b"%PDF-", "PDF"),
    (b"gimp xcf", "XCF"),
    (b"<svg", "SVG"),
    (b"FUJIFILMCCD-RAW", RAW),
    (b"IIU\0", RAW),  # Panasonic
    (b"IIRO", RAW),  # Olympus, three ways
    (b"IIRS", RAW),
    (b"MMOR", RAW),
    (b"\0MRM", RAW),  # Minolta
    (b"FOVb", RAW),  # Sigma
    (b"II\x1a\0\0\0HEAPCCDR", RAW),  # Canon, until 2004
    (b"version https://git-lfs", "LFS"),
    (b"\x1aE\xdf\xa3", VIDEO),  # Matroska, WebM
    (b"FLV\x01", VIDEO),
    (b"OggS", VIDEO),
    (b"\0\0\x01\xba", VIDEO),  # MPEG programme stream, VOB
    (b"\0\0\x01\xb3", VIDEO),  # MPEG video
    (b"0&\xb2u\x8ef\xcf\x11", VIDEO),  # ASF, WMV
)
HEIC_BRANDS = (b"heic", b"heix", b"heim", b"heis", b"hevc", b"hevx", b"mif1", b"msf1")
PLUGINS = {"HEIC": "pillow_heif", "JXL": "pillow_jxl"}
AVIF_BRANDS = (b"avif", b"avis")
WHAT_HELPS = {
    "HEIC": "a HEIC picture, which needs pillow-heif: pip install numpygit[heic]",
    "AVIF": "an AVIF picture, which needs Pillow 11.3 or later: pip install -U pillow",
    "JXL": "a JPEG XL picture, which needs pillow-jxl-plugin: pip install pillow-jxl-plugin",
    "EPS": "a drawing in PostScript, which is not readable here; save it as PNG",
    "WMF": "a Windows metafile, which is not readable here; save it as PNG",
    "SVG": "a drawing in SVG, which is not readable here; save it as PNG",
    "XCF": "a picture of GIMP's own, which is not readable here; export it as PNG",
    RAW: "a camera's raw file, which is not readable here; save it as JPEG",
    "PDF": "a PDF, which is not readable here; save its page as PNG",
    "LFS": "only the pointer of git-lfs to a file; `git lfs pull` fetches that",
    VIDEO: "a video, which needs PyAV: pip install numpygit[video]",
}
# Endings of pictures that Pillow does not list, read by itself, or read at all: none is passed over
OTHER_SUFFIXES = (
    ".jfi", ".jif", ".jps", ".mpo", ".pjp", ".pjpeg",
    ".avif", ".heic", ".heif", ".hif", ".jxl", ".svg", ".xcf",
    ".3fr", ".arw", ".cr2", ".cr3", ".crw", ".dcr", ".dng", ".erf", ".gpr", ".iiq", ".kdc", ".mef",
    ".mos", ".mrw", ".nef", ".nrw", ".orf", ".pef", ".raf", ".rw2", ".rwl", ".sr2", ".srf", ".srw",
    ".x3f",
)  # fmt: skip
VIDEO_SUFFIXES = (
    ".264", ".265", ".3g2", ".3gp", ".3gpp", ".amv", ".asf", ".avi", ".dav", ".divx", ".dv", ".f4v",
    ".flv", ".h264", ".h265", ".hevc", ".insv", ".ivf", ".lrv", ".m1v", ".m2ts", ".m2v", ".m4v",
    ".mjpeg", ".mjpg", ".mk3d", ".mkv", ".mod", ".mov", ".mp4", ".mpe", ".mpeg", ".mpg", ".mpv",
    ".mts", ".mxf", ".nut", ".ogm", ".ogv", ".qt", ".rm", ".rmvb", ".tod", ".ts", ".vob", ".webm",
    ".wmv", ".wtv", ".y4m",
)  # fmt: skip
ANIMATED = ("AVIF", "FLI", "GIF", "PNG", "WEBP")  # several pictures in a TIFF or MPO are no clip
SUBFILE_TYPE, PHOTOMETRIC, SUB_DIRECTORIES, DNG_VERSION = 254, 262, 330, 50706  # tags of TIFF
OF_SENSORS = (32803, 34892)  # colours that no screen has: a colour filter array, or linear
TRANSPORT = ((0, 188), (4, 192), (0, 204))  # of an MPEG transport stream: first packet, its bytes


def kind_of(file: BinaryIO) -> str:
    """Tell what an open file is by its first bytes, "" for unknown; it is rewound to its start."""
    file.seek(0)
    head = file.read(1024)
    file.seek(0)
    return kind_of_bytes(head)


def kind_of_file(source: str | Path | io.BytesIO) -> str:
    """Tell what a file is by its first bytes; "" for unknown, or where it cannot be read."""
    if isinstance(source, io.BytesIO):
        return kind_of_bytes(source.getbuffer()[:1024].tobytes())
    try:
        if not Path(source).is_file():  # a pipe could keep us waiting
            return ""
        with Path(source).open("rb") as file:
            return kind_of(file)
    except (OSError, ValueError):
        return ""


def is_video(source: str | Path | io.BytesIO) -> bool:
    """Tell whether a file is for PyAV, not for Pillow: by its content, or else by its name."""
    kind = kind_of_file(source)
    if kind or isinstance(source, io.BytesIO):
        return kind == VIDEO
    return Path(source).suffix.lower() in VIDEO_SUFFIXES


def kind_of_bytes(head: bytes) -> str:
    """Tell what a file is by its first bytes; "" for unknown."""
    if not head:
        return EMPTY
    if head[4:8] == b"ftyp":
        return kind_of_brand(head[8:12])
    if head[:4] == b"RIFF":
        return {b"WEBP": PICTURE, b"AVI ": VIDEO}.get(head[8:12], "")
    if is_raw_tiff(head):
        return RAW
    for start, kind in STARTS:
        if head.startswith(start):
            return kind
    if head[:4] == b"\x01\0\0\0" and head[40:44] == b" EMF":
        return "WMF"
    if head.lstrip(b"\xef\xbb\xbf \t\r\n").startswith((b"<?xml", b"<!--", b"<!DOCTYPE svg")):
        return "SVG" if b"<svg" in head else ""
    if head[4:8] in (b"moov", b"mdat", b"wide"):  # QuickTime without a brand
        return VIDEO
    return VIDEO if is_transport_stream(head) else ""


def is_raw_tiff(head: bytes) -> bool:
    """Tell a camera's raw file that is built as a TIFF: Pillow would take its small preview for it.

    Canon's and Phase One's have a mark of their own, DNG's its version; in others the first picture
    says that it is a preview of those in sub-directories, or that its numbers are the sensor's.
    Sources: TIFF 6.0, section 2, and its supplement 1; Adobe's Digital Negative specification.
    """
    order = {b"II*\0": "<", b"MM\0*": ">"}.get(head[:4])
    if order is None or len(head) < 8:
        return False
    if head[8:10] == b"CR" or head[8:12] in (b"IIII", b"MMMM"):
        return True
    (start,) = struct.unpack_from(f"{order}I", head, 4)
    if start + 2 > len(head):
        return False
    (count,) = struct.unpack_from(f"{order}H", head, start)
    places = range(start + 2, min(start + 2 + 12 * count, len(head) - 11), 12)
    found = {struct.unpack_from(f"{order}H", head, place)[0]: place + 8 for place in places}
    if DNG_VERSION in found:
        return True
    if SUB_DIRECTORIES in found and SUBFILE_TYPE in found:
        return bool(struct.unpack_from(f"{order}I", head, found[SUBFILE_TYPE])[0] & 1)
    colours = found.get(PHOTOMETRIC)
    return colours is not None and struct.unpack_from(f"{order}H", head, colours)[0] in OF_SENSORS


def is_transport_stream(head: bytes) -> bool:
    """Tell MPEG transport streams (.ts, .mts, .m2ts): every packet begins with a G."""
    return any(
        all(head[start + n * size : start + n * size + 1] == b"G" for n in range(4))
        for start, size in TRANSPORT
    )


def kind_of_brand(brand: bytes) -> str:
    """Tell the kinds of ISO media files apart by their brand."""
    if brand in HEIC_BRANDS:
        return "HEIC"
    if brand in AVIF_BRANDS:
        return "AVIF"
    if brand == b"crx ":  # Canon
        return RAW
    return PICTURE if brand in (b"jp2 ", b"jpx ") else VIDEO


def has_decoder(kind: str) -> bool:
    """Tell whether HEIC, AVIF or JPEG XL can be decoded here; of other kinds nothing is said."""
    if kind == "AVIF":
        return "avif" in features.modules and bool(features.check("avif"))  # Pillow 11.3
    return kind in PLUGINS and find_spec(PLUGINS[kind]) is not None


def register_plugin(kind: str) -> bool:
    """Let Pillow read HEIC or JPEG XL, where its plugin is installed: -> whether it is."""
    if kind == "HEIC" and find_spec("pillow_heif"):
        from pillow_heif import register_heif_opener  # an optional extra, and slow to import

        register_heif_opener()
        return True
    if kind == "JXL" and find_spec("pillow_jxl"):
        import pillow_jxl  # noqa: F401

        return True
    return False

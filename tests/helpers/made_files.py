"""Files written byte by byte: pickles, zip archives, .safetensors, right ones and wrong ones."""

import io
import json
import struct
import warnings
import zipfile

MAGIC = 0x1950A86A20F9469CFC6C


# ---------------------------------------------------------------- pickles


def text(value: str) -> bytes:
    raw = value.encode()
    return b"X" + struct.pack("<I", len(raw)) + raw


def number(value: int) -> bytes:
    if 0 <= value < 2**31:
        return b"J" + struct.pack("<i", value)
    raw = value.to_bytes(value.bit_length() // 8 + 1, "little", signed=True)
    return b"\x8a" + bytes([len(raw)]) + raw


def name(module: str, attribute: str) -> bytes:
    return f"c{module}\n{attribute}\n".encode()


def group(*items: bytes) -> bytes:
    """Make a tuple."""
    return b"(" + b"".join(items) + b"t"


def numbers(values: tuple) -> bytes:
    return group(*[number(value) for value in values])


def call(function: bytes, *arguments: bytes) -> bytes:
    return function + group(*arguments) + b"R"


def storage(key: str, size: int, kind: str = "FloatStorage") -> bytes:
    words = [text("storage"), name("torch", kind), text(key), text("cpu"), number(size)]
    return group(*words) + b"Q"


def tensor(
    stored: bytes, offset: bytes | int = 0, shape: bytes | tuple = (4,), steps: bytes | tuple = (1,)
) -> bytes:
    hooks = name("collections", "OrderedDict") + b")R"
    return call(
        name("torch._utils", "_rebuild_tensor_v2"),
        stored,
        number(offset) if isinstance(offset, int) else offset,
        numbers(shape) if isinstance(shape, tuple) else shape,
        numbers(steps) if isinstance(steps, tuple) else steps,
        b"\x89",
        hooks,
    )


def state(items: dict[str, bytes]) -> bytes:
    """Make a dict of names and what makes their values."""
    return b"}(" + b"".join(text(key) + value for key, value in items.items()) + b"u"


def program(body: bytes, version: int = 2) -> bytes:
    return b"\x80" + bytes([version]) + body + b"."


ONE = program(state({"x": tensor(storage("0", 4))}))
FOUR = struct.pack("<4f", 1, 2, 3, 4)


# ---------------------------------------------------------------- what torch.save writes


def archive(
    entries: list[tuple[str, bytes]], packed: tuple[str, ...] = (), multiple: int = 1
) -> bytes:
    """Write a zip archive; contents start at multiples of a number of bytes, torch's is 64."""
    file = io.BytesIO()
    with warnings.catch_warnings(), zipfile.ZipFile(file, "w") as made:
        warnings.simplefilter("ignore")  # of names that come twice
        for entry, content in entries:
            info = zipfile.ZipInfo(entry)
            if multiple > 1:
                padding = -(file.tell() + 30 + len(entry) + 4) % multiple
                info.extra = struct.pack("<HH", 0x4246, padding) + b"Z" * padding
            method = zipfile.ZIP_DEFLATED if entry in packed else zipfile.ZIP_STORED
            made.writestr(info, content, compress_type=method)
    return file.getvalue()


def archive_64(entries: list[tuple[str, bytes]]) -> bytes:
    """Write an archive whose numbers all stand in 64 bits, as in files of more than 4 GB."""
    body, listed, full = b"", b"", 2**32 - 1
    for entry, content in entries:
        raw, at = entry.encode(), len(body)
        body += b"PK\3\4" + struct.pack("<5H3L2H", 45, 0, 0, 0, 0, 0, full, full, len(raw), 0)
        body += raw + content
        extra = struct.pack("<2H", 0x4246, 2) + b"ZZ"  # another field before that of the sizes
        extra += struct.pack("<2H3Q", 1, 24, len(content), len(content), at)
        numbers = (45, 45, 0, 0, 0, 0, 0, full, full, len(raw), len(extra), 0, 0, 0, 0, full)
        listed += b"PK\1\2" + struct.pack("<6H3L5H2L", *numbers) + raw + extra
    count, size, at = len(entries), len(listed), len(body)
    end = b"PK\6\6" + struct.pack("<Q2H2L4Q", 44, 45, 45, 0, 0, count, count, size, at)
    way = b"PK\6\7" + struct.pack("<LQL", 0, at + size, 1)
    last = b"PK\5\6" + struct.pack("<4H2LH", 0, 0, 2**16 - 1, 2**16 - 1, full, full, 0)
    return body + listed + end + way + last


def new(pickled: bytes = ONE, data: bytes = FOUR) -> bytes:
    """Write the zip layout."""
    return archive([("a/data.pkl", pickled), ("a/byteorder", b"little"), ("a/data/0", data)])


def old(
    pickled: bytes = ONE,
    data: bytes = struct.pack("<q", 4) + FOUR,
    *,
    magic: int = MAGIC,
    little: bytes = b"\x88",
    keys: bytes = b"](" + text("0") + b"e",
) -> bytes:
    """Write the older layout."""
    head = [number(magic), number(1001), state({"little_endian": little})]
    return b"".join(program(part) for part in head) + pickled + program(keys) + data


# ---------------------------------------------------------------- .safetensors


def safe(header: object, data: bytes = FOUR, length: int | None = None) -> bytes:
    raw = header if isinstance(header, bytes) else json.dumps(header).encode()
    return struct.pack("<Q", len(raw) if length is None else length) + raw + data


def entry(dtype: object = "F32", shape: object = (4,), offsets: object = (0, 16)) -> dict:
    return {"dtype": dtype, "shape": shape, "data_offsets": offsets}


# ---------------------------------------------------------------- damage


def patch(data: bytes, at: int, values: bytes) -> bytes:
    """Overwrite bytes; `at` may count from the end."""
    at = at % len(data)
    return data[:at] + values + data[at + len(values) :]


def field(
    data: bytes, signature: bytes, offset: int, kind: str, value: int, which: int = 0
) -> bytes:
    """Overwrite a number in the `which`-th record of a zip archive with this signature."""
    at = -1
    for _ in range(which + 1):
        at = data.index(signature, at + 1)
    return patch(data, at + offset, struct.pack(kind, value))

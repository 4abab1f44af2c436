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

"""A new shard: each picture with its caption, as webdataset and img2dataset read it.

The shard grows at its end, sample by sample: .json, picture, .txt. What a kill left of the last
sample is cut off at the next start, so the file is valid whenever one looks.
"""

from __future__ import annotations

import io
import json
import tarfile
from collections.abc import Sequence
from pathlib import Path

from PIL import Image

from ...errors import UserError
from ..rows import Row
from ..shards import Member, members, samples, text_of
from ..speak import Spoken
from .hold import Hold, cannot_write, write_durably


class ForeignError(Exception):
    """The file was not written by numpygit, or with another model."""


class Shard:
    """A tar that only ever grows at its end."""

    def __init__(self, path: Path, model: str) -> None:
        self.path, self.model = path, model
        self.hold = Hold(path)
        self.keys: set[str] = set()  # of the rows it has
        self.names: set[str] = set()  # of its samples

    def open(self) -> None:
        """Read which rows are there, and cut off what was not written to its end."""
        try:
            with self.path.open("a+b") as file:
                self.hold.take()
                end = self.read() if file.tell() else 0
                file.truncate(end)
        except OSError as error:
            raise UserError(f"{self.path} cannot be written: {error.strerror}") from None

    def read(self) -> int:
        """Read the samples: -> where the last whole one ends. Only the very last may be torn."""
        end = 0
        torn: str | None = None
        try:
            for name, parts in samples(members(self.path)):
                if torn is not None:
                    raise ForeignError(f"its sample {torn!a} is not of numpygit")
                torn = name
                if len(parts) == 3 and {"json", "txt"} <= parts.keys():
                    self.keys.add(self.key_of(name, parts["json"]))
                    self.names.add(name)
                    end, torn = max(one.offset + padded(one.size) for one in parts.values()), None
                elif next(iter(parts)) != "json":
                    raise ForeignError(f"its sample {name!a} is not of numpygit")
        except ForeignError as error:
            raise UserError(
                f"cannot go on with {self.path}: {error}; give another file for the output"
            ) from None
        except UserError as error:
            if not end and not self.is_torn_start():
                raise UserError(f"{error}; give another file for the output") from None
        return end

    def key_of(self, name: str, member: Member) -> str:
        """Read which row a sample is of; ForeignError for one of another model."""
        try:
            values = json.loads(text_of(self.path, member))
            key, model = str(values["picture"]), values["model"]
        except (ValueError, KeyError, TypeError):
            raise ForeignError(f"its sample {name!a} is not of numpygit") from None
        if model != self.model:
            raise ForeignError(f"its captions are of the model {model!r}, not {self.model!r}")
        return key

    def is_torn_start(self) -> bool:
        """Tell whether a kill left no more than the start of a first sample."""
        with self.path.open("rb") as file:
            start = file.read(tarfile.BLOCKSIZE)
        name = start[:100].rstrip(b"\0")
        return len(start) < tarfile.BLOCKSIZE or name.endswith(b".json") or b"Pax" in name

    def has(self, row: Row) -> bool:
        """Tell whether a row is in the shard."""
        return row.key in self.keys

    def write(self, spoken: Sequence[Spoken]) -> None:
        """Add samples, and wait until they are on the disk."""
        captioned = [one for one in spoken if one.text is not None]
        write_durably(self.path, b"".join(self.sample(one) for one in captioned))
        self.keys |= {one.row.key for one in captioned}

    def sample(self, spoken: Spoken) -> bytes:
        """Write one sample as the bytes of its members."""
        row, text = spoken.row, spoken.text or ""
        content = row.read()
        data = content.read_bytes() if isinstance(content, Path) else content
        name = self.free_name(row.key)
        asked = {} if row.question is None else {"question": row.question}
        values = {"picture": row.key, **asked, "caption": text, "model": self.model}
        facts = json.dumps(values).encode()
        parts = {"json": facts, ending_of(row, data): data, "txt": text.encode()}
        return b"".join(member(f"{name}.{ending}", part) for ending, part in parts.items())

    def free_name(self, key: str) -> str:
        """Name a sample: its key without ending, dots or another tar's name, and never twice."""
        folder, _, base = key.rpartition("/")
        stem = (base.rpartition(".")[0] or base).replace(".", "_")
        folder = folder.removesuffix(".tar").removesuffix(".parquet").replace(".", "_")
        name = plain = f"{folder}/{stem}" if folder else stem
        times = 1
        while name in self.names:
            times += 1
            name = f"{plain}_{times}"
        self.names.add(name)
        return name

    def finish(self) -> None:
        """Write the two empty blocks that end a tar."""
        try:
            with self.path.open("ab") as file:
                file.write(bytes(2 * tarfile.BLOCKSIZE))
        except OSError as error:
            raise cannot_write(self.path, error) from None

    def close(self) -> None:
        """Let other runs write."""
        self.hold.release()


def ending_of(row: Row, data: bytes) -> str:
    """Choose the ending of a picture: that of its file, or by what it is."""
    if isinstance(row.picture, Path) and row.picture.suffix:
        return row.picture.suffix[1:].lower()
    if "ending" in row.labels:
        return str(row.labels["ending"]).rpartition(".")[2]
    with Image.open(io.BytesIO(data)) as picture:
        return {"JPEG": "jpg"}.get(picture.format or "", (picture.format or "bin").lower())


def member(name: str, data: bytes) -> bytes:
    """Write one member of a tar: header, bytes, and zeros up to a whole block."""
    info = tarfile.TarInfo(name)
    info.size = len(data)
    header = info.tobuf(tarfile.PAX_FORMAT, "utf-8", "surrogateescape")
    return header + data + bytes(padded(len(data)) - len(data))


def padded(size: int) -> int:
    """Round up to whole blocks."""
    return -(-size // tarfile.BLOCKSIZE) * tarfile.BLOCKSIZE

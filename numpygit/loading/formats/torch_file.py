"""What `torch.save` writes: a pickle, and beside it the numbers. Read without torch.

Since torch 1.6 such a file is a zip archive with `NAME/data.pkl` and one entry `NAME/data/KEY` for
each storage. Before, it was five pickles one after the other (a magic number, a version, the
machine it was written on, the object, the keys of its storages) and then the storages.

Source: torch 2.13, `torch/serialization.py`, `_load` and `_legacy_load`.
"""

from __future__ import annotations

from collections import Counter
from mmap import mmap
from pathlib import Path
from typing import Any

from ...errors import UserError
from ...model.params import Array
from . import archive
from .mapped import DTYPES, let_go, map_file, read_array, stand_in
from .pickled import Machine, Storage, View

MAGIC = 0x1950A86A20F9469CFC6C
WRAPPERS = ("model", "state_dict")  # what training programs put around a state dict
Spans = dict[str, tuple[int, int]]  # key of a storage -> (start, size) in bytes


def read_torch(path: Path, *, look_only: bool = False) -> dict[str, Array]:
    """Read a state dict: name -> float32 array, or integers as they are."""
    try:
        return read(path, look_only=look_only)
    except UserError as error:
        raise UserError(f"{path} is refused: {error}") from None


def read(path: Path, *, look_only: bool = False) -> dict[str, Array]:
    """Read a state dict; complaints do not name the file."""
    data = map_file(path)
    if data[:4] == archive.LOCAL:
        value, spans = open_archive(data)
    elif data[:1] == b"\x80":
        value, spans = open_legacy(data)
    else:
        raise UserError("it is no file that torch wrote")
    views = views_in(value)
    check_shares(views)
    let_go(data)
    arrays: dict[View, Array] = {}  # two names for one view get one array: tied weights stay tied
    for view in views.values():
        if view not in arrays:
            arrays[view] = (
                stand_in(view.storage.dtype, view.shape)
                if look_only
                else look(path, data, view, spans)
            )
    return {name: arrays[view] for name, view in views.items()}


def open_archive(data: mmap) -> tuple[Any, Spans]:
    """Read the pickle of a zip archive; list where its storages are."""
    entries = archive.entries(data)
    roots = [name.removesuffix("/data.pkl") for name in entries if name.endswith("/data.pkl")]
    if len(roots) != 1:
        raise UserError(f"its archive has {len(roots)} pickles called data.pkl, expected one")
    order_start, order_size = entries.get(f"{roots[0]}/byteorder", (0, 0))
    if data[order_start : order_start + min(order_size, 10)] not in (b"", b"little"):
        raise UserError("it was written on a big-endian machine, which is not supported")
    start, size = entries[f"{roots[0]}/data.pkl"]
    machine = Machine(data, start, start + size)
    value = machine.run()
    spans = {}
    for key, storage in machine.storages.items():
        where = entries.get(f"{roots[0]}/data/{key}")
        if where is None or where[1] < bytes_of(storage):
            raise UserError(f"its archive lacks numbers of storage {key[:40]!r}")
        spans[key] = where
    return value, spans


def open_legacy(data: mmap) -> tuple[Any, Spans]:
    """Read the five pickles of the older layout; list where its storages are."""
    machine = Machine(data)
    if machine.run() != MAGIC:
        raise UserError("it is a pickle, but no file that torch wrote")
    machine = Machine(data, machine.at)
    machine.run()  # the version, which has been 1001 all the time
    machine = Machine(data, machine.at)
    written_on = machine.run()
    if type(written_on) is dict and written_on.get("little_endian") is not True:
        raise UserError("it was written on a big-endian machine, which is not supported")
    machine = Machine(data, machine.at)
    value, storages = machine.run(), machine.storages
    machine = Machine(data, machine.at)
    keys = machine.run()
    if type(keys) is not list or any(type(key) is not str for key in keys):
        raise UserError("its list of storages is no list of keys")
    if sorted(keys) != sorted(storages):
        raise UserError("its list of storages is not that of its tensors")
    spans, at = {}, machine.at
    for key in keys:
        size = bytes_of(storages[key])
        if int.from_bytes(data[at : at + 8], "little") != storages[key].size:
            raise UserError(f"storage {key[:40]!r} is missing or has another size")
        if at + 8 + size > len(data):
            raise UserError(f"it is cut short: storage {key[:40]!r} is not complete")
        spans[key] = (at + 8, size)
        at += 8 + size
    return value, spans


def views_in(value: Any) -> dict[str, View]:
    """Find the state dict in what was saved."""
    for wrapper in WRAPPERS:
        if type(value) is dict and type(value.get(wrapper)) is dict:
            value = value[wrapper]
    if type(value) is not dict:
        raise UserError("it holds no state dict")
    for name, view in value.items():
        if type(name) is not str or type(view) is not View:
            raise UserError(f"it holds no state dict: {str(name)[:80]!r} is no tensor")
    return value


def check_shares(views: dict[str, View]) -> None:
    """Refuse many different tensors over the same few numbers: copies would fill the memory."""
    asked: Counter[Storage] = Counter()
    for view in set(views.values()):
        asked[view.storage] += view.count
    for storage, count in asked.items():
        if count > 4 * storage.size:
            raise UserError(f"its tensors take {count} numbers from a storage of {storage.size}")


def look(path: Path, data: mmap, view: View, spans: Spans) -> Array:
    """Give the array that a view describes."""
    dtype = view.storage.dtype
    start = spans[view.storage.key][0] + view.offset * DTYPES[dtype].itemsize
    return read_array(path, data, start=start, dtype=dtype, shape=view.shape, steps=view.steps)


def bytes_of(storage: Storage) -> int:
    """Count the bytes of a storage."""
    return storage.size * DTYPES[storage.dtype].itemsize

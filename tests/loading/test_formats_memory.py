"""How much memory weights take, from the moment of loading until each number has been used."""

import struct
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
from made_files import archive, entry, old, program, safe, state, storage, tensor, text

pytestmark = pytest.mark.slow

MEASURE = """
import sys
from pathlib import Path
from numpygit.loading.formats import read_file

def peak():
    lines = Path("/proc/self/status").read_text().splitlines()
    return 1024 * int(next(line.split()[1] for line in lines if line.startswith("VmHWM")))

folder = Path(sys.argv[1])
read_file(folder / ("small" + sys.argv[2]))
before = peak()
tensors = read_file(folder / ("large" + sys.argv[2]))
loaded = peak()
total = sum(float(array.sum()) for array in tensors.values())
print(loaded - before, peak() - before, total)
"""
TENSORS, NUMBERS = 20, 2**20
FLOATS = np.ones(NUMBERS, "<f4")
KINDS = ["zip", "zip unaligned", "zip of halves", "old", "safetensors", "safetensors unaligned"]


def write(path: Path, kind: str, array: np.ndarray) -> None:
    """Write many tensors of the same numbers."""
    raw, size, names = array.tobytes(), array.size, [str(i) for i in range(TENSORS)]
    if kind.startswith("safetensors"):
        header, at = {}, 0
        for i in names:
            header[i] = entry(shape=[size], offsets=[at, at + len(raw)])
            at += len(raw)
        content = safe(header, b"")
        spaces = -len(content) % 4 + (2 if "unaligned" in kind else 0)
        length = struct.pack("<Q", len(content) - 8 + spaces)
        path.write_bytes(length + content[8:] + b" " * spaces + raw * TENSORS)
        return
    storage_type = "HalfStorage" if array.dtype == np.float16 else "FloatStorage"
    views = {i: tensor(storage(i, size, storage_type), 0, (size,)) for i in names}
    pickled = program(state(views))
    if kind == "old":
        keys = b"](" + b"".join(text(i) for i in names) + b"e"
        path.write_bytes(old(pickled, (struct.pack("<q", size) + raw) * TENSORS, keys=keys))
    else:
        entries = [("ab/data.pkl", pickled), *[(f"ab/data/{i}", raw) for i in names]]
        path.write_bytes(archive(entries, multiple=1 if "unaligned" in kind else 64))


@pytest.mark.skipif(not Path("/proc/self/status").exists(), reason="only Linux tells the peak")
@pytest.mark.parametrize("kind", KINDS)
def test_weights_take_their_own_size_and_no_more(kind, tmp_path):
    suffix = ".safetensors" if "safe" in kind else ".bin"
    array = FLOATS.astype("<f2") if "halves" in kind else FLOATS
    write(tmp_path / f"small{suffix}", kind, array[:16])
    write(tmp_path / f"large{suffix}", kind, array)
    done = subprocess.run(
        [sys.executable, "-c", MEASURE, str(tmp_path), suffix],
        capture_output=True,
        text=True,
        check=True,
        env={"PYTHONPATH": str(Path(__file__).parents[2]), "OPENBLAS_NUM_THREADS": "1"},
    )
    loaded, used, total = [float(number) for number in done.stdout.split()]
    weights = 4 * NUMBERS * TENSORS
    assert total == NUMBERS * TENSORS
    assert used <= (1.15 if suffix == ".safetensors" else 1.3) * weights
    if kind in ("zip", "safetensors"):  # mapped; the check for finite numbers reads vectors
        assert loaded <= 1.05 * weights

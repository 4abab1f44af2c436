"""Damage small files of every kind at random and read them, for as long as asked.

    python tests/helpers/fuzz_files.py --minutes 10 --seed 1

A damaged file may load, because much of it is numbers, or end in UserError. A finding is anything
else: another exception, five seconds without an end, memory beyond a bound, or a .safetensors file
that is read here and that the package of its inventors refuses. Findings are kept in a folder.
"""

from __future__ import annotations

import argparse
import random
import resource
import shutil
import signal
import struct
import sys
import tempfile
import time
from collections import Counter
from pathlib import Path

from made_files import FOUR, entry, new, old, safe
from safetensors import SafetensorError, safe_open

from numpygit import loading
from numpygit.errors import UserError
from numpygit.loading.formats import read_tensors

FILES = Path(__file__).parents[2] / "golden" / "files"
MEMORY = 400 * 2**20  # address space beyond what the process has when it begins
SECONDS = 5
EDGES = (0, 1, 4, 127, 128, 255, 2**15, 2**16 - 1, 2**31 - 1, 2**31, 2**32 - 1, 2**62, 2**63,
         2**64 - 1)  # fmt: skip
OPCODES = b".(0QRN\x88\x89KMJ\x8aGXUT\x8c)t\x85\x86\x87]ae}suqrhj\x94cb\x93\x80\x95PIiov\x81\x82"
TOKENS = (b"0", b"-1", b"1e999", b"null", b"[]", b"{}", b'""', b"18446744073709551616", b"[[[[",
          b'"F16"', b'"BF16"', b'"I64"', b"true", b"NaN", b"0.5")  # fmt: skip

Sample = tuple[str, str, bytes]  # folder of the other files, name, content


def samples() -> list[Sample]:
    """List the right files: what torch wrote, and the smallest of their kinds."""
    found: list[Sample] = []
    for path in sorted(FILES.rglob("*")):
        if path.suffix in (".bin", ".pt") or path.name.endswith(".index.json"):
            beside = path.parent.name if path.parent != FILES else "bin"
            name = path.name if path.parent != FILES else "pytorch_model.bin"
            found.append((beside, name, path.read_bytes()))
    found.append(("bin", "model.safetensors", (FILES / "true.safetensors").read_bytes()))
    two = {"x": entry(shape=[2, 1], offsets=[0, 8]), "y": entry("BF16", [4], [8, 16])}
    few = (FILES / "few.bin").read_bytes(), (FILES / "few_old.bin").read_bytes()
    for content in (new(), old(), *few):
        found += [("bin", "pytorch_model.bin", content)] * 4
    found += [("bin", "model.safetensors", safe(two))] * 8
    found += [("bin", "model.safetensors", safe({"__metadata__": {"a": "b"}} | two, FOUR))] * 8
    return found


def damage(chance: random.Random, content: bytes, other: bytes) -> bytes:
    """Change a file in one way."""
    at = chance.randrange(len(content) + 1)
    if chance.random() < 0.5:  # where the structure is: at the beginning or at the end
        at = min(at, chance.randrange(400)) if chance.random() < 0.6 else max(
            0, len(content) - chance.randrange(400)
        )  # fmt: skip
    size = chance.choice((1, 1, 2, 4, 8, chance.randrange(1, 60)))
    rest = content[at + size :]
    match chance.randrange(10):
        case 0:
            return content[:at] + bytes([chance.randrange(256)]) + content[at + 1 :]
        case 1:
            kind, width = chance.choice((("<B", 8), ("<H", 16), ("<I", 32), ("<Q", 64), (">I", 32)))
            raw = struct.pack(kind, chance.choice(EDGES) % 2**width)
            return content[:at] + raw + content[at + len(raw) :]
        case 2:
            return content[:at] + rest
        case 3:
            return content[:at] + content[at : at + size] * chance.choice((2, 3, 100)) + rest
        case 4:
            return content[:at] + chance.randbytes(size) + content[at:]
        case 5:
            return content[:at]
        case 6:
            start = chance.randrange(len(other) + 1)
            return content[:at] + other[start : start + size] + rest
        case 7 | 8:
            return content[:at] + bytes([chance.choice(OPCODES)]) + content[at + 1 :]
    places = [i for i, byte in enumerate(content[:3000]) if byte in b'0123456789[]{}",'] or [0]
    at = chance.choice(places)
    return content[:at] + chance.choice(TOKENS) + content[at + 1 :]


def stop(number: int, frame: object) -> None:
    """End a case that takes too long."""
    raise TimeoutError(f"more than {SECONDS} seconds")


def judge(folder: Path, name: str) -> tuple[str, str]:
    """Read one folder: what came of it, and what is wrong with that if anything is."""
    signal.alarm(SECONDS)
    outcome, finding = "refused", ""
    try:
        read_tensors(folder)
        outcome = "read, but no model of its config"
        loading.load(folder)
        outcome = "loaded"
    except UserError as error:
        said = str(error)
        long = len(said) > 1500 or "\n" in said
        finding = "a message that is no sentence" if long else ""
    except BaseException as error:
        outcome, finding = "crashed", f"{type(error).__name__}: {str(error)[:300]}"
        if isinstance(error, KeyboardInterrupt):
            raise
    finally:
        signal.alarm(0)
    if outcome not in ("refused", "crashed") and name.endswith(".safetensors"):
        try:
            with safe_open(folder / name, framework="numpy"):
                pass
        except SafetensorError as error:
            finding = f"read here, refused by the safetensors package: {error}"
    return outcome, finding


def main() -> int:
    """Run until the time is over; return 1 if there are findings."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--minutes", type=float, default=1)
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--findings", type=Path, default=Path("fuzz-findings"))
    given = parser.parse_args()
    chance, all_samples = random.Random(given.seed), samples()
    pages = int(Path("/proc/self/statm").read_text().split()[0])
    limit = pages * resource.getpagesize() + MEMORY
    resource.setrlimit(resource.RLIMIT_AS, (limit, limit))
    signal.signal(signal.SIGALRM, stop)
    counts: Counter[str] = Counter()
    end = time.monotonic() + 60 * given.minutes
    room = Path(tempfile.mkdtemp(dir="/dev/shm" if Path("/dev/shm").is_dir() else None))
    while time.monotonic() < end:
        beside, name, content = chance.choice(all_samples)
        for _ in range(chance.choice((1, 1, 1, 2, 4))):
            content = damage(chance, content, chance.choice(all_samples)[2])
        folder = room / "case"
        shutil.copytree(FILES / beside, folder)
        for path in folder.glob("pytorch_model.bin" if name == "model.safetensors" else name):
            path.unlink()
        (folder / name).write_bytes(content)
        outcome, finding = judge(folder, name)
        counts[f"{name.split('-')[0]}: {outcome}"] += 1
        if finding:
            counts["findings"] += 1
            kept = given.findings / f"{given.seed}-{sum(counts.values())}"
            shutil.copytree(folder, kept)
            print(f"{kept}/{name}: {finding}", flush=True)
        shutil.rmtree(folder)
    room.rmdir()
    print(f"{sum(counts.values()) - counts['findings']} cases, {counts['findings']} findings")
    print("\n".join(f"  {count:7} {what}" for what, count in sorted(counts.items())))
    return 1 if counts["findings"] else 0


if __name__ == "__main__":
    sys.exit(main())

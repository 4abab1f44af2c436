"""Change one thing or more in the settings of a checkpoint, and try to use it: python
tests/helpers/fuzz_settings.py [cases] [seed]

Every field of every JSON file gets values of every kind, and `tokenizer.json` is changed anywhere.
A case ends well if the model loads and writes a caption, or if there is one UserError. Counted are
cases that end otherwise, that take more than 5 seconds, and the peak of memory; the exit code is 0
if all went well and memory stayed below 1 GB.
"""

from __future__ import annotations

import argparse
import json
import random
import resource
import shutil
import sys
import tempfile
import time
import traceback
import warnings
from collections import Counter
from collections.abc import Callable
from pathlib import Path
from typing import Any

ROOT = Path(__file__).parents[2]
sys.path[:0] = [str(ROOT)]

import numpy as np  # noqa: E402
from PIL import Image  # noqa: E402

import numpygit  # noqa: E402
from numpygit.errors import UserError  # noqa: E402
from numpygit.loading import fields  # noqa: E402

MOST_SECONDS, MOST_MEGABYTES = 5.0, 1000
TINY = ROOT / "golden" / "tiny"
FILES = {
    "config.json": fields.CONFIG,
    "preprocessor_config.json": fields.PREPROCESSOR,
    "generation_config.json": fields.GENERATION,
    "tokenizer_config.json": fields.TOKENIZER,
}
OWN = [
    "self",
    "cls",
    "__dict__",
    "__class__",
    "settings",
    "from_dict",
    "",
    "a b",
    "\ud800",
    "x" * 999,
]
VALUES: list[Any] = [
    None, True, False, 0, 1, 2, 3, 4, -1, 4.0, 2.5, -0.0, 1e-300, 1e308, 10**6, 10**9, 10**18,
    10**400,
    float("nan"), float("inf"), float("-inf"), "", "4", "no", "true", "NaN", "\0", "\ud800",
    "é" * 300,
    "gelu", "absolute", "right", "left", [], [1], [1, 2, 3], [0.5] * 3, [float("nan")] * 3, ["a"],
    [[1, 2]], [[]], [[[1], 2.0]], {}, {"a": 1}, {"shortest_edge": 18}, {"height": 18, "width": 18},
    {"shortest_edge": 10**6}, {"height": -1, "width": 18}, {"content": "[PAD]"}, {"1": [0]},
    [0] * 5000, {str(i): i for i in range(300)},
]  # fmt: skip


def deep(levels: int) -> Any:
    """Make a list in a list in a list ..."""
    value: Any = []
    for _ in range(levels):
        value = [value]
    return value


def any_value(rng: random.Random) -> Any:
    """Draw a value of any kind."""
    kind = rng.random()
    if kind < 0.8:
        return rng.choice(VALUES)
    if kind < 0.85:
        return deep(rng.choice([5, 40, 500]))
    return rng.choice([rng.randint(-(2**70), 2**70), rng.gauss(0, 1e3), rng.randint(0, 300)])


def change_fields(values: dict[str, Any], table: Any, rng: random.Random) -> None:
    """Set one to three fields; now and then one with a name that Python keeps for itself."""
    for _ in range(rng.choice([1, 1, 1, 2, 3])):
        name = rng.choice(OWN) if rng.random() < 0.05 else rng.choice(sorted(table))
        inside = values.get("vision_config")
        if isinstance(inside, dict) and rng.random() < 0.3:
            inside[rng.choice(sorted(fields.VISION))] = any_value(rng)
        elif rng.random() < 0.05:
            values.pop(name, None)
        else:
            values[name] = any_value(rng)


def change_anywhere(value: Any, rng: random.Random) -> Any:
    """Change one place somewhere in a JSON value."""
    if isinstance(value, dict) and value and rng.random() < 0.93:
        name = rng.choice(list(value))
        if rng.random() < 0.1:
            return {n: v for n, v in value.items() if n != name}
        return {**value, name: change_anywhere(value[name], rng)}
    if isinstance(value, list) and value and rng.random() < 0.93:
        place = rng.randrange(len(value))
        return [*value[:place], change_anywhere(value[place], rng), *value[place + 1 :]]
    return rng.choice([any_value(rng), component(rng)])


def component(rng: random.Random) -> Any:
    """Draw a component of the tokenizers package, most of which no BERT tokenizer has."""
    kinds: list[dict[str, Any]] = [
        {"type": "Precompiled", "precompiled_charsmap": "AAAA"},
        {"type": "Split", "pattern": {"Regex": "(a+)+$"}, "behavior": "Isolated", "invert": False},
        {"type": "Replace", "pattern": {"Regex": ""}, "content": "x" * 1000},
        {"type": "Sequence", "normalizers": [{"type": "NFC"}] * 50},
        {"type": "BPE", "vocab": {}, "merges": []}, {"type": "Unigram", "vocab": [], "unk_id": 9},
        {"type": "Lowercase"}, {"type": "Prepend", "prepend": "x" * 10**4}, {"type": "ByteLevel"},
        {"type": "WordPiece", "prefix": "", "cleanup": True}, {"type": "BertPreTokenizer"},
    ]  # fmt: skip
    return rng.choice(kinds)


def checkpoint(folder: Path) -> dict[str, dict[str, Any]]:
    """Write the tiny checkpoint into a folder: -> the contents of its JSON files."""
    folder.mkdir(exist_ok=True)
    for name in ("config.json", "model.safetensors"):
        shutil.copyfile(TINY / name, folder / name)
    config = json.loads((folder / "config.json").read_text(encoding="utf-8"))
    size = config["vision_config"]["image_size"]
    words = (ROOT / "golden" / "words" / "vocab.txt").read_text(encoding="utf-8").splitlines()
    (folder / "vocab.txt").write_text("\n".join(words[: config["vocab_size"]]), encoding="utf-8")
    files: dict[str, dict[str, Any]] = {
        "config.json": config,
        "preprocessor_config.json": {"size": {"shortest_edge": size},
                                     "crop_size": {"height": size, "width": size}},
        "generation_config.json": {"max_length": 5},
        "tokenizer_config.json": {"do_lower_case": True},
    }  # fmt: skip
    tokenizer = numpygit.GitTokenizer.from_pretrained(write(folder, files)).vocabulary.tokenizer
    files["tokenizer.json"] = json.loads(tokenizer.to_str())
    return files


def write(folder: Path, files: dict[str, dict[str, Any]]) -> Path:
    """Write JSON files into a folder."""
    for name, values in files.items():
        (folder / name).write_text(json.dumps(values), encoding="utf-8")
    return folder


def use(folder: Path) -> str:
    """Load a checkpoint and write a caption: -> how it ended."""
    picture = Image.fromarray(np.arange(30 * 40 * 3, dtype=np.uint8).reshape(30, 40, 3))
    try:
        with warnings.catch_warnings(), np.errstate(all="ignore"):
            warnings.simplefilter("ignore")
            captioner = numpygit.load(folder)
            captioner.caption(picture, max_length=4)
            captioner.answer(picture, "how many?")
    except UserError as error:
        return "refused" if len(str(error)) < 1500 else f"a message of {len(str(error))} letters"
    except KeyboardInterrupt:
        raise
    except BaseException:
        return "TRACEBACK " + traceback.format_exc(limit=-2)
    return "used"


def run(cases: int, seed: int, note: Callable[[str], object] = print) -> tuple[Counter[str], float]:
    """Try so many cases: -> how they ended, and the seconds of the slowest."""
    ends: Counter[str] = Counter()
    slowest = 0.0
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name) / "tiny"
        files = checkpoint(folder)
        for case in range(cases):
            rng = random.Random(seed * 10**6 + case)
            changed = json.loads(json.dumps(files))
            file = rng.choice([*FILES, "tokenizer.json"])
            if file == "tokenizer.json":
                changed[file] = change_anywhere(changed[file], rng)
            else:
                change_fields(changed[file], FILES[file], rng)
            write(folder, changed)
            begin = time.monotonic()
            end = use(folder)
            seconds = time.monotonic() - begin
            slowest = max(slowest, seconds)
            if seconds > MOST_SECONDS:
                end = f"SLOW {seconds:.1f} s, {end}"
            ends[end.split()[0]] += 1
            if end not in ("used", "refused"):
                note(f"case {case} of seed {seed}, {file}: {end}")
    return ends, slowest


def main() -> int:
    """Run the cases that the command line asks for; return the exit code."""
    parser = argparse.ArgumentParser(description="Change settings of a checkpoint, and load it.")
    parser.add_argument("cases", type=int, nargs="?", default=20_000)
    parser.add_argument("seed", type=int, nargs="?", default=0)
    options = parser.parse_args()
    cases = options.cases
    ends, slowest = run(cases, options.seed)
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss // 1024
    print(f"{cases} cases: {dict(ends)}; slowest {slowest:.2f} s, peak {peak} MB")
    return 0 if set(ends) <= {"used", "refused"} and peak < MOST_MEGABYTES else 1


if __name__ == "__main__":
    sys.exit(main())

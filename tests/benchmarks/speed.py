"""How fast numpygit is, beside transformers on PyTorch and beside the products alone.

    python tests/benchmarks/speed.py [--peers FOLDER | --peer NAME=PYTHON] [--cores 1 2 4 8]
        [--rounds 5] [--job NAME ...] [--processes 2 4 [--at-once 8 32]] [--output FILE]

FOLDER holds the environments that make_peers.sh makes; PYTHON is one that has torch and
transformers already. Without either only numpygit and the floor are measured. numpygit is measured
twice: as in the command and in programs that import it before NumPy, and as in a program that has
loaded NumPy before (fast/__init__.py says what differs). All programs run the same seeded
checkpoint in git-base's geometry, float32, on the same cores. They take turns within every round;
a turn in which other programs used more than a tenth of the cores is measured again.
What the programs answer must be equal before any time counts: where words differ, both are asked
for the two logits, and only a tie, a difference within rounding, is let pass and told.
The floors are the times of the matrix products that nobody can avoid, in NumPy's BLAS and torch's.

Prints a table for each number of cores, and writes them with all numbers to FILE.md and FILE.json,
after every job.
"""

from __future__ import annotations

import argparse
import json
import os
import platform
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from datetime import date
from functools import partial
from itertools import product
from pathlib import Path

import numpy as np
from PIL import Image

ROOT = Path(__file__).parents[2]
sys.path[:0] = [str(ROOT), str(ROOT / "golden"), str(Path(__file__).parent)]

from answers import compare  # noqa: E402
from programs import Processes, Program, environment, kind_of, pinned, quiet_turn  # noqa: E402

FLOORS = ("floor", "torch-floor")
NUMPY_FIRST = "numpygit, NumPy first"
FOLDER = "folder, {} at once"
FOLDERS = {FOLDER.format(size) for size in (8, 32)}
SLOW = {  # takes minutes
    "transformers 4.37.2": {"batch 8, greedy 20", "batch 32, greedy 20", *FOLDERS},
    NUMPY_FIRST: FOLDERS,
}
LONG = 3  # seconds: of a job that takes longer the first turn counts too
COLD_START = "cold start"
BY_PROCESSES = "folder by processes"  # as a job: nothing but that
COLD = {
    "numpygit": """
import sys, numpygit
print(numpygit.load(sys.argv[1]).caption(sys.argv[2], max_length=21))
""",
    "transformers": """
import sys, torch
from PIL import Image
from transformers import GitForCausalLM, GitProcessor
model = GitForCausalLM.from_pretrained(sys.argv[1], torch_dtype=torch.float32).eval()
processor = GitProcessor.from_pretrained(sys.argv[1])
pixels = processor(images=Image.open(sys.argv[2]), return_tensors="pt").pixel_values
ids = model.generate(torch.tensor([[101]]), pixel_values=pixels, max_length=21, eos_token_id=102,
                     pad_token_id=0)
print(processor.batch_decode(ids, skip_special_tokens=True)[0])
""",
}
PEAK = """
line = next(line for line in open("/proc/self/status") if line.startswith("VmHWM"))
print(line.split()[1])
"""


def make_checkpoint(folder: Path, size: str, pictures: int) -> None:
    """Write a whole seeded checkpoint of an official size, and some pictures."""
    from safetensors.numpy import save_file
    from seeded import seeded_tensors

    from numpygit.loading.config import GitConfig
    from numpygit.loading.names import tensor_shapes

    changes = json.loads((ROOT / "golden" / "geometries.json").read_text())[size]
    tensors = seeded_tensors(tensor_shapes(GitConfig.from_dict(changes)), seed=2)
    save_file(tensors, folder / "model.safetensors", metadata={"format": "pt"})
    words = [f"w{number}" for number in range(30522)]
    words[0], words[100:104] = "[PAD]", ["[UNK]", "[CLS]", "[SEP]", "[MASK]"]
    (folder / "vocab.txt").write_text("\n".join(words) + "\n")
    settings = {
        "config.json": {"model_type": "git", "architectures": ["GitForCausalLM"], **changes},
        "tokenizer_config.json": {"tokenizer_class": "BertTokenizer", "do_lower_case": True},
        "preprocessor_config.json": {
            "image_processor_type": "CLIPImageProcessor",
            "processor_class": "GitProcessor",
            "size": {"shortest_edge": 224},
            "crop_size": {"height": 224, "width": 224},
        },
    }
    for name, values in settings.items():
        (folder / name).write_text(json.dumps(values))
    (folder / "pictures").mkdir()
    rng = np.random.default_rng(1)
    for number in range(pictures):
        small = Image.fromarray(rng.integers(0, 256, (12, 16, 3), np.uint8))
        small.resize((640, 480)).save(folder / "pictures" / f"{number:03}.jpg", quality=90)


def measure(
    found: dict, programs: dict[str, Program], jobs: list[str], rounds: int, save: Callable,
    *, alone: bool, wrong: bool,
) -> None:  # fmt: skip
    """Let the programs take turns: seconds and peaks of each job and program, and ties."""
    for job in jobs:
        able = {
            name: p
            for name, p in programs.items()
            if job in p.jobs and job not in SLOW.get(name, ())
        }
        warm = {name: program.do(job, 1) for name, program in able.items()}
        used = {name: answer["used"] for name, answer in warm.items()}
        answers = {name: answer["result"] for name, answer in warm.items() if name not in FLOORS}
        found["ties"] += compare(job, answers, able, wrong)
        times: dict[str, list[float]] = {name: [] for name in able}
        rejected = 0
        found["peaks"][job] = {name: answer["peak"] for name, answer in warm.items()}
        if max(answer["seconds"][0] for answer in warm.values()) > LONG:
            times = {name: list(answer["seconds"]) for name, answer in warm.items()}
        for _ in range(rounds - len(times["numpygit"])):
            for name, program in able.items():
                for _attempt in range(4 if alone else 1):
                    answer, quiet = quiet_turn(program, job, 1, used[name])
                    used[name] = answer["used"]
                    if quiet or not alone:
                        break
                    rejected += 1
                times[name] += answer["seconds"]
                found["peaks"][job][name] = answer["peak"]
        found["times"][job] = times
        middle = {name: round(statistics.median(times[name]), 4) for name in times}
        print(f"{job}: {middle}, {rejected} turns measured again", *found["ties"], sep="\n",
              file=sys.stderr, flush=True)  # fmt: skip
        save()


def by_processes(
    found: dict, pythons: dict[str, str], folder: Path, cores: range, asked: argparse.Namespace,
    save: Callable,
) -> None:  # fmt: skip
    """Let several processes share the folder: seconds and peaks of each number of them."""
    for count, size in product(asked.processes, asked.at_once):
        job = FOLDER.format(size)
        row = f"{job}, {count} processes"
        crews = {name: Processes(python, name, folder, cores, count)
                 for name, python in pythons.items()}  # fmt: skip
        told = {name: crew.do(job, 8 * count)[1] for name, crew in crews.items()}  # warm
        times: dict[str, list[float]] = {name: [] for name in crews}
        for _ in range(asked.rounds):
            for name, crew in crews.items():
                time.sleep(0.3)
                seconds, told[name], peak = crew.do(job)
                times[name].append(seconds)
                found["peaks"].setdefault(row, {})[name] = peak
        for crew in crews.values():
            crew.end()
        if any(texts != told["numpygit"] for texts in told.values()):
            found["ties"].append(f"{row}: other captions than numpygit's; no time counts")
        found["times"][row] = times
        print(f"{row}: {times}", file=sys.stderr, flush=True)
        save()


def best_of_folder(times: dict) -> list[str]:
    """Say which setting of the folder is the best of each program."""
    rows = {job: row for job, row in times.items() if job.startswith("folder")}
    best: dict[str, tuple[float, str]] = {}
    for job, row in rows.items():
        for name, seconds in row.items():
            middle = statistics.median(seconds)
            best[name] = min(best.get(name, (middle, job)), (middle, job))
    return [
        f"\nFolder, best setting, {name}: {seconds:.2f} s ({job}), ratio "
        f"{seconds / best['numpygit'][0]:.2f}."
        for name, (seconds, job) in best.items()
    ]


def cold_starts(pythons: dict[str, str], folder: Path, cores: range, rounds: int) -> dict:
    """Start, load, caption one JPEG and end, in processes of their own."""
    picture = str(folder / "pictures" / "000.jpg")
    found: dict[str, dict[str, list[float]]] = {
        name: {"seconds": [], "peak": []} for name in pythons
    }
    texts = set()
    for turn in range(rounds + 1):  # the first warms the disk
        for name, python in pythons.items():
            code = COLD["numpygit" if name == "numpygit" else "transformers"] + PEAK
            time.sleep(0.3)
            start = time.perf_counter()
            run = subprocess.run(
                [*pinned(cores), python, "-c", code, str(folder), picture],
                capture_output=True, text=True, check=True, env=environment(len(cores)),
            )  # fmt: skip
            if turn:
                found[name]["seconds"].append(time.perf_counter() - start)
                found[name]["peak"].append(int(run.stdout.split()[-1]) * 1024)
            texts.add(run.stdout.splitlines()[0])
    if len(texts) != 1:
        sys.exit(f"the captions of the cold start differ: {texts}")
    return found


def table(times: dict, cold: dict, weights: int) -> list[str]:
    """Lay the medians out, with the ratio of each to numpygit's."""
    names = [
        "numpygit",
        *dict.fromkeys(n for row in times.values() for n in row if n != "numpygit"),
    ]
    lines = [
        "| job | " + " | ".join(n if n == "numpygit" else f"{n} | ratio" for n in names) + " |",
        "|---" * (2 * len(names)) + "|",
    ]
    for job, row in times.items():
        middle = {name: statistics.median(seconds) for name, seconds in row.items()}
        low, high = min(row["numpygit"]), max(row["numpygit"])
        cells = [f"{middle['numpygit']:.3f} s ({low:.3f} to {high:.3f})"]
        for name in names[1:]:
            if name not in middle:
                cells += ["", ""]
                continue
            mine = middle["numpygit"]
            ratio = mine / middle[name] if name in FLOORS else middle[name] / mine
            cells += [f"{middle[name]:.3f} s", f"{ratio:.2f}"]
        lines.append(f"| {job} | " + " | ".join(cells) + " |")
    lines += best_of_folder(times)
    for name, found in cold.items():
        seconds, peak = (statistics.median(found[key]) for key in ("seconds", "peak"))
        lines.append(
            f"\nCold start to the caption of a JPEG, {name}: {seconds:.2f} s, at most "
            f"{peak / 1e6:.0f} MB resident, {peak / weights:.2f} of the weights."
        )
    return lines


def blas() -> str:
    """Name the library that NumPy multiplies with, and the processor it chose."""
    built = np.show_config(mode="dicts")["Build Dependencies"]["blas"]
    from numpygit.fast.threads import find_openblas

    found = find_openblas()
    return f"{built.get('name')} {built.get('version')}, {found.core if found else 'no OpenBLAS'}"


def machine(size: str) -> str:
    """Say what this was measured on."""
    info = Path("/proc/cpuinfo").read_text()
    lines = dict(line.split("\t: ", 1) for line in info.splitlines() if "\t: " in line)
    width = "AVX-512" if "avx512f" in info else "AVX2" if "avx2" in info else "no AVX2"
    kind = ", ".join(
        f"{key.strip()} {lines[key]}" for key in lines if key.strip() in ("cpu family", "model")
    )
    name = next(value for key, value in lines.items() if key.strip() == "model name")
    return (
        f"{date.today()}, {os.cpu_count()} cores of {name} ({kind}, {width}), "
        f"load {os.getloadavg()[0]:.1f}, "
        f"Python {platform.python_version()}, NumPy {np.__version__} ({blas()}); float32, seeded "
        f"{size}; medians; ratio = peer / numpygit, floors: numpygit / floor"
    )


def options() -> argparse.Namespace:
    """Read the command line."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--peers", type=Path, metavar="FOLDER")
    parser.add_argument("--peer", action="append", default=[], metavar="NAME=PYTHON")
    parser.add_argument("--cores", type=int, nargs="+", default=[min(4, os.cpu_count() or 1)])
    parser.add_argument("--first", type=int, default=0, help="the first core to use")
    parser.add_argument("--shared", action="store_true",
                        help="other cores are in use: do not measure turns again")  # fmt: skip
    parser.add_argument("--wrong-words", action="store_true",
                        help="a peer is known to write other words (transformers 5.0 to 5.17): "
                        "measure it all the same, and tell")  # fmt: skip
    parser.add_argument("--size", choices=["base-224", "large-224"], default="base-224")
    parser.add_argument("--pictures", type=int, default=64, help="in the folder")
    parser.add_argument("--processes", type=int, nargs="+", default=[],
                        help="let so many processes share the folder, too")  # fmt: skip
    parser.add_argument("--at-once", type=int, nargs="+", default=[8], choices=[8, 32],
                        help="pictures that each of them captions at once")  # fmt: skip
    parser.add_argument("--folder", type=Path, help="keep the checkpoint here, or find it here")
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--job", action="append", metavar="NAME", help="only this one")
    parser.add_argument("--output", type=Path, metavar="FILE")
    return parser.parse_args()


def peers(asked: argparse.Namespace) -> dict[str, str]:
    """Name every program and its Python."""
    pythons = {"numpygit": sys.executable}
    if asked.peers:
        for path in sorted(asked.peers.iterdir(), reverse=True):
            pythons[f"transformers {path.name}"] = str(path / "bin" / "python")
    return pythons | dict(peer.split("=", 1) for peer in asked.peer)


def on_cores(
    found: dict, asked: argparse.Namespace, cores: range, folder: Path, save: Callable
) -> None:
    """Measure all programs on these cores."""
    pythons = peers(asked)
    if asked.job == [BY_PROCESSES]:
        by_processes(found, pythons, folder, cores, asked, save)
        return
    programs = {
        name: Program(python, kind_of(name), folder, cores) for name, python in pythons.items()
    }
    programs[NUMPY_FIRST] = Program(sys.executable, "numpygit", folder, cores, sleep_soon=False)
    if asked.size == "base-224":
        programs["floor"] = Program(sys.executable, "floor", folder, cores)
        newest = [python for name, python in pythons.items() if name != "numpygit"][:1]
        for python in newest:
            programs["torch-floor"] = Program(python, "torch-floor", folder, cores)
    jobs = asked.job or [*programs["numpygit"].jobs, COLD_START]
    named = [job for job in jobs if job != COLD_START]
    alone, wrong = not asked.shared, asked.wrong_words
    measure(found, programs, named, asked.rounds, save, alone=alone, wrong=wrong)
    for program in programs.values():
        program.process.kill()
    by_processes(found, pythons, folder, cores, asked, save)
    if COLD_START in jobs:
        found["cold"] = cold_starts(pythons, folder, cores, asked.rounds)


def write(file: Path | None, title: str, everything: dict[int, dict], weights: int) -> str:
    """Lay out what was measured so far, and write it where a file is given."""
    lines = [title]
    for cores, found in everything.items():
        lines += ["", f"## {cores} cores", "", *table(found["times"], found["cold"], weights)]
        lines += [f"\n{note}" for note in found["ties"]]
    text = "\n".join(lines) + "\n"
    if file:
        file.with_suffix(".md").write_text(text)
        numbers = {"machine": title, "cores": everything}
        file.with_suffix(".json").write_text(json.dumps(numbers, indent=1) + "\n")
    return text


def main() -> None:
    """Measure, print, write."""
    asked = options()
    with tempfile.TemporaryDirectory() as place:
        folder = asked.folder or Path(place)
        if not (folder / "pictures").exists():
            folder.mkdir(exist_ok=True)
            make_checkpoint(folder, asked.size, asked.pictures)
        everything: dict[int, dict] = {}
        weights = (folder / "model.safetensors").stat().st_size
        save = partial(write, asked.output, machine(asked.size), everything, weights)
        for cores in asked.cores:
            everything[cores] = {"times": {}, "peaks": {}, "ties": [], "cold": {}}
            on_these = range(asked.first, asked.first + cores)
            on_cores(everything[cores], asked, on_these, folder, save)
            save()
        print(save())


if __name__ == "__main__":
    main()

"""How fast numpygit is, beside transformers on PyTorch and beside the products alone.

    python tests/benchmarks/speed.py [--peers FOLDER] [--cores 4] [--rounds 5] [--job NAME ...]

FOLDER holds the environments that make_peers.sh makes; without it only numpygit and the floor are
measured. All programs run the same seeded checkpoint in git-base's geometry, float32, on the same
cores. They take turns within every round; a turn in which other programs used more than a tenth of
the cores is measured again. What the programs answer must be equal before any time counts.
The floor is the time of the matrix products that nobody can avoid, in NumPy's own BLAS.

Prints a table, and writes it with all numbers to FILE.md and FILE.json (--output FILE).
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
from datetime import date
from pathlib import Path

import numpy as np
from PIL import Image

HERE = Path(__file__).parent
ROOT = HERE.parents[1]
SLOW = {
    "transformers 4.37.2": {"batch 8, greedy 20", "batch 32, greedy 20", "folder of 64"}
}  # minutes
COLD_START = "cold start"
THREADS = ("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS")
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


def make_checkpoint(folder: Path, size: str) -> None:
    """Write a whole seeded checkpoint of an official size, and 64 pictures."""
    sys.path[:0] = [str(ROOT), str(ROOT / "golden")]
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
    for number in range(64):
        small = Image.fromarray(rng.integers(0, 256, (12, 16, 3), np.uint8))
        small.resize((640, 480)).save(folder / "pictures" / f"{number:02}.jpg", quality=90)


def environment(cores: int) -> dict[str, str]:
    """Tell a program how many cores it may use."""
    kept = {**os.environ, "HF_HUB_OFFLINE": "1", "PYTHONPATH": str(ROOT)}
    return kept | dict.fromkeys(THREADS, str(cores))


def pinned(cores: int) -> list[str]:
    """Keep a program on the first cores, so that it cannot use more."""
    return ["taskset", "--cpu-list", f"0-{cores - 1}"]


class Program:
    """A worker that waits for jobs."""

    def __init__(self, python: str, kind: str, folder: Path, cores: int) -> None:
        self.process = subprocess.Popen(
            [*pinned(cores), python, str(HERE / "worker.py"), kind, str(folder)],
            stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True,
            env=environment(cores),
        )  # fmt: skip
        self.jobs = self.answer()["jobs"]

    def answer(self) -> dict:
        line = self.process.stdout.readline()
        if not line:
            sys.exit("a program has died; run worker.py by hand to see why")
        return json.loads(line)

    def do(self, job: str, repeats: int) -> dict:
        print(json.dumps({"job": job, "repeats": repeats}), file=self.process.stdin, flush=True)
        return self.answer()


def busy() -> float:
    """Read how many seconds all cores together have worked since the machine started."""
    numbers = [int(n) for n in Path("/proc/stat").read_text().splitlines()[0].split()[1:]]
    return (sum(numbers) - numbers[3] - numbers[4]) / os.sysconf("SC_CLK_TCK")


def quiet_turn(program: Program, job: str, repeats: int, used: float) -> tuple[dict, bool]:
    """Let a program do a job; tell whether it had the machine for itself."""
    time.sleep(0.3)  # until the threads of the one before sleep
    before, start = busy(), time.perf_counter()
    found = program.do(job, repeats)
    wall = time.perf_counter() - start
    foreign = busy() - before - (found["used"] - used)
    return found, foreign < 0.1 * wall * os.cpu_count()


def measure(programs: dict[str, Program], jobs: list[str], rounds: int) -> dict:
    """Let the programs take turns: -> {job: {program: [seconds]}}; answers must agree."""
    times: dict[str, dict[str, list[float]]] = {}
    for job in jobs:
        able = {
            name: p
            for name, p in programs.items()
            if job in p.jobs and job not in SLOW.get(name, ())
        }
        warm = {name: program.do(job, 1) for name, program in able.items()}
        used = {name: found["used"] for name, found in warm.items()}
        answers = {name: found["result"] for name, found in warm.items() if name != "floor"}
        for name, answer in answers.items():
            same = np.allclose(answer, answers["numpygit"], atol=2e-3) if job == "vision tower" \
                else answer == answers["numpygit"]  # fmt: skip
            if not same:
                sys.exit(f"{job}: {name} answers otherwise than numpygit; no time counts")
        times[job] = {name: [] for name in able}
        rejected = 0
        for _ in range(rounds):
            for name, program in able.items():
                for _attempt in range(4):
                    found, quiet = quiet_turn(program, job, 1, used[name])
                    used[name] = found["used"]
                    if quiet:
                        break
                    rejected += 1
                times[job][name] += found["seconds"]
        print(f"{job}: {rejected} turns measured again", file=sys.stderr)
    return times


def cold_starts(pythons: dict[str, str], folder: Path, cores: int, rounds: int) -> dict:
    """Start, load, caption one JPEG and end, in processes of their own."""
    picture = str(folder / "pictures" / "00.jpg")
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
                capture_output=True, text=True, check=True, env=environment(cores),
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
            ratio = mine / middle[name] if name == "floor" else middle[name] / mine
            cells += [f"{middle[name]:.3f} s", f"{ratio:.2f}"]
        lines.append(f"| {job} | " + " | ".join(cells) + " |")
    for name, found in cold.items():
        seconds, peak = (statistics.median(found[key]) for key in ("seconds", "peak"))
        lines.append(
            f"\nCold start to the caption of a JPEG, {name}: {seconds:.2f} s, at most "
            f"{peak / 1e6:.0f} MB resident, {peak / weights:.2f} of the weights."
        )
    return lines


def machine(cores: int, size: str) -> str:
    """Say what this was measured on."""
    info = Path("/proc/cpuinfo").read_text()
    model = next(line for line in info.splitlines() if "model name" in line).split(":")[1].strip()
    width = "AVX-512" if "avx512f" in info else "AVX2" if "avx2" in info else "no AVX2"
    return (
        f"{date.today()}, {cores} cores of {model} ({width}), load {os.getloadavg()[0]:.1f}, "
        f"Python {platform.python_version()}, NumPy {np.__version__}; float32, seeded {size}; "
        "medians; ratio = peer / numpygit, floor: numpygit / floor"
    )


def main() -> None:
    """Measure, print, write."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--peers", type=Path, metavar="FOLDER")
    parser.add_argument("--cores", type=int, default=min(4, os.cpu_count() or 1))
    parser.add_argument("--size", choices=["base-224", "large-224"], default="base-224")
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--job", action="append", metavar="NAME", help="only this one")
    parser.add_argument("--output", type=Path, metavar="FILE")
    options = parser.parse_args()
    pythons = {"numpygit": sys.executable}
    if options.peers:
        pythons |= {
            f"transformers {path.name}": str(path / "bin" / "python")
            for path in sorted(options.peers.iterdir(), reverse=True)
        }
    with tempfile.TemporaryDirectory() as place:
        folder = Path(place)
        make_checkpoint(folder, options.size)
        programs = {
            name: Program(
                python, "numpygit" if name == "numpygit" else "transformers", folder, options.cores
            )
            for name, python in pythons.items()
        }
        if options.size == "base-224":
            programs["floor"] = Program(sys.executable, "floor", folder, options.cores)
        jobs = options.job or [*programs["numpygit"].jobs, COLD_START]
        times = measure(programs, [job for job in jobs if job != COLD_START], options.rounds)
        for program in programs.values():
            program.process.kill()
        cold = {}
        if COLD_START in jobs:
            cold = cold_starts(pythons, folder, options.cores, options.rounds)
        weights = (folder / "model.safetensors").stat().st_size
    lines = [machine(options.cores, options.size), "", *table(times, cold, weights)]
    print("\n".join(lines))
    if options.output:
        options.output.with_suffix(".md").write_text("\n".join(lines) + "\n")
        options.output.with_suffix(".json").write_text(
            json.dumps({"machine": lines[0], "times": times, "cold": cold}, indent=1) + "\n"
        )


if __name__ == "__main__":
    main()

"""How long a git-base checkpoint takes to load from a warm disk, and how much memory it needs.

    python tests/benchmarks/load.py --peer PYTHON [--rounds 5]

PYTHON is an interpreter that has torch and transformers 5.23; without it only numpygit is
measured. Every measurement is a process of its own; the kinds take turns. Time is from the first
import to the end of loading ("load", imports left out: "only load"); memory is the highest
resident size of the process, after loading and after one caption, over the size of the weights.
"""

from __future__ import annotations

import argparse
import json
import os
import statistics
import subprocess
import sys
import tempfile
from pathlib import Path

ROOT = Path(__file__).parent.parent.parent
# the highest resident size, from the system: getrusage would count the parent's before the start
HIGHEST = """
def highest():
    line = next(line for line in open("/proc/self/status") if line.startswith("VmHWM"))
    return int(line.split()[1])
"""
PROBES = {
    "numpygit": """
import time; start = time.perf_counter()
import sys, json, numpy as np
from numpygit import checkpoint
from numpygit.model import GitForCausalLM
ready = time.perf_counter()
model = GitForCausalLM.from_pretrained(sys.argv[1])
end = time.perf_counter()
loaded = highest()
pixels = np.random.default_rng(0).standard_normal((1, 3, 224, 224), np.float32)
ids = model.generate(pixels, max_length=8)
""",
    "transformers": """
import time; start = time.perf_counter()
import sys, json, numpy as np, torch
from transformers import GitForCausalLM
ready = time.perf_counter()
model = GitForCausalLM.from_pretrained(sys.argv[1], dtype=torch.float32).eval()
end = time.perf_counter()
loaded = highest()
pixels = np.random.default_rng(0).standard_normal((1, 3, 224, 224), np.float32)
start_token = torch.tensor([[101]])
ids = model.generate(start_token, pixel_values=torch.from_numpy(pixels), max_length=8,
                     eos_token_id=102, pad_token_id=0).numpy()
""",
}
REPORT = """
peak = highest()
print(json.dumps({"load": end - start, "only load": end - ready, "loaded_kb": loaded,
                  "peak_kb": peak, "ids": ids.tolist()}))
"""
TO_BIN = """
import sys, torch
from safetensors.torch import load_file
torch.save(load_file(sys.argv[1] + "/model.safetensors"), sys.argv[2] + "/pytorch_model.bin")
"""


def make_folders(place: Path, peer: str | None) -> dict[str, Path]:
    """Write a seeded git-base checkpoint, as .safetensors and, with torch, as .bin."""
    from safetensors.numpy import save_file

    sys.path.insert(0, str(ROOT / "golden"))
    from seeded import seeded_tensors

    from numpygit.loading.config import GitConfig
    from numpygit.loading.names import tensor_shapes

    folders = {"safetensors": place / "safetensors"}
    folders["safetensors"].mkdir()
    (folders["safetensors"] / "config.json").write_text('{"model_type": "git"}')
    tensors = seeded_tensors(tensor_shapes(GitConfig()), seed=2)
    save_file(tensors, folders["safetensors"] / "model.safetensors", metadata={"format": "pt"})
    if peer:
        folders["bin"] = place / "bin"
        folders["bin"].mkdir()
        (folders["bin"] / "config.json").write_text('{"model_type": "git"}')
        paths = [str(folders["safetensors"]), str(folders["bin"])]
        subprocess.run([peer, "-c", TO_BIN, *paths], check=True)
    return folders


def probe(python: str, package: str, folder: Path) -> dict:
    """Load in a new process and report."""
    run = subprocess.run(
        [python, "-c", HIGHEST + PROBES[package] + REPORT, str(folder)],
        capture_output=True,
        text=True,
        env={**os.environ, "HF_HUB_OFFLINE": "1"},
    )
    if run.returncode:
        sys.exit(run.stderr)
    return json.loads(run.stdout.splitlines()[-1])


def main() -> None:
    """Measure in turns and print medians."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--peer", metavar="PYTHON", help="an interpreter with torch, transformers")
    parser.add_argument("--rounds", type=int, default=5)
    options = parser.parse_args()
    with tempfile.TemporaryDirectory() as place:
        folders = make_folders(Path(place), options.peer)
        weights = (folders["safetensors"] / "model.safetensors").stat().st_size
        kinds = [(sys.executable, "numpygit", name) for name in folders]
        if options.peer:
            kinds += [(options.peer, "transformers", name) for name in folders]
        results: dict[tuple[str, str], list[dict]] = {kind[1:]: [] for kind in kinds}
        for _ in range(options.rounds + 1):
            for python, package, name in kinds:
                results[package, name].append(probe(python, package, folders[name]))
    assert len({str(runs[0]["ids"]) for runs in results.values()}) == 1, "the words differ"
    print(
        f"{os.cpu_count()} cores, load {os.getloadavg()[0]:.1f}, {options.rounds} rounds, medians"
    )
    for (package, name), runs in results.items():
        runs = runs[1:]  # the first warms the disk cache
        middle = {
            key: statistics.median(run[key] for run in runs) for key in runs[0] if key != "ids"
        }
        print(
            f"{package:12} {name:11} load {middle['load']:6.2f} s, only load "
            f"{middle['only load']:6.3f} s, memory over weights: loaded "
            f"{middle['loaded_kb'] * 1024 / weights:.2f}, captioned "
            f"{middle['peak_kb'] * 1024 / weights:.2f}"
        )


if __name__ == "__main__":
    main()

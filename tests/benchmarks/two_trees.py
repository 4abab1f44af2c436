"""Two checkouts in turns, in one run: is a change of the code, such as a move, one of the speed?

    git worktree add ../before COMMIT
    python tests/benchmarks/two_trees.py ../before .    # captions must be the same, by the letter

Seconds of the processor on one thread, the least of each round, so that other programs on the
machine count little; the ratio is new / old.
"""

import argparse
import json
import os
import statistics
import subprocess
import sys
import time

JOBS = ("storybook", "storybook, plain", "git-base, plain")


def main() -> None:
    """Measure both trees, round by round, and print the ratios."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawTextHelpFormatter
    )
    parser.add_argument("old")
    parser.add_argument("new")
    parser.add_argument("--rounds", type=int, default=5)
    asked = parser.parse_args()
    found: dict[str, list[dict]] = {asked.old: [], asked.new: []}
    for _ in range(asked.rounds):
        for tree in (asked.old, asked.new):
            found[tree].append(measure(tree))
    texts = {json.dumps(one["texts"]) for rounds in found.values() for one in rounds}
    print("the same words" if len(texts) == 1 else f"DIFFERENT WORDS: {texts}")
    for job in JOBS:
        old, new = ([one[job] for one in found[tree]] for tree in (asked.old, asked.new))
        ratio = min(new) / min(old)
        spread = statistics.median(n / o for n, o in zip(new, old, strict=True))
        print(f"{job}: {min(old):.4f} s, {min(new):.4f} s, {ratio:.3f} (median {spread:.3f})")


def measure(tree: str) -> dict:
    """Run this file in a process that imports numpygit from a checkout."""
    environment = {**os.environ, "PYTHONPATH": os.path.abspath(tree), "OPENBLAS_NUM_THREADS": "1"}
    done = subprocess.run(
        [sys.executable, __file__, "--here"],
        env=environment, capture_output=True, text=True, check=True, cwd=tree,
    )  # fmt: skip
    return json.loads(done.stdout)


def here() -> None:
    """Print the seconds of each job in this process."""
    import numpy as np

    import numpygit
    from numpygit.storybook import EXAMPLES

    config = numpygit.GitConfig(num_hidden_layers=2, vocab_size=1000)
    large = numpygit.GitForCausalLM(config, seed=1)
    large.plain = True
    pixels = np.random.default_rng(2).standard_normal((1, 3, 224, 224)).astype(np.float32)
    found: dict = {"texts": []}
    for job, repeats in zip(JOBS, (30, 15, 2), strict=True):
        captioner = numpygit.load("storybook", plain=job.endswith("plain"))
        seconds = []
        for _ in range(repeats):
            begun = time.process_time()
            if job.startswith("git-base"):
                text = large.generate(pixel_values=pixels, max_length=6).tolist()
            else:
                text = captioner.caption(str(EXAMPLES / "relation.png"))
            seconds.append(time.process_time() - begun)
        found[job] = min(seconds)
        found["texts"].append(text)
    print(json.dumps(found))


if __name__ == "__main__":
    here() if sys.argv[1:] == ["--here"] else main()

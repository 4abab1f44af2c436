"""Press Ctrl-C at random moments of a run, from its first millisecond on, and read what it says.

    python tests/helpers/stopped_runs.py [--runs 200] [--seed 1] [--within 0.1] [--script]

Each run ends with its caption, or with one line and the exit code 130. Python itself, before the
first line of this package runs, prints what it likes: such runs are counted apart, and after how
many milliseconds the last of them was stopped. `--within` presses in the first seconds only,
`--script` runs the installed command in place of `python -m numpygit`.
"""

from __future__ import annotations

import argparse
import random
import signal
import subprocess
import sys
import time
from collections import Counter
from pathlib import Path

ROOT = Path(__file__).parents[2]
PICTURE = ROOT / "numpygit" / "storybook" / "examples" / "sign.png"
MODULE = [sys.executable, "-m", "numpygit"]
SCRIPT = [str(Path(sys.executable).with_name("numpygit"))]
PYTHON = "Python's own start"
WORDS = ["caption", str(PICTURE), "--model", "storybook"]


def not_ignored() -> None:
    """Take Ctrl-C as from a terminal, also where a shell in the background ignores it."""
    signal.signal(signal.SIGINT, signal.SIG_DFL)


def stopped(command: list[str], seconds: float) -> tuple[str, str]:
    """Stop a run after so many seconds: -> how it ended, and what it printed if that was wrong."""
    running = subprocess.Popen(command, cwd=ROOT, text=True, stdout=subprocess.PIPE,
                               stderr=subprocess.PIPE, preexec_fn=not_ignored)  # fmt: skip
    time.sleep(seconds)
    running.send_signal(signal.SIGINT)
    _, said = running.communicate()
    if running.returncode == 0 and not said:
        return "ended before", ""
    if running.returncode in (130, -signal.SIGINT) and said == "numpygit: stopped\n":
        return "one line", ""  # the second is Python's, after an `exec` was interrupted: 130 too
    if "numpygit/" not in said.replace(str(PICTURE), ""):
        return PYTHON, ""
    return "wrong", said


def main() -> int:
    """Stop as many runs as asked; return the exit code."""
    given = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    given.add_argument("--runs", type=int, default=200)
    given.add_argument("--seed", type=int, default=1)
    given.add_argument("--within", type=float, metavar="SECONDS")
    given.add_argument("--script", action="store_true")
    asked = given.parse_args()
    command = [*(SCRIPT if asked.script else MODULE), *WORDS]
    begin = time.monotonic()
    subprocess.run(command, cwd=ROOT, check=True, stdout=subprocess.DEVNULL)
    whole = time.monotonic() - begin
    rng = random.Random(asked.seed)
    ends: Counter[str] = Counter()
    last = 0.0
    for _ in range(asked.runs):
        moment = rng.uniform(0, asked.within or 1.1 * whole)
        end, said = stopped(command, moment)
        ends[end] += 1
        last = max(last, moment) if end == PYTHON else last
        if said:
            print(said)
    print(f"{asked.runs} runs of {whole:.1f} s: {dict(ends)}; Python's until {1e3 * last:.0f} ms")
    return 1 if ends["wrong"] else 0


if __name__ == "__main__":
    sys.exit(main())

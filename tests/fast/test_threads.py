"""How many cores are used, and that nobody else's settings are left changed."""

import mmap
import os
import subprocess
import sys
import threading
from pathlib import Path

import numpy as np
import pytest

import numpygit
from numpygit import cli
from numpygit.errors import UserError
from numpygit.fast import threads, towers
from numpygit.fast.threads import (
    OpenBlas,
    blas_threads,
    cores,
    default_threads,
    find_openblas,
    limited,
    multiplies_small_directly,
)
from numpygit.huggingface.call import towers_of
from numpygit.model.generate import greedy

PICTURE = Path(numpygit.__file__).parent / "storybook" / "examples" / "count.png"
BLAS = find_openblas()
needs_openblas = pytest.mark.skipif(BLAS is None, reason="NumPy here does not use OpenBLAS")


@pytest.fixture(autouse=True)
def three_threads():
    """Let OpenBLAS have three threads during a test, whatever the machine has."""
    if BLAS is None:
        yield
        return
    before = BLAS.get()
    BLAS.set(3)
    yield
    assert BLAS.get() == 3
    BLAS.set(before)


@needs_openblas
def test_numpys_wheels_bring_openblas_and_it_obeys():
    with blas_threads(2):
        assert BLAS.get() == 2
        with blas_threads(1):
            assert BLAS.get() == 1
        assert BLAS.get() == 2


@needs_openblas
def test_a_mistake_inside_changes_nothing():
    with pytest.raises(ZeroDivisionError), blas_threads(1):
        _ = 1 // 0


@needs_openblas
def test_two_threads_that_limit_at_once_leave_what_was_there():
    inside, leave = threading.Barrier(3), [threading.Event(), threading.Event()]

    def work(number: int) -> None:
        with blas_threads(number):
            inside.wait()
            leave[number - 1].wait()

    workers = [threading.Thread(target=work, args=(number,)) for number in (1, 2)]
    for worker in workers:
        worker.start()
    inside.wait()
    for event, worker in zip(leave, workers, strict=True):
        event.set()
        worker.join()


@needs_openblas
def test_between_the_words_of_a_stream_the_old_number_holds(storybook):
    seen = []
    for _ in limited((BLAS.get() for _ in range(3)), 1):
        seen.append(BLAS.get())
    assert seen == [3, 3, 3]
    for _ in storybook.stream(PICTURE):
        assert BLAS.get() == 3
    assert next(limited(iter([BLAS.get]), 2))() == 3


@needs_openblas
def test_models_use_what_they_are_told_and_put_it_back():
    captioner = numpygit.load("storybook", threads=2)
    model, used = captioner.model, []

    def choose(logits, ids):
        used.append(BLAS.get())
        return greedy(logits, ids)

    def processor(ids, scores):
        used.append(BLAS.get())
        return scores

    pixels, prompt = captioner.pixels(PICTURE), captioner.processor.prompt()
    steps = list(model.steps(pixels, prompt, choose=choose))
    assert used == [2] * len(steps)
    model.generate(pixel_values=pixels, max_length=4, num_beams=2, logits_processor=[processor])
    assert len(used) > len(steps)
    assert set(used) == {2}


ASK = "from numpygit.fast import threads; print(threads.cores(), threads.default_threads())"


@pytest.mark.slow
@needs_openblas
@pytest.mark.skipif(not hasattr(os, "sched_setaffinity"), reason="affinity is a thing of Linux")
def test_the_environment_and_the_affinity_are_respected():
    def ask(code: str, **environment: str) -> list[int]:
        kept = {**os.environ, "PYTHONPATH": str(Path(numpygit.__file__).parents[1])}
        run = subprocess.run(
            [sys.executable, "-c", code], capture_output=True, text=True, check=True,
            env={**kept, **environment},
        )  # fmt: skip
        return [int(number) for number in run.stdout.split()]

    assert ask(ASK, OPENBLAS_NUM_THREADS="1")[1] == 1
    one = f"import os; os.sched_setaffinity(0, {{{min(os.sched_getaffinity(0))}}}); {ASK}"
    assert ask(one, OPENBLAS_NUM_THREADS="2") == [1, 1]


def test_numbers_that_cannot_be():
    assert 1 <= default_threads() <= cores() or BLAS is None
    for number in (0, -2):
        with pytest.raises(UserError, match=f"threads is {number}; give 1 or more"):
            numpygit.load("storybook", threads=number)
    with pytest.raises(UserError, match="threads is 99999; at most 1024"):
        numpygit.load("storybook", threads=99999)


def test_the_command_takes_threads(capsys):
    assert cli.main(["caption", "--model", "storybook", str(PICTURE)]) == 0
    said = capsys.readouterr().out
    arguments = ["caption", "--model", "storybook", "--threads", "1", str(PICTURE)]
    assert cli.main(arguments) == 0
    assert capsys.readouterr().out == said
    assert cli.main([*arguments[:4], "0", str(PICTURE)]) == 1
    assert "threads is 0; give 1 or more" in capsys.readouterr().err


def test_without_openblas_there_is_one_thread(monkeypatch):
    monkeypatch.setattr(threads, "find_openblas", lambda: None)
    assert default_threads() == 1
    with blas_threads(1):
        assert np.ones(2) @ np.ones(2) == 2


@pytest.mark.slow
@pytest.mark.parametrize("found", [True, False, None])  # None: not told, as in a browser
def test_without_a_blas_the_plain_functions_run(found, storybook, monkeypatch):
    told = {"name": "none"} if found is None else {"name": "none", "found": found}
    built = {"Build Dependencies": {"blas": told}}
    monkeypatch.setattr(np, "show_config", lambda mode: built)
    threads.has_blas.cache_clear()
    try:
        chosen = towers_of(storybook.model)
        caption = storybook.caption(PICTURE)
    finally:
        monkeypatch.undo()
        threads.has_blas.cache_clear()
    assert caption == storybook.caption(PICTURE)
    assert (chosen != towers.PLAIN["absolute"]) is bool(found)
    assert threads.has_blas() is bool(
        np.show_config(mode="dicts")["Build Dependencies"]["blas"]["found"]
    )


FAULTS = """
import resource, sys
import numpy as np
from numpygit.fast.threads import keep_freed_memory
if sys.argv[1] == "keep":
    keep_freed_memory()
np.ones(2**20, np.float32)
before = resource.getrusage(resource.RUSAGE_SELF).ru_minflt
for _ in range(20):
    np.ones(2**20, np.float32)[0]
print(resource.getrusage(resource.RUSAGE_SELF).ru_minflt - before)
"""


@pytest.mark.skipif(os.confstr_names.get("CS_GNU_LIBC_VERSION") is None, reason="a thing of glibc")
def test_freed_memory_is_kept_for_the_next_array():
    faults = {}
    for what in ("keep", "not"):
        kept = {**os.environ, "PYTHONPATH": str(Path(numpygit.__file__).parents[1])}
        run = subprocess.run(
            [sys.executable, "-c", FAULTS, what], capture_output=True, text=True, check=True,
            env={name: value for name, value in kept.items() if not name.startswith("MALLOC_")},
        )  # fmt: skip
        faults[what] = int(run.stdout)
    assert faults["keep"] < 100
    assert faults["not"] > 10 * faults["keep"]


@pytest.mark.parametrize(
    ("counted", "limit", "expected"), [(6, None, 6), (None, None, 1), (6, 4, 4), (2, 4, 2)]
)
def test_cores_of_a_system_without_affinity(monkeypatch, counted, limit, expected):
    monkeypatch.delattr(os, "sched_getaffinity", raising=False)
    monkeypatch.setattr(os, "cpu_count", lambda: counted)
    monkeypatch.setattr(threads, "cpu_limit", lambda: limit)
    assert cores() == expected


@pytest.mark.parametrize(
    ("core", "direct"), [("SkylakeX", True), ("Haswell", False), ("Zen", False), (None, False)]
)
def test_which_openblas_multiplies_small_matrices_directly(core, direct, monkeypatch):
    blas = None if core is None else OpenBlas(lambda: 1, lambda number: None, core)
    monkeypatch.setattr(threads, "find_openblas", lambda: blas)
    multiplies_small_directly.cache_clear()
    try:
        assert multiplies_small_directly() is direct
    finally:
        multiplies_small_directly.cache_clear()


def test_openblas_names_the_processor_it_is_written_for():
    blas = find_openblas()
    assert blas is None or blas.core.isalnum()


@pytest.mark.skipif(not Path("/proc/self/maps").exists(), reason="only Linux tells what is mapped")
def test_a_library_is_found_where_its_path_has_spaces(tmp_path):
    library = tmp_path / "a folder of mine" / "libopenblas x.so"
    library.parent.mkdir()
    library.write_bytes(bytes(4096))
    assert str(library) not in threads.loaded_libraries()
    with library.open("rb") as file, mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_READ):
        assert str(library) in threads.loaded_libraries()


@pytest.mark.parametrize(
    ("told", "soon"),
    [("1", True), ("23", True), ("20", True), ("0", False), ("24", False), ("26", False),
     ("", False), ("-3", False), ("many", False)],
)  # fmt: skip
def test_threads_of_blas_sleep_soon_from_one_to_two_to_the_power_of_23(told, soon, monkeypatch):
    monkeypatch.setenv("OPENBLAS_THREAD_TIMEOUT", told)
    assert threads.blas_sleeps_soon.__wrapped__() is soon
    monkeypatch.delenv("OPENBLAS_THREAD_TIMEOUT")
    assert threads.blas_sleeps_soon.__wrapped__() is False


def test_a_child_without_limits_begins_as_its_parent_was(monkeypatch):
    told = []
    monkeypatch.setattr(threads, "find_openblas", lambda: OpenBlas(lambda: 7, told.append, "Zen"))
    threads.begin_again()
    assert told == []
    with threads.blas_threads(2):
        assert told == [2]
        threads.begin_again()  # as a child does that is forked now
        assert told == [2, 7]


def test_threads_from_one_to_as_many_as_there_may_be():
    for number in (None, 1, 2, threads.MOST_THREADS, np.int64(3)):
        threads.check_threads(number)
    for number in (0, -1, 1.5, "2", threads.MOST_THREADS + 1):
        with pytest.raises(UserError, match="threads"):
            threads.check_threads(number)
    assert threads.MOST_THREADS == 1024

"""Several processes on one machine, each with the model; they share the mapped weights.

Threads share one Python, and what a caption does between its matrix products waits in line. With
processes it does not; a checkpoint in float32 is mapped from its file, so that the second process
costs little memory (docs/scale.md has the figures).
"""

from __future__ import annotations

import signal
from collections import deque
from collections.abc import Iterable, Iterator
from concurrent.futures import Future, ProcessPoolExecutor
from concurrent.futures.process import BrokenProcessPool
from multiprocessing import get_context
from typing import Any

from ..captioner import Captioner, captions, load
from ..data.rows import Row
from ..data.speak import Scored, Speak, Spoken, speak
from ..errors import UserError
from ..fast.threads import cores

_captioner: Captioner | None = None  # of this process


def alone(how: dict[str, Any], *, max_length: int | None, count: int = 1) -> Speak:
    """Caption batches in this process; the model is loaded when the first one comes.

    `count` texts a picture; of several each has its score.
    """

    def speak_alone(batches: Iterable[list[Row]]) -> Iterator[list[Spoken]]:
        captioner: Captioner | None = None
        for batch in batches:
            captioner = captioner or load(**how)
            yield said_by(captioner, batch, max_length, count)

    return speak_alone


def together(how: dict[str, Any], workers: int, *, max_length: int | None, count: int = 1) -> Speak:
    """Caption batches in `workers` processes, and give them back in order.

    `how` is what `load` takes; without `threads`, the cores are shared out evenly. Raises
    UserError when a process ends before its work does.
    """
    if workers < 1:
        raise UserError(f"--workers is {workers}, it must be at least 1")
    if how.get("threads") is None:
        how = {**how, "threads": max(1, cores() // workers)}

    def speak_together(batches: Iterable[list[Row]]) -> Iterator[list[Spoken]]:
        pool: ProcessPoolExecutor | None = None
        waiting: deque[Future[list[Spoken]]] = deque()
        try:
            for batch in batches:
                pool = pool or make_pool(how, workers)
                waiting.append(pool.submit(work, batch, max_length, count))
                if len(waiting) > 2 * workers:
                    yield waiting.popleft().result()
            while waiting:
                yield waiting.popleft().result()
        except BrokenProcessPool:
            raise UserError(
                "a worker ended before its work did, perhaps for want of memory; what was written "
                "is kept: start again to go on from there, with fewer --workers"
            ) from None
        finally:
            if pool is not None:
                pool.shutdown(cancel_futures=True)

    return speak_together


def make_pool(how: dict[str, Any], workers: int) -> ProcessPoolExecutor:
    """Start the processes; each loads the model."""
    context = get_context("spawn")  # a forked process would inherit locks of threads
    return ProcessPoolExecutor(workers, mp_context=context, initializer=start, initargs=(how,))


def start(how: dict[str, Any]) -> None:
    """Load the model of this process; Ctrl-C is for the process that started it."""
    global _captioner
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    _captioner = load(**how)


def work(batch: list[Row], max_length: int | None, count: int) -> list[Spoken]:
    """Caption one batch in this process."""
    if _captioner is None:
        raise AssertionError("start comes before work")
    return said_by(_captioner, batch, max_length, count)


def said_by(
    captioner: Captioner, batch: list[Row], max_length: int | None, count: int
) -> list[Spoken]:
    """Caption one batch with a captioner, `count` texts a picture."""
    options: dict[str, Any] = {} if max_length is None else {"max_length": max_length}

    def several(picture: Any, question: str | None) -> list[Scored]:
        found = captions(captioner, picture, question, num_return_sequences=count, **options)
        return [Scored(one.text, one.log_probability, one.mean) for one in found]

    return speak(
        captioner,
        batch,
        max_length=max_length,
        several=several if count > 1 else None,
        is_held_back=True,
    )

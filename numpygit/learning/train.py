"""The training loop: `train(data, model="storybook", output="kites")`.

What chance decides, the order of the pictures, which caption is drawn and how a picture is cropped,
hangs on the seed and the step alone. Pieces of a batch are added up in their order. So a training
that was killed goes on from its last state to the same weights, bit for bit.
"""

from __future__ import annotations

import json
import math
import time
from collections.abc import Callable, Sequence
from dataclasses import asdict, replace
from pathlib import Path
from typing import Any

from .. import loading
from ..data import read
from ..decoding.options import load_options
from ..errors import UserError
from ..fast.threads import check_threads, cores, default_threads, keep_freed_memory
from ..huggingface.processing.processor import GitProcessor
from ..loading.checkpoint import load as load_params
from ..loading.config import GitConfig
from ..model.params import Array, Git
from .backward.model import check_positions
from .checkpoints import (
    Progress,
    check_finite,
    check_room,
    check_settings,
    load_state,
    save_best,
    save_state,
)
from .curves import Line, read_csv, write_csv, write_page
from .fast.model import side_by_side
from .lessons.examples import Data, examples_of, split_of
from .lessons.kept import kept_in
from .lora import save_adapter
from .optimizers import Momenta, Moments, adamw, clip, momenta_of, moments_of, muon, schedule
from .parameters import check_kind, decays
from .settings import Settings, rate_of, settings_of
from .teacher import Teacher, batches_at, model_of, read_pictures
from .validation import look
from .weights import Weights, weights_of


def train(
    data: str | Path | Sequence[str | Path],
    model: str | Path = "storybook",
    *,
    output: str | Path,
    answers: str | Path | None = None,
    pictures: str | Path | None = None,
    validation_data: str | Path | None = None,
    threads: int | None = None,
    observe: Callable[[Line, int], object] = lambda line, total: None,
    **settings: Any,
) -> list[Line]:
    """Teach a model from pictures with texts, or go on with a training that was stopped.

    data, answers, pictures: as `numpygit.data.read` takes them; model: "storybook", a folder, or an
    id on the Hub; validation_data: pictures held back, in place of a share; observe: called with a
    `Line` and the number of all steps after each step; settings: the fields of `Settings`.

    Returns a `Line` for each step. The model stands in `output`, in the official format. Raises
    UserError before training for data or settings that cannot be, and during it where a loss is
    not finite or a picture breaks: the last good model is kept then.
    """
    asked = settings_of(settings)
    check_threads(threads)
    folder = loading.find(model)
    processor = GitProcessor.from_folder(folder)
    config, params = load_params(folder)
    check_positions(config)
    check_kind(asked.what, params)
    words, longest = processor.vocabulary, config.max_position_embeddings
    rows = read(data, answers=answers, pictures=pictures)
    split = split_of(examples_of(rows, words, longest=longest), asked.validation, seed=asked.seed)
    if validation_data is not None:
        held = examples_of(read(validation_data), words, longest=longest)
        split = Data([*split.training, *split.validation], held)
    teacher, weights = set_up(
        split, asked, config, params, processor, Path(output), str(model), folder, threads
    )
    return run(teacher, weights, observe)


def set_up(
    data: Data,
    asked: Settings,
    config: GitConfig,
    params: Git,
    processor: GitProcessor,
    output: Path,
    base: str,
    folder: Path,
    threads: int | None,
) -> tuple[Teacher, Weights]:
    """Work out all that is open, read the pictures, and copy what will change."""
    a_step = asked.batch * asked.accumulate
    total = asked.steps or max(1, math.ceil(len(data.training) * asked.epochs / a_step))
    threads = default_threads() if threads is None else threads
    pieces = asked.pieces or max(2, cores(), math.ceil(asked.batch / 16)) * asked.accumulate
    values = {**asdict(asked), "rate": asked.rate or rate_of(asked, config), "pieces": pieces}
    values["look_every"] = asked.look_every or max(1, math.ceil(len(data.training) / a_step))
    settings = Settings(**{**values, "steps": total})
    keys = [example.row.key for example in (*data.training, *data.validation)]
    going_on = check_settings(output, {**asdict(settings), "model": base, "pictures": len(keys)})
    frozen = settings.what != "all" and not settings.augment
    examples = [*data.training, *data.validation]
    kept = None
    if frozen:
        kept = kept_in(output / "training" / "kept", params, config, settings.what, examples)
    options = load_options(folder, config)
    teacher = Teacher(
        settings, config, processor, data, kept, {}, output, base, options, total, threads
    )
    read_pictures(teacher)
    clips = any(array.ndim == 4 for array in teacher.pixels.values())
    weights = weights_of(config, params, settings.what, clips=clips, seed=settings.seed)
    if not going_on:
        check_room(output, weights, states=3)
    return teacher, weights


# ---------------------------------------------------------------- one step


def one_step(
    teacher: Teacher, weights: Weights, adam: Moments, momenta: Momenta, step: int
) -> tuple[float, float, float]:
    """Learn from one batch: -> loss, norm of the gradient, rate."""
    asked = teacher.settings
    loss, found = side_by_side(
        weights.params,
        teacher.config,
        batches_at(teacher, step),
        pieces=asked.pieces or 1,
        threads=teacher.threads,
        what=asked.what,
        smoothing=asked.smoothing,
    )
    gradients = weights.gradients(found)
    norm = clip(gradients, most=asked.clip)
    if not math.isfinite(loss) or not math.isfinite(norm):
        raise UserError(
            f"step {step + 1}: the loss or its gradient is not a finite number (loss {loss}); "
            f"a lower rate than {asked.rate:g} may help. The last good state is kept in "
            f"{teacher.output}"
        )
    rate = move(teacher, weights, gradients, adam, momenta, step)
    return loss, norm, rate


def move(
    teacher: Teacher,
    weights: Weights,
    gradients: Sequence[Array],
    adam: Moments,
    momenta: Momenta,
    step: int,
) -> float:
    """Move the weights by their gradients: -> the rate of this step."""
    asked = teacher.settings
    warm_up = round(asked.warm_up * teacher.total)
    later = int(warm_up > 0)  # a rate of 0 would waste the first step
    at, total = step + later, teacher.total + later
    share = schedule(asked.schedule, at, warm_up=warm_up, total=total)
    rate = (asked.rate or 0.0) * share
    by_muon = weights.muon_moves() if asked.optimizer == "muon" else []
    rest = [i for i in range(len(weights.arrays)) if i not in set(by_muon)]
    arrays = weights.arrays
    adamw(
        [arrays[i] for i in rest],
        [gradients[i] for i in rest],
        adam,
        rate=rate,
        decays=[asked.decay if decays(weights.names[i]) else 0.0 for i in rest],
        threads=teacher.threads,
    )
    moved = ([arrays[i] for i in by_muon], [gradients[i] for i in by_muon])
    muon(*moved, momenta, rate=rate, decay=asked.decay)
    weights.refresh()
    return rate


# ---------------------------------------------------------------- the loop


def run(
    teacher: Teacher,
    weights: Weights,
    observe: Callable[[Line, int], object] = lambda line, total: None,
) -> list[Line]:
    """Train to the end, from the beginning or from the last state."""
    keep_freed_memory()
    asked, output = teacher.settings, teacher.output
    by_muon = set(weights.muon_moves()) if asked.optimizer == "muon" else set()
    adam = moments_of([a for i, a in enumerate(weights.arrays) if i not in by_muon])
    momenta = momenta_of([a for i, a in enumerate(weights.arrays) if i in by_muon])
    progress, lines = Progress(0, None), []
    if (output / "training" / "state.safetensors").is_file():
        progress = load_state(output, weights, adam, momenta)
        lines = [n for n in read_csv(output / "training" / "log.csv") if n.step <= progress.step]
    for step in range(progress.step, teacher.total):
        began = time.perf_counter()
        loss, norm, rate = one_step(teacher, weights, adam, momenta, step)
        size = asked.batch * asked.accumulate
        speed = size / (time.perf_counter() - began)
        epoch = (step + 1) * size / len(teacher.data.training)
        line = Line(step + 1, round(epoch, 3), loss, norm, rate, round(speed, 2))
        last = step + 1 == teacher.total
        best = progress.best
        if teacher.data.validation and ((step + 1) % (asked.look_every or 1) == 0 or last):
            line, best = looked(teacher, weights, line, best)
        lines.append(line)
        progress = Progress(step + 1, best)
        if (step + 1) % asked.save_every == 0 or last:
            write_all(teacher, weights, adam, momenta, progress, lines)
        observe(line, teacher.total)
    return lines


def looked(
    teacher: Teacher, weights: Weights, line: Line, best: tuple[float, ...] | None
) -> tuple[Line, tuple[float, ...] | None]:
    """Look at what is held back; keep the model if it is the best so far."""
    found = look(teacher, weights)
    if best is None or found.score > best:
        save(teacher, weights)
        best = found.score
    samples = json.dumps(found.samples, ensure_ascii=False)
    line = replace(line, validation_loss=found.loss, exact_match=found.exact, cider=found.cider)
    return replace(line, samples=samples), best


def save(teacher: Teacher, weights: Weights) -> None:
    """Write the model: whole, or of LoRA the adapter, and with `merge` the whole model too."""
    if weights.lora is not None:
        check_finite(teacher.output, weights)
        save_adapter(teacher.output, weights.lora, base=teacher.base)
    if weights.lora is None or teacher.settings.merge:
        save_best(teacher.output, model_of(teacher, weights), weights, teacher.processor)


def write_all(
    teacher: Teacher,
    weights: Weights,
    adam: Moments,
    momenta: Momenta,
    progress: Progress,
    lines: Sequence[Line],
) -> None:
    """Write log, page, model (where nothing is held back, the newest is the best), then state."""
    output = teacher.output
    write_csv(output / "training" / "log.csv", lines)
    facts = [(name, str(value)) for name, value in asdict(teacher.settings).items()]
    facts = [("model", teacher.base), ("pictures", str(len(teacher.data.training))), *facts]
    write_page(output / "curves.html", f"Training of {output.name}", facts, lines)
    if not teacher.data.validation:
        save(teacher, weights)
    save_state(output, weights, adam, momenta, progress)

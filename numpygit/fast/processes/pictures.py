"""What a process group does: one picture through the vision encoder, and its prefill."""

from __future__ import annotations

import logging
from collections.abc import Sequence
from functools import partial
from typing import Any

import numpy as np

from ...model.config import Config, VisionConfig
from ...model.layers import KeyValue
from ...model.params import Array, Git, Text, Vision, named_arrays
from ..towers import prefill_pictures, vision_tower
from .group import ProcessGroup, Work, can_fork
from .shared import Rank, Shared

LOG = logging.getLogger("numpygit")


def start(params: Git | Vision, config: Any, *, size: int) -> PictureGroup | None:
    """Fork processes for a model; None where that cannot be.

    They have the parameters as they are now. What changed an array in place would change it here
    and not there, so all of them are made read-only, as they are where they come from a file.
    """
    if size < 2 or not can_fork():
        return None
    for _, array in named_arrays(params):
        array.flags.writeable = False
    try:
        return PictureGroup(params, config, size=size)
    except OSError as error:
        LOG.warning("threads take the place of processes: %s", error)
        return None


class PictureGroup:
    """Processes that encode one still of the model's own size together, and prefill for it."""

    def __init__(self, params: Git | Vision, config: Any, *, size: int) -> None:
        self.vision = params.vision if isinstance(params, Git) else params
        self.text = params.text if isinstance(params, Git) else None
        of_vision: VisionConfig = config if self.text is None else config.vision_config
        side, D = of_vision.image_size, of_vision.hidden_size
        M = (side // of_vision.patch_size) ** 2 + 1
        arrays: dict[str, tuple[int, ...]] = {"pixels": (1, of_vision.num_channels, side, side)}
        widest = max(D, of_vision.intermediate_size)
        works: list[Work] = [partial(encode_part, p=self.vision, config=of_vision)]
        if self.text is not None:
            L, D, N = len(self.text.blocks), config.hidden_size, config.num_attention_heads
            arrays |= {"memory": (1, M, D), "kv": (L, 2, 1, N, M, D // N)}
            widest = max(widest, D, config.intermediate_size)
            works.append(partial(prefill_part, p=self.text, config=config))
        self.processes = ProcessGroup(works, Shared(size, numbers=widest * M, arrays=arrays))

    def encode(self, pixels: Array, p: Vision) -> Array | None:
        """Encode one still (1, C, H, W) -> (1, M, D); None where the group does not do it."""
        arrays = self.processes.shared.arrays
        if p is not self.vision or pixels.shape != arrays["pixels"].shape:
            return None
        return self.processes.run(0, {"pixels": pixels}, np.array)

    def prefill(self, memory: Array, p: Text, keep: Sequence[KeyValue]) -> bool | None:
        """Prefill for one picture, memory (1, M, D), into `keep`; None where it does not do it."""
        arrays = self.processes.shared.arrays
        if p is not self.text or memory.shape != arrays["memory"].shape:
            return None

        def take(found: list[KeyValue]) -> bool:
            for kept, (k, v) in zip(keep, found, strict=True):
                kept.k[:], kept.v[:] = k, v
            return True

        return self.processes.run(1, {"memory": memory}, take)

    def close(self) -> None:
        """End the processes; threads take their place."""
        self.processes.close()


def encode_part(rank: Rank, *, p: Vision, config: VisionConfig) -> Array:
    """Do one process's part of the vision encoder -> (1, M, D), of all, in shared memory."""
    pixels = rank.shared.arrays["pixels"]
    return vision_tower(pixels, p, config=config, interpolate=False, member=rank)


def prefill_part(rank: Rank, *, p: Text, config: Config) -> list[KeyValue]:
    """Do one process's part of prefill -> keys and values of each layer, of all."""
    memory = rank.shared.arrays["memory"]
    keep = [KeyValue(k, v) for k, v in rank.shared.arrays["kv"]]
    prefill_pictures(memory, p, config=config, keep=keep, member=rank)
    rank.meet()  # all have written theirs
    return keep

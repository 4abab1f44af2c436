"""What a process group does for a model: a picture, its prefill, and the words of all texts."""

from __future__ import annotations

import copy
import logging
import math
from collections.abc import Callable
from functools import partial, wraps
from typing import Any, ParamSpec, TypeVar

from ...model import text
from ...model.config import Config, VisionConfig
from ...model.layers import KeyValue
from ...model.params import Array, Git, Text, Vision, named_arrays
from .. import words
from ..teams import Member
from ..towers import prefill_pictures, vision_tower, word_tower
from .arena import Arena, FullError, Place
from .group import ProcessGroup, Work, can_fork
from .shared import Rank, Shared

P = ParamSpec("P")
Result = TypeVar("Result")
LOG = logging.getLogger("numpygit")
MOST = 16  # processes: of more nobody has measured what they gain, and each waits for all others
PICTURES = 48  # the arena has room for the keys and values of so many, or for as much of words


def start(params: Git | Vision, config: Any, *, size: int) -> ModelGroup | None:
    """Fork `size` processes for a model, or the most that are known to help; None without any.

    They have the parameters as they are now. What changed an array in place would change it here
    and not there, so all of them are made read-only, as they are where they come from a file.
    """
    if size < 2 or not can_fork():
        return None
    try:
        group = ModelGroup(params, config, size=min(size, MOST))
    except OSError as error:
        LOG.warning("threads take the place of processes: %s", error)
        return None
    for _, array in named_arrays(params):
        array.flags.writeable = False
    return group


class SharedLayers(tuple[KeyValue, ...]):
    """Keys and values of all layers, in one array of an arena: `place`, (L, 2, B, N, S, A)."""

    place: Place
    arena: Arena

    def __reduce__(self) -> tuple[Any, ...]:
        """Be a plain tuple where it is copied or pickled: the copy is not in the arena."""
        return tuple, (list(self),)


def none_when_full(method: Callable[P, Result | None]) -> Callable[P, Result | None]:
    """Let a method answer None where the arena has no room for its arrays."""

    @wraps(method)
    def tried(*given: P.args, **named: P.kwargs) -> Result | None:
        try:
            return method(*given, **named)
        except FullError:
            return None

    return tried


class ModelGroup:
    """Processes that encode stills, prefill for pictures, and read the words of all texts.

    Each method answers None, and has done nothing, where the processes do not know what is given,
    parameters or settings that are others now, or have no room for it: threads do it then.
    """

    def __init__(self, params: Git | Vision, config: Any, *, size: int) -> None:
        self.config = config = copy.deepcopy(config)
        self.vision = params.vision if isinstance(params, Git) else params
        self.text = params.text if isinstance(params, Git) else None
        of_vision: VisionConfig = config if self.text is None else config.vision_config
        self.vision_config = of_vision
        side, D = of_vision.image_size, of_vision.hidden_size
        M = (side // of_vision.patch_size) ** 2 + 1
        self.still, self.tokens = (of_vision.num_channels, side, side), (M, D)
        self.widest = max(D, of_vision.intermediate_size)
        works: list[Work] = [partial(encode_part, p=self.vision, config=of_vision)]
        cached = 0  # keys and values of a picture
        if self.text is not None:
            D, L = config.hidden_size, len(self.text.blocks)
            self.widest = max(self.widest, D, config.intermediate_size)
            works.append(partial(prefill_part, p=self.text, config=config))
            works.append(partial(words_part, p=self.text, config=config))
            works.append(partial(project_part, p=self.text))
            cached = 2 * L * M * D
        self.memory = (M, D)
        numbers = self.widest * M
        room = 4 * (PICTURES * cached + size * (math.prod(self.still) + numbers))
        self.processes = ProcessGroup(works, Shared(size, numbers=numbers, room=room))
        self.arena = self.processes.shared.arena

    @none_when_full
    def encode(self, pixels: Array, p: Vision, config: VisionConfig) -> Array | None:
        """Encode stills of the model's own size (B, C, H, W) -> (B, M, D)."""
        known = p is self.vision and config == self.vision_config
        if not known or pixels.shape[1:] != self.still or not self.processes.alive():
            return None
        given, found = self.arena.put(pixels), self.arena.empty(len(pixels), *self.tokens)
        names = {"pixels": given.place, "tokens": found.place}
        return self.processes.run(0, names, lambda _: found.array.copy())

    @none_when_full
    def project(self, image_tokens: Array, p: Text, eps: float) -> Array | None:
        """Project image tokens to the text decoder's width (B, M, vision D) -> (B, M, D)."""
        if p is not self.text or not self.processes.alive():
            return None
        B, M, D = *image_tokens.shape[:2], self.memory[1]
        given, found = self.arena.put(image_tokens), self.arena.empty(B, M, D)
        names = {"image_tokens": given.place, "memory": found.place, "eps": eps}
        return self.processes.run(3, names, lambda _: found.array.copy())

    @none_when_full
    def empty_layers(self, shape: tuple[int, int, int, int]) -> SharedLayers | None:
        """Make room for the keys and values of all layers, each (B, N, S, A)."""
        if self.text is None or not self.processes.alive():
            return None
        room = self.arena.empty(len(self.text.blocks), 2, *shape)
        layers = SharedLayers(KeyValue(k, v) for k, v in room.array)
        layers.place, layers.arena = room.place, self.arena
        return layers

    def holds(self, layers: tuple[KeyValue, ...]) -> bool:
        """Tell whether these keys and values lie in the arena."""
        return self.place_of(layers) is not None

    @none_when_full
    def prefill(
        self, memory: Array, p: Text, keep: tuple[KeyValue, ...], config: Config
    ) -> bool | None:
        """Prefill for pictures, memory (B, M, D), into `keep`."""
        place = self.place_of(keep)
        known = p is self.text and config == self.config
        if not known or memory.shape[1:] != self.memory or place is None:
            return None
        given = self.arena.put(memory)
        names = {"memory": given.place, "keep": place}
        return self.processes.run(1, names, lambda _: True)

    @none_when_full
    def read_words(
        self, x: Array, p: Text, image_kv: tuple[KeyValue, ...], past: tuple[KeyValue, ...],
        keep: tuple[KeyValue, ...], mask: Array | None, config: Config,
    ) -> Array | None:  # fmt: skip
        """Read words x (B * T, D) -> logits of the last one of each text, (B, V)."""
        image, longer = self.place_of(image_kv), self.place_of(keep)
        too_many = len(x) * self.widest > self.processes.shared.numbers
        known = p is self.text and config == self.config
        if not known or image is None or longer is None or too_many:
            return None
        earlier = past if self.place_of(past) else self.copy_of(past)
        of_words = self.arena.put(x)
        visible = None if mask is None else self.arena.put(mask)
        logits = self.arena.empty(len(past[0].k), len(p.head.weight))
        names = {
            "x": of_words.place,
            "image_kv": image,
            "past": self.place_of(earlier),
            "keep": longer,
            "mask": None if visible is None else visible.place,
            "logits": logits.place,
        }
        return self.processes.run(2, names, lambda _: logits.array.copy())

    def place_of(self, layers: tuple[KeyValue, ...]) -> Place | None:
        """Say where these keys and values lie in the arena; None where they do not."""
        if not isinstance(layers, SharedLayers) or layers.arena is not self.arena:
            return None
        return layers.place if self.processes.alive() else None

    def copy_of(self, layers: tuple[KeyValue, ...]) -> SharedLayers:
        """Copy keys and values into the arena; raises FullError."""
        found = self.empty_layers(layers[0].k.shape)
        if found is None:
            raise FullError
        for into, kv in zip(found, layers, strict=True):
            into.k[:], into.v[:] = kv
        return found

    def close(self) -> None:
        """End the processes; threads take their place."""
        self.processes.close()


def encode_part(
    rank: Rank, *, pixels: Array, tokens: Array, p: Vision, config: VisionConfig
) -> None:
    """Do one process's part of the vision encoder: pixels (B, C, H, W) -> tokens (B, M, D)."""

    def encode(some: slice, member: Member) -> None:
        found = vision_tower(pixels[some], p, config=config, interpolate=False, member=member)
        if member.rank == 0:
            tokens[some] = found

    rank.in_teams(encode, len(pixels))


def project_part(rank: Rank, *, image_tokens: Array, memory: Array, p: Text, eps: float) -> None:
    """Do one process's part of `project`: some tokens of all pictures -> `memory`."""
    own = rank.own(memory.shape[1])
    memory[:, own] = text.project(image_tokens[:, own], p, eps=eps)
    rank.meet()  # all have written theirs


def prefill_part(rank: Rank, *, memory: Array, keep: Array, p: Text, config: Config) -> None:
    """Do one process's part of prefill: memory (B, M, D) -> keys and values in `keep`."""

    def write(pictures: slice, member: Member) -> None:
        layers = [KeyValue(k[pictures], v[pictures]) for k, v in keep]
        prefill_pictures(memory[pictures], p, config=config, keep=layers, member=member)

    rank.in_teams(write, len(memory))


def words_part(
    rank: Rank, *, x: Array, image_kv: Array, past: Array, keep: Array, mask: Array | None,
    logits: Array, p: Text, config: Config,
) -> None:  # fmt: skip
    """Do one process's part of words -> keys and values in `keep`, and some of the logits."""
    layers = ([KeyValue(k, v) for k, v in array] for array in (image_kv, past, keep))
    last = word_tower(x, p, *layers, config=config, mask=mask, member=rank)
    own = rank.own(len(p.head.weight))
    logits[:, own] = words.linear(last, p.head, rows=own)
    rank.meet()  # all have written theirs

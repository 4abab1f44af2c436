"""`from_pretrained` of the three models: a name and keywords -> config and params.

Everything that may be told is sorted once, in `sort_keywords`; what is left are settings of the
config, and a handful of keywords that are read here.
"""

from __future__ import annotations

import logging
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np

from ... import loading
from ...decoding.options import GenerationConfig, load_options
from ...errors import UserError, expect
from ...loading.authors import authors_config
from ...loading.checkpoint import check_config
from ...loading.config import GitConfig, GitVisionConfig, stored
from ...loading.hub.keywords import sort_keywords
from ...loading.random_weights import random_model, random_tower
from ...model.params import Array
from .. import pretrained

LOG = logging.getLogger("numpygit")
Info = dict[str, list[Any]]
WHOLE, TOWER = "git.", "git.image_encoder."  # before the names of a whole GIT, of its tower


class Opened(NamedTuple):
    """What a checkpoint and the keywords said."""

    config: Any
    params: Any
    folder: Path | None
    generation: GenerationConfig | None  # as a keyword
    info: Info | None  # where it was asked for


def opened_whole(cls: Any, name: str | Path | None, keywords: Mapping[str, Any]) -> Any:
    """Open a whole GIT."""
    found = opened(name, keywords, GitConfig, loading.whole_from, drawn_whole)
    options = found.generation
    if options is None and found.folder is not None:
        options = load_options(found.folder, found.config)
    return handed_out(cls(found.config, found.params, generation_config=options), found)


def opened_body(cls: Any, name: str | Path | None, keywords: Mapping[str, Any]) -> Any:
    """Open a GIT without its vocabulary head."""
    found = opened(name, keywords, GitConfig, loading.body_from, drawn_body)
    return handed_out(cls(found.config, found.params), found)


def opened_tower(cls: Any, name: str | Path | None, keywords: Mapping[str, Any]) -> Any:
    """Open a vision encoder."""
    found = opened(name, keywords, GitVisionConfig, loading.tower_from, drawn_tower)
    return handed_out(cls(found.config, found.params), found)


def handed_out(model: Any, found: Opened) -> Any:
    """Return the model, with a report of its loading where that was asked for."""
    return model if found.info is None else (model, found.info)


def opened(
    name: str | Path | None,
    keywords: Mapping[str, Any],
    config_class: Any,
    params_from: Callable[..., Any],
    drawn: Callable[[Any], dict[str, Array]],
) -> Opened:
    """Find a checkpoint, read its config and weights, and do what the keywords say."""
    where, rest = sort_keywords(keywords)
    config, state = rest.pop("config", None), rest.pop("state_dict", None)
    if state is not None:
        expect("state_dict", state, Mapping, "a dict of arrays by their names")
    generation, wants_info = rest.pop("generation_config", None), rest.pop("output_loading_info", 0)
    redraws = bool(rest.pop("ignore_mismatched_sizes", False))
    files = {n: rest.pop(n) for n in ("variant", "use_safetensors") if n in rest}
    if name is None and (state is None or config is None):
        raise UserError("give the name of a model or a folder; or both config and state_dict")
    folder, adapter = (None, None)
    if name is not None:
        folder, adapter = loading.find_with_adapter(name, **where, **files)
    file = folder if state is None else None
    look = loading.read_tensors(file, look_only=True, **files) if file else {}
    look = loading.with_adapter(look, adapter, look_only=True)
    config = config_of(config, folder, look, config_class, rest)
    if file and not (redraws or wants_info):  # what does not fit costs nothing
        params_from(look, config, source=str(folder))
    loading.check_room(look, folder)
    tensors = loading.read_tensors(file, **files) if file else dict(state)
    tensors = loading.with_adapter(tensors, adapter)
    check_config(config, folder)
    if name is not None:
        config.name_or_path = str(name)
    tensors = {n: np.asarray(a) for n, a in tensors.items()} if state is not None else tensors
    info: Info = {"missing_keys": [], "unexpected_keys": [], "mismatched_keys": [],
                  "error_msgs": []}  # fmt: skip
    if redraws or wants_info:
        tensors = filled(tensors, drawn(config), info, redraws=redraws)
    params = params_from(tensors, config, source=str(folder or "state_dict"))
    return Opened(config, params, folder, generation, info if wants_info else None)


def config_of(
    given: Any, folder: Path | None, tensors: dict[str, Array], config_class: Any, settings: Any
) -> Any:
    """Take the config that was given, or the folder's; settings win over both."""
    if isinstance(given, str | Path):
        config = config_class.from_pretrained(given)
    elif given is not None:
        expect("config", given, (GitConfig, GitVisionConfig), f"a {config_class.__name__}")
        config = given
    elif folder is not None and loading.is_authors(folder) and config_class is GitConfig:
        config = stored(authors_config(folder, tensors))
    else:
        config = config_class.from_pretrained(folder)
    if config_class is GitVisionConfig and isinstance(config, GitConfig):
        config = config.vision_config
    return config.changed(settings)


def filled(
    tensors: dict[str, Array], drawn: dict[str, Array], info: Info, *, redraws: bool
) -> dict[str, Array]:
    """Draw what is missing, and leave out what has no place; note both, named as in the file.

    With `redraws`, what has another shape is drawn as well; without, it is for others to refuse.
    """
    found = {loading.official_name(name): array for name, array in tensors.items()}
    in_file = {loading.official_name(name): name for name in tensors}
    is_whole = any(name.startswith(WHOLE) for name in tensors)
    prefix = TOWER if all(name.startswith(TOWER) for name in drawn) else WHOLE
    others = [name for name in found if name not in drawn and name not in loading.IGNORED]
    info["unexpected_keys"] += [in_file[name] for name in others]
    for name in others:
        del found[name]
    for name, new in drawn.items():
        shown = name if is_whole else name.removeprefix(prefix)
        if name not in found:
            info["missing_keys"].append(shown)
            found[name] = new
        elif found[name].shape != new.shape and redraws:
            info["mismatched_keys"].append((shown, found[name].shape, new.shape))
            found[name] = new
    count = len(info["missing_keys"]) + len(info["mismatched_keys"])
    if count or others:
        LOG.warning("%d tensors of the checkpoint do not fit and are drawn at random, %d have no "
                    "place in this model", count, len(others))  # fmt: skip
    return found


def drawn_whole(config: GitConfig) -> dict[str, Array]:
    """Draw all tensors of a GIT, by their official names."""
    return pretrained.whole_tensors(random_model(config), config)


def drawn_body(config: GitConfig) -> dict[str, Array]:
    """Draw all tensors of a GIT without its vocabulary head."""
    return {n: a for n, a in drawn_whole(config).items() if not n.startswith("output.")}


def drawn_tower(config: GitVisionConfig) -> dict[str, Array]:
    """Draw all tensors of a vision encoder, by their official names."""
    tensors = pretrained.tower_tensors(random_tower(config), config)
    return {loading.official_name(name): array for name, array in tensors.items()}

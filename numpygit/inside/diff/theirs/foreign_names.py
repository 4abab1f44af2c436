"""Names that other programs give to tensors -> the names of the table.

Known are our own names, the modules of Hugging Face (the output of `git.encoder.layer.0.output`,
with or without `git.` or `model.` before), its tuples (`hidden_states.0`), and the hooks of
TransformerLens (`blocks.0.attn.hook_q`, with `vision.` or `text.` before). A file of one's own adds
others: lines `their.name.{i}.q = text.{i}.q`, or a JSON object of the same.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterable, Mapping
from pathlib import Path

from ....errors import UserError
from ....loading.formats.small_files import read_text
from ....trace import TABLE, find
from ...record import IDS, nearest_name

HOOKS = {
    "attn.hook_q": "q", "attn.hook_k": "k", "attn.hook_v": "v", "attn.hook_z": "mixed",
    "attn.hook_attn_scores": "scores", "attn.hook_pattern": "weights", "attn.hook_attn": "weights",
    "attn.hook_qkv": "qkv", "hook_attn_out": "attended", "mlp.hook_pre": "hidden",
    "mlp.hook_post": "activated", "hook_mlp_out": "thought",
}  # fmt: skip
OF_TOWER = {
    "vision": {
        "ln1.hook_normalized": "attention_input", "hook_resid_mid": "after_attention",
        "ln2.hook_normalized": "mlp_input", "hook_resid_post": "x",
    },
    "text": {
        "hook_normalized_resid_mid": "after_attention", "hook_mlp_in": "after_attention",
        "hook_normalized_resid_post": "x", "hook_resid_post": "x",
    },
}  # fmt: skip
TOWERS = {
    "vision": "vision", "visual": "vision", "image": "vision", "image_encoder": "vision",
    "vit": "vision", "text": "text", "textual": "text", "decoder": "text", "lm": "text", "": "text",
}  # fmt: skip
SINGLE = {
    "vision": {
        "hook_embed": "vision.patch_tokens", "hook_full_embed": "vision.embedded",
        "ln_pre.hook_normalized": "vision.x", "ln_final.hook_normalized": "vision.image_tokens",
        "hook_pos_embed": "",
    },
    "text": {
        "hook_embed": "word_vectors", "hook_pos_embed": "place_vectors",
        "embed.hook_normalized": "words", "hook_full_embed": "text.x",
    },
}  # fmt: skip
ALIASES = {
    "pixel_values": "pixels", "input_ids": IDS, "attention_mask": "text.mask", "output": "logits",
    "lm_head": "logits", "unembed": "logits", "output_logits": "logits",
}  # fmt: skip
TUPLES = {
    "hidden_states": "text",
    "encoder_hidden_states": "text",
    "vision_hidden_states": "vision",
}


def modules() -> dict[str, str]:
    """List the modules of Hugging Face whose outputs have a name here."""
    found = {}
    for row in TABLE:
        if row.official.startswith("git.") and not row.official.endswith(" in"):
            found[row.official.removeprefix("git.")] = row.name
    return found


def translate(names: Iterable[str], *, given: Mapping[str, str] | None = None) -> dict[str, str]:
    """Find the name in the table for each of their names; those it cannot find are left out."""
    names = list(names)
    found: dict[str, str] = {}
    for name in names:
        ours = mapped(name, given or {}) or known(name)
        if ours:
            found[name] = ours
    return found


def without_rivals(found: dict[str, str]) -> dict[str, str]:
    """Where two names mean one tensor, keep the exact name, or the one that says normalised."""
    best: dict[str, str] = {}
    for theirs, ours in found.items():
        rival = best.get(ours)
        if rival is None or theirs == ours or ("normalized" in theirs and rival != ours):
            best[ours] = theirs
    return {theirs: ours for ours, theirs in best.items()}


def mapped(name: str, given: Mapping[str, str]) -> str:
    """Look a name up in a map whose names may have `{i}` for numbers."""
    for pattern, ours in given.items():
        regex = re.escape(pattern).replace(r"\{i\}", r"(?P<i>\d+)", 1)
        fitting = re.fullmatch(regex, name)
        if fitting:
            return ours.replace("{i}", fitting.groupdict().get("i") or "{i}")
    return ""


def known(name: str) -> str:
    """Look a name up among those of ours, of Hugging Face and of TransformerLens."""
    if name == IDS or find(name):
        return name
    if name in ALIASES:
        return ALIASES[name]
    return of_tuples(name) or of_module(name) or of_hook(name)


def of_tuples(name: str) -> str:
    """Read `hidden_states.3` and `attentions.0`; the first hidden state comes before layer 0."""
    parts = re.fullmatch(r"(\w*?(?:hidden_states|attentions))[._\[](\d+)\]?", name)
    if parts is None:
        return ""
    number = int(parts[2])
    if parts[1].endswith("attentions"):
        tower = "vision" if parts[1].startswith("vision") else "text"
        return f"{tower}.{number}.weights"
    tower = TUPLES.get(parts[1], "")
    if not tower:
        return ""
    return f"{tower}.x" if number == 0 else f"{tower}.{number - 1}.x"


def of_module(name: str) -> str:
    """Read the name of a module of Hugging Face."""
    bare = re.sub(r"^(model\.|module\.|git\.)+", "", name)
    bare = re.sub(r"\.(output|out)$", "", bare) if mapped(bare, MODULES) == "" else bare
    return mapped(bare, MODULES)


def of_hook(name: str) -> str:
    """Read the name of a hook of TransformerLens."""
    parts = re.fullmatch(r"(?:(\w+)\.)?blocks\.(\d+)\.([\w.]+)", name)
    if parts is None:
        start, _, rest = name.partition(".")
        tower = TOWERS.get(start, "") if rest else "text"
        return SINGLE.get(tower, {}).get(rest if start in TOWERS else name, "")
    tower = TOWERS.get(parts[1] or "", "")
    number = int(parts[2])
    if not tower:
        return ""
    if parts[3] in ("hook_resid_pre", "hook_in"):
        return f"{tower}.x" if number == 0 else f"{tower}.{number - 1}.x"
    last = HOOKS.get(parts[3]) or OF_TOWER[tower].get(parts[3])
    return f"{tower}.{number}.{last}" if last else ""


MODULES = modules()


# ---------------------------------------------------------------- a map of one's own


def read_map(path: str | Path) -> dict[str, str]:
    """Read a map: their name -> ours, `{i}` standing for the number of a layer."""
    text = read_text(Path(path))
    found = read_json(path, text) if text.lstrip().startswith("{") else read_lines(path, text)
    known_rows = [row.name for row in TABLE]
    for theirs, ours in found.items():
        if ours != IDS and ours not in known_rows and find(ours) is None:
            near = nearest_name(ours, known_rows) or ";"
            raise UserError(
                f"{path} maps {theirs!r} to {ours!r}, which is no name of the table{near} "
                "`numpygit trace --table` lists them"
            )
    return found


def read_json(path: str | Path, text: str) -> dict[str, str]:
    """Read a JSON object of texts."""
    try:
        found = json.loads(text)
    except ValueError as error:
        raise UserError(f"{path} is no JSON: {error}") from None
    if not isinstance(found, dict) or not all(isinstance(v, str) for v in found.values()):
        raise UserError(f'{path} must be one object of names: {{"their.name": "our.name"}}')
    return found


def read_lines(path: str | Path, text: str) -> dict[str, str]:
    """Read lines `theirs = ours`; `#` begins a comment."""
    found = {}
    for number, line in enumerate(text.splitlines(), 1):
        line = line.partition("#")[0].strip()
        if not line:
            continue
        theirs, equals, ours = (part.strip() for part in line.partition("="))
        if not equals or not theirs or not ours:
            raise UserError(
                f"{path}, line {number}: expected `their.name = our.name`, got {line!r}"
            )
        found[theirs] = ours
    return found

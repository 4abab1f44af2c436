"""The source of the model's functions, and, inside a browser only, other code in their place."""

from __future__ import annotations
import __future__

import ast
import inspect
import linecache
import sys
import traceback
from collections.abc import Callable
from types import ModuleType
from typing import Any

from ...errors import UserError
from ...model import generate, image, layers, text, vision
from ..protocol import Event

MODULES: dict[str, ModuleType] = {
    "image": image,
    "layers": layers,
    "vision": vision,
    "text": text,
    "generate": generate,
}
UNEVALUATED = __future__.annotations.compiler_flag  # annotations, as in the files of the model
EDITED = "<edited "  # how the file name of edited code begins


def names() -> list[str]:
    """List the functions of the five files in reading order: `layers.attention`, ..."""
    return [
        f"{short}.{name}"
        for short, module in MODULES.items()
        for name, value in vars(module).items()
        if inspect.isfunction(value) and value.__module__ == module.__name__
    ]


class Edits:
    """Functions that somebody has written anew, and the original ones."""

    def __init__(self) -> None:
        self.originals: dict[str, Callable[..., Any]] = {}
        self.texts: dict[str, str] = {}

    @property
    def active(self) -> bool:
        """Tell whether any function is not the original one."""
        return bool(self.originals)

    def source(self, name: str) -> Event:
        """Give the text of a function, and where it stands in its file."""
        function = self.originals.get(name) or find(name)
        lines, first = inspect.getsourcelines(function)
        original = "".join(lines)
        return {
            "event": "source",
            "name": name,
            "file": f"numpygit/model/{name.split('.')[0]}.py",
            "line": first,
            "source": self.texts.get(name, original),
            "edited": name in self.texts,
        }

    def edit(self, name: str, source: str) -> Event:
        """Run the text of a function, and call what it defines wherever the original was."""
        original = self.originals.get(name) or find(name)
        made = compiled(name, source)
        self.put(name, made)
        self.originals.setdefault(name, original)
        self.texts[name] = source
        return {"event": "edited", "name": name, "edits": sorted(self.texts)}

    def put(self, name: str, made: Callable[..., Any]) -> None:
        """Replace a function in every module of the package that has imported it."""
        current = find(name)
        for module in [m for key, m in sys.modules.items() if key.split(".")[0] == "numpygit"]:
            for key, value in list(vars(module).items()):
                if value is current:
                    setattr(module, key, made)

    def reset(self) -> Event:
        """Put all the original functions back."""
        for name, original in self.originals.items():
            self.put(name, original)
        self.originals.clear()
        self.texts.clear()
        return {"event": "edited", "name": "", "edits": []}


def find(name: str) -> Callable[..., Any]:
    """Look up a function of the model by its short name."""
    if name not in names():
        raise UserError(f"there is no function {name!r}; there is, for example, layers.attention")
    module, function = name.split(".")
    found: Callable[..., Any] = getattr(MODULES[module], function)
    return found


def compiled(name: str, source: str) -> Callable[..., Any]:
    """Run the text of one function in its module; raises UserError for what is not one."""
    module, function = name.split(".")
    file = f"{EDITED}{name}>"
    try:
        tree = ast.parse(source, file)
        if [getattr(part, "name", None) for part in tree.body] != [function]:
            raise UserError(f"the text must define {function}, and nothing else")
        namespace = dict(vars(MODULES[module]))
        exec(compile(source, file, "exec", dont_inherit=True, flags=UNEVALUATED), namespace)
    except UserError:
        raise
    except Exception as error:
        raise UserError(mistake(error)) from None
    linecache.cache[file] = (len(source), None, source.splitlines(keepends=True), file)
    made: Callable[..., Any] = namespace[function]
    return with_globals(made, vars(MODULES[module]))


def with_globals(made: Any, module: dict[str, Any]) -> Callable[..., Any]:
    """Copy a function, so that it looks names up in its module."""
    copy = type(made)(made.__code__, module, made.__name__, made.__defaults__, made.__closure__)
    copy.__kwdefaults__ = made.__kwdefaults__
    return copy


def mistake(error: BaseException) -> str:
    """Say what went wrong in edited code, and in which of its lines."""
    if isinstance(error, SyntaxError):
        return f"line {error.lineno}: {error.msg}"
    lines = [
        frame.lineno
        for frame in traceback.extract_tb(error.__traceback__)
        if frame.filename.startswith(EDITED)
    ]
    where = f"line {lines[-1]}: " if lines else ""
    return f"{where}{type(error).__name__}: {error}"

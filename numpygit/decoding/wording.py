"""Settings of captions: beginning, forbidden words, options of `generate`, prefix and suffix."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from ..errors import UserError


@dataclass(frozen=True)
class Wording:
    """Settings of captions, beside those in the model's files: beginning, forbidden words, options.

    Parameters
    ----------
    begin : str
        Words that every caption begins with and the model continues: "a photo of".
    prefix, suffix : str
        Text before and after every caption, such as a trigger word, which the model does not see.
    forbid : tuple of str
        Words that no caption may have.
    options : mapping
        The options of `generate`, by their names: num_beams, do_sample, no_repeat_ngram_size, ...

    Raises
    ------
    UserError
        For what is no text, no list of words, or no mapping.

    Examples
    --------
    >>> import numpygit
    >>> from numpygit.storybook import EXAMPLES
    >>> wording = numpygit.Wording(begin="five big", suffix=".", options={"num_beams": 2})
    >>> storybook = numpygit.load("storybook", wording=wording)
    >>> storybook.caption(EXAMPLES / "count.png")
    'five big pink trees.'
    """

    begin: str = ""
    prefix: str = ""
    suffix: str = ""
    forbid: tuple[str, ...] = ()
    options: Mapping[str, Any] = field(default_factory=dict)

    def __post_init__(self) -> None:
        for name in ("begin", "prefix", "suffix"):
            if not isinstance(getattr(self, name), str):
                raise UserError(f"{name} is {getattr(self, name)!r}, expected a text")
        forbid: Any = self.forbid
        is_list = isinstance(forbid, list | tuple | set)
        if not is_list or not all(isinstance(word, str) for word in forbid):
            raise UserError(f"forbid is {self.forbid!r}, expected a list of words")
        if not isinstance(self.options, Mapping):
            raise UserError(f"options is {self.options!r}, expected those of generate, by name")

    def around(self, caption: str) -> str:
        """Put prefix and suffix around a caption."""
        return f"{self.prefix}{caption}{self.suffix}"


def common_start(a: str, b: str) -> str:
    """Return what two texts begin with alike."""
    length = 0
    while length < min(len(a), len(b)) and a[length] == b[length]:
        length += 1
    return a[:length]

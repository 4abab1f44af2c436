"""Messages: one line, whatever becomes of the stream."""

from __future__ import annotations

import io
import sys

import pytest

from numpygit.errors import complain, is_watched, shown


def test_a_message_is_one_printable_line(capsys: pytest.CaptureFixture) -> None:
    assert complain("a\x1b[31m\nb") == 1
    assert capsys.readouterr() == ("", "numpygit: a\\x1b[31m b\n")


class Broken(io.StringIO):
    """A stream that cannot be written."""

    def write(self, text: str) -> int:
        raise OSError(28, "No space left on device")


@pytest.mark.parametrize("stream", [None, Broken(), "closed"])
def test_a_stream_that_is_not_there_loses_only_the_message(
    stream: object, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture
) -> None:
    if stream == "closed":
        stream = io.StringIO()
        stream.close()
    monkeypatch.setattr(sys, "stderr", stream)
    assert not is_watched()
    assert complain("lost") == 1
    assert capsys.readouterr().out == ""


@pytest.mark.parametrize(
    ("text", "written"),
    [("plain", "plain"), ("a\tb", "a\\tb"), ("\udcff", "\\udcff"), ("ä", "ä")],
)
def test_names_are_shown_without_control_characters(text: str, written: str) -> None:
    assert shown(text) == written
    assert len(shown(text * 500)) < 700

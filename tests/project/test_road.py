"""The road of a debugger from a caption to the first matrix stays short, measured as one steps it.

A profiler sees every call into the package: so `s` in a debugger would enter these functions, with
`justMyCode` nothing else.
"""

import sys
from pathlib import Path
from types import FrameType

import pytest

import numpygit

PACKAGE = str(Path(numpygit.__file__).parent)
PICTURE = Path(PACKAGE) / "storybook" / "examples" / "relation.png"


class Road:
    """The calls into the package before the vision tower begins, and the stack at attention."""

    def __init__(self) -> None:
        self.files: list[str] = []  # one for each change of file
        self.stack: list[str] = []  # from caption to the first attention of the text decoder
        self.has_arrived = False

    def __call__(self, frame: FrameType, event: str, _: object) -> None:
        file = frame.f_code.co_filename
        if event != "call" or not file.startswith(PACKAGE):
            return
        if not self.has_arrived and file not in self.files[-1:]:
            self.files.append(file)
        self.has_arrived |= frame.f_code.co_name == "vision_tower"
        is_attention = frame.f_code.co_name == "attention"
        if is_attention and frame.f_back.f_code.co_filename.endswith("text.py") and not self.stack:
            while frame is not None:
                if frame.f_code.co_filename.startswith(PACKAGE):
                    self.stack.insert(0, frame.f_code.co_name)
                frame = frame.f_back


@pytest.fixture(scope="module")
def road() -> Road:
    captioner = numpygit.load("storybook", plain=True)
    road = Road()
    sys.setprofile(road)
    try:
        captioner.caption(PICTURE)
    finally:
        sys.setprofile(None)
    return road


def test_from_caption_to_attention_it_is_nine_functions_at_most(road):
    assert road.stack[0] == "caption"
    assert road.stack[-1] == "attention"
    assert len(road.stack) <= 9, road.stack


def test_the_readme_says_how_many(road):
    readme = (Path(PACKAGE).parent / "README.md").read_text(encoding="utf-8")
    assert f"down to one attention weight it is {len(road.stack)} functions" in readme


def test_few_files_are_entered_before_the_first_matrix(road):
    assert road.has_arrived
    assert len(road.files) <= 25, road.files
    assert len(set(road.files)) <= 12, sorted(set(road.files))


def test_a_still_picture_does_not_pass_through_video_code_nor_thread_bookkeeping(road):
    entered = {Path(file).name for file in road.files}
    assert "vision.py" in entered
    assert not entered & {"video.py", "threads.py", "towers.py"}

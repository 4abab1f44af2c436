"""The 17 official checkpoints: their names, tasks, sizes and reported metrics.

Sources: names, sizes and licences from the Hub; metrics from the README of
microsoft/GenerativeImage2Text at faae4fb, measured by the authors with their own code.
"""

from __future__ import annotations

from difflib import get_close_matches
from typing import NamedTuple

PLAIN = "pretrained, for captions"
CAPTIONS = "captions"
TEXT_CAPTIONS = "captions that read text"
QUESTIONS = "questions"
TEXT_QUESTIONS = "questions about text"
CLIPS = "captions of clips"
CLIP_QUESTIONS = "questions about clips"


class Entry(NamedTuple):
    """One checkpoint. What follows from its size is derived below."""

    name: str
    task: str
    size: str  # "base" or "large"
    image_size: int
    frames: int | None
    metric: str


CATALOGUE = [
    Entry("git-base", PLAIN, "base", 224, None, "4M images"),
    Entry("git-base-coco", CAPTIONS, "base", 224, None, "COCO CIDEr 131.4"),
    Entry("git-base-textcaps", TEXT_CAPTIONS, "base", 224, None, "TextCaps val CIDEr 64.9"),
    Entry("git-base-vqav2", QUESTIONS, "base", 480, None, "VQAv2 test-dev 72.72"),
    Entry("git-base-textvqa", TEXT_QUESTIONS, "base", 480, None, "TextVQA val 18.81"),
    Entry("git-base-vatex", CLIPS, "base", 224, 6, "VATEX public test CIDEr 60.0"),
    Entry("git-base-msrvtt-qa", CLIP_QUESTIONS, "base", 224, 6, "MSRVTT-QA accuracy 41.0"),
    Entry("git-large", PLAIN, "large", 224, None, "14M images"),
    Entry("git-large-coco", CAPTIONS, "large", 224, None, "COCO CIDEr 138.5"),
    Entry("git-large-textcaps", TEXT_CAPTIONS, "large", 224, None, "TextCaps val CIDEr 106.3"),
    Entry("git-large-vqav2", QUESTIONS, "large", 420, None, "VQAv2 test-dev 75.51"),
    Entry("git-large-textvqa", TEXT_QUESTIONS, "large", 420, None, "TextVQA val 37.47"),
    Entry("git-large-vatex", CLIPS, "large", 224, 6, "VATEX public test CIDEr 72.5"),
    Entry("git-large-msrvtt-qa", CLIP_QUESTIONS, "large", 224, 6, "MSRVTT-QA accuracy 42.7"),
    Entry("git-large-r", PLAIN, "large", 224, None, "14M images, no name tags"),
    Entry("git-large-r-coco", CAPTIONS, "large", 224, None, "COCO CIDEr 137.6"),
    Entry("git-large-r-textcaps", TEXT_CAPTIONS, "large", 224, None, "TextCaps val CIDEr 105.3"),
]
CATALOGUE = [entry._replace(name=f"microsoft/{entry.name}") for entry in CATALOGUE]


def nearest(name: str) -> str:
    """Suggest official names for one that is none of them: "; did you mean ...?", or nothing."""
    names = [entry.name for entry in CATALOGUE]
    if name in names:
        return ""
    owner, _, model = name.rpartition("/")
    if owner not in ("", "microsoft") and not get_close_matches(owner, ["microsoft"]):
        return ""  # somebody else's model, which may well have a name like these
    models = [official.removeprefix("microsoft/") for official in names]
    near = get_close_matches(model.lower(), models, n=3, cutoff=0.8)
    if model.lower() in models:
        near = [model.lower()]
    if not near:
        return ""
    return "; did you mean " + " or ".join(f"microsoft/{match}" for match in near) + "?"

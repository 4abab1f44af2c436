"""Two files that everybody has: COCO's captions, and VQA's questions with their answers.

COCO: {"images": [{"id", "file_name"}], "annotations": [{"image_id", "caption"}]}, five captions a
picture. VQA v2: {"questions": [{"question_id", "image_id", "question"}], "data_subtype"} and
{"annotations": [{"question_id", "answers": [{"answer"}, ... ten], "question_type",
"answer_type"}]}; its pictures are named by their id: COCO_val2014_000000391895.jpg.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from ..errors import UserError
from .rows import Row, inside
from .tables import answers_of, read_json


def coco_captions(path: Path, *, pictures: Path | None = None) -> Iterator[Row]:
    """Read COCO's captions: one row a picture, with all its captions; the key is the image_id."""
    file = read_json(path)
    images, notes = (entries(file, name, path) for name in ("images", "annotations"))
    texts: dict[Any, list[str]] = {}
    for note in notes:
        texts.setdefault(id_of(note, "image_id", path), []).append(str(note.get("caption", "")))
    names = {id_of(image, "id", path): str(image.get("file_name", "")) for image in images}
    folder = find_pictures_of(path, next(iter(names.values()), ""), pictures)
    for number in dict.fromkeys([*names, *texts]):
        named = {"file_name": names[number]} if number in names else {}
        row = Row(
            str(number), None, tuple(texts.get(number, ())), labels={"image_id": number, **named}
        )
        if number not in names:
            yield row.failed(f"{path} has captions of the picture {number}, but no such picture")
        else:
            yield inside(folder, names[number], row)


def vqa(path: Path, *, answers: Path | None = None, pictures: Path | None = None) -> Iterator[Row]:
    """Read VQA's questions, and the answers of its ten annotators where their file is given.

    One row a question; the key is the question_id.
    """
    file = read_json(path)
    questions = entries(file, "questions", path)
    given = {} if answers is None else vqa_answers(answers)
    subtype = str(file.get("data_subtype", "val2014"))
    folder = None
    for question in questions:
        number, image = (id_of(question, name, path) for name in ("question_id", "image_id"))
        note = given.get(number, {})
        kinds: dict[str, str | int] = {
            name: str(note[name]) for name in ("question_type", "answer_type") if name in note
        }
        row = Row(
            str(number),
            None,
            question=str(question.get("question", "")),
            answers=answers_of(note),
            labels={"question_id": number, "image_id": image, **kinds},
        )
        name = str(question.get("file_name") or vqa_name(image, subtype))
        folder = folder or find_pictures_of(path, name, pictures)
        yield inside(folder, name, row)


def vqa_answers(path: Path) -> dict[Any, dict[str, Any]]:
    """Read VQA's annotations: question_id -> annotation."""
    notes = entries(read_json(path), "annotations", path)
    return {id_of(note, "question_id", path): note for note in notes}


def vqa_name(image: int | str, subtype: str) -> str:
    """Name the picture file of an image_id, as COCO did in 2014 or does since 2017."""
    if not isinstance(image, int):
        return str(image)
    return f"{image:012}.jpg" if "2014" not in subtype else f"COCO_{subtype}_{image:012}.jpg"


def image_id(name: str) -> int | None:
    """Read the id in the name of a COCO picture: COCO_val2014_000000391895.jpg -> 391895."""
    found = re.search(r"(\d+)$", Path(name).stem)
    return int(found[1]) if found else None


def find_pictures_of(path: Path, name: str, pictures: Path | None) -> Path:
    """Find the folder of the pictures: as given, or as COCO's own folders lie beside its files."""
    if pictures is not None:
        return pictures
    split = re.search(r"(train|val|test)20\d\d", name) or re.search(
        r"(train|val|test)20\d\d", path.name
    )
    around = [path.parent, path.parent.parent]
    if split:
        around += [folder / below / split[0] for folder in around for below in ("", "images")]
    return next((folder for folder in around if (folder / name).is_file()), path.parent)


def entries(file: Any, name: str, path: Path) -> list[dict[str, Any]]:
    """Take a list of objects out of a file; UserError where it is not there."""
    found = file.get(name) if isinstance(file, dict) else None
    if not isinstance(found, list) or not all(isinstance(one, dict) for one in found):
        raise UserError(f"{path} has no list of {name!r}; expected a file as COCO or VQA have them")
    return found


def id_of(entry: dict[str, Any], name: str, path: Path) -> int | str:
    """Take an id, which is a whole number in COCO and may be a text elsewhere."""
    number = entry.get(name)
    if isinstance(number, bool) or not isinstance(number, int | str):
        raise UserError(f"{path} has an entry whose {name!r} is {number!r}; expected an id")
    return number

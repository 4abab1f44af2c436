"""COCO's captions, and VQA's questions with their answers: the official JSON files.

COCO: {"images": [{"id", "file_name"}], "annotations": [{"image_id", "caption"}]}, five captions a
picture; without annotations for the test. Karpathy's splits: {"images": [{"filename", "cocoid",
"split", "sentences": [{"raw"}]}]}. VQA v2: {"questions": [{"question_id", "image_id", "question"}],
"data_subtype"} and {"annotations": [{"question_id", "answers": [{"answer"}, ... ten],
"question_type", "answer_type"}]}; pictures are named by their id: COCO_val2014_000000391895.jpg.
TextVQA: {"data": [{"question_id", "image_id", "question", "answers": [ten]}]}.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from ..errors import UserError
from .rows import Row, inside, why_outside
from .tables import answers_of, read_json, texts_of

TEXTVQA = ("train_images", "test_images", "images")  # where pictures lie


def coco_captions(path: Path, *, pictures: Path | None = None) -> Iterator[Row]:
    """Read COCO's captions: one row a picture, with all its captions; the key is the image_id."""
    file = read_json(path)
    images = entries(file, "images", path)
    if images and "sentences" in images[0]:
        yield from karpathy(images, path, pictures)
        return
    notes = entries(file, "annotations", path) if "annotations" in file else []
    texts: dict[Any, list[str]] = {}
    for note in notes:
        captions = texts.setdefault(id_of(note, "image_id", path), [])
        captions += texts_of({"caption": note.get("caption")})
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


def karpathy(images: list[dict[str, Any]], path: Path, pictures: Path | None) -> Iterator[Row]:
    """Read Karpathy's splits of COCO and Flickr; the key is COCO's id or the name of the file."""
    first = images[0]
    name = str(first.get("filename", ""))
    folder = find_pictures_of(path, name, pictures)
    for image in images:
        name = str(image.get("filename", ""))
        number = image.get("cocoid", image.get("imgid"))
        labels: dict[str, str | int] = {"file_name": name, "set": str(image.get("split", ""))}
        if isinstance(number, int):
            labels["image_id"] = number
        key = str(image.get("cocoid", name))
        row = Row(key, None, texts_of({"sentences": image.get("sentences")}), labels=labels)
        below = f"{image.get('filepath', '')}/{name}".lstrip("/")  # COCO's has val2014/ apart
        is_below = why_outside(below) is None and (folder / below).is_file()
        yield inside(folder, below if is_below else name, row)


def vqa(path: Path, *, answers: Path | None = None, pictures: Path | None = None) -> Iterator[Row]:
    """Read VQA's questions, and the answers of its ten annotators where their file is given.

    One row a question; the key is the question_id.
    """
    file = read_json(path)
    questions = entries(file, "questions" if "questions" in file else "data", path)
    given = {} if answers is None else vqa_answers(answers)
    subtype = str(file.get("data_subtype", "val2014"))
    folder = None
    for question in questions:
        number, image = (id_of(question, name, path) for name in ("question_id", "image_id"))
        note = given.get(number, question)  # TextVQA has the answers beside the question
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
    """Name the picture file of an image_id, as COCO did until 2015 or does since 2017."""
    if not isinstance(image, int):
        return image if Path(image).suffix else f"{image}.jpg"
    subset = subtype.replace("test-dev", "test")  # which has the same pictures
    return f"{image:012}.jpg" if "2017" in subset else f"COCO_{subset}_{image:012}.jpg"


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
    around += [folder / below for folder in around for below in TEXTVQA]
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

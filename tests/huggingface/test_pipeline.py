"""Pipelines: the inputs and outputs of transformers', texts as the captioner's.

Checks huggingface/pipeline/tasks.py, huggingface/pipeline/inputs.py.
"""

from __future__ import annotations

import logging
import socket
from typing import Any

import numpy as np
import pytest
from PIL import Image

import numpygit
from numpygit import NotFoundError, UserError, pipeline
from numpygit.storybook import EXAMPLES

PATHS = [str(EXAMPLES / name) for name in ("relation.png", "row.png", "count.png")]
TEXTS = ["an orange fish in front of a green boat", "an orange house, a blue cat and a yellow boat",
         "five small pink trees"]  # fmt: skip
RECORDS = [[{"generated_text": text}] for text in TEXTS]
CAPTIONER = pipeline("image-to-text", model="storybook")


@pytest.mark.parametrize("size", [None, 1, 2, 5])
def test_pictures_become_records(size: int | None) -> None:
    assert CAPTIONER(PATHS[0], batch_size=size) == RECORDS[0]
    assert CAPTIONER(PATHS, batch_size=size) == RECORDS
    assert CAPTIONER([Image.open(path) for path in PATHS], batch_size=size) == RECORDS
    assert CAPTIONER(images=np.asarray(Image.open(PATHS[0]).convert("RGB"))) == RECORDS[0]


def test_a_generator_is_worked_through_as_it_is_asked() -> None:
    taken = []

    def pictures() -> Any:
        for path in PATHS:
            taken.append(path)
            yield path

    results = CAPTIONER(pictures(), batch_size=2)
    assert taken == []
    assert next(results) == RECORDS[0]
    assert len(taken) == 2
    assert list(results) == RECORDS[1:]


def test_prompts_and_options() -> None:
    (found,) = CAPTIONER(PATHS[0], prompt="a red", max_new_tokens=3)
    assert found["generated_text"] == "a red fish in front"
    several = CAPTIONER(PATHS[0], generate_kwargs={"num_beams": 3, "num_return_sequences": 2})
    assert len(several) == 2
    short = pipeline("image-to-text", model="storybook", max_new_tokens=2)
    assert short(PATHS[0]) == [{"generated_text": "an orange"}]
    model = numpygit.GitForCausalLM.from_pretrained("storybook")
    processor = numpygit.GitProcessor.from_pretrained("storybook")
    parts = {"tokenizer": processor.tokenizer, "image_processor": processor.image_processor}
    assert pipeline(model=model, **parts)(PATHS[0]) == RECORDS[0]


def test_questions_are_answered() -> None:
    ask = pipeline("vqa", model="storybook")
    sign, question = str(EXAMPLES / "sign.png"), "what does the sign say?"
    answer = [{"answer": "rain"}]
    assert ask(sign, question) == ask(image=sign, question=question) == answer
    assert ask({"image": sign, "question": question}) == answer
    assert ask([{"image": sign, "question": question}] * 2, batch_size=2) == [answer] * 2
    assert ask(sign, [question, question]) == [answer] * 2
    assert ask([sign, sign], question) == [answer] * 2
    with pytest.raises(UserError, match="2 image and 3 question"):
        ask([sign] * 2, [question] * 3)
    with pytest.raises(UserError, match="for models that classify"):
        ask(sign, question, top_k=3)


def test_texts_beside_pictures_are_continued() -> None:
    go_on = pipeline("image-text-to-text", model="storybook")
    (found,) = go_on(PATHS[0], "a", max_new_tokens=4)
    assert found["input_text"] == "a"
    assert found["generated_text"].startswith("a ")
    new = go_on(images=PATHS[0], text="a", max_new_tokens=4, return_full_text=False)
    assert "a" + new[0]["generated_text"] == found["generated_text"]
    ids = go_on(images=PATHS[0], text="a", max_new_tokens=4, return_tensors=True)
    assert ids[0]["generated_token_ids"][:3].tolist() == [2, 7, 3]
    assert go_on(PATHS[:1], ["a"], max_new_tokens=4) == [found]
    assert go_on({"images": PATHS[0], "text": "a"}, max_new_tokens=4) == [found]


def test_the_timeout_is_that_of_addresses() -> None:
    """A server that takes the call and never answers: 30 seconds without the keyword."""
    with socket.create_server(("127.0.0.1", 0)) as silent:
        address = f"http://127.0.0.1:{silent.getsockname()[1]}/a.png"
        with pytest.raises(NotFoundError, match="timed out"):
            CAPTIONER(address, timeout=0.2)
        with pytest.raises(NotFoundError, match="timed out"):
            pipeline("image-to-text", model="storybook", timeout=0.2)([PATHS[0], address])
    assert CAPTIONER.image_processor.options.timeout == 30


def test_keywords_that_change_nothing_are_in_the_log(caplog: pytest.LogCaptureFixture) -> None:
    with caplog.at_level(logging.DEBUG, "numpygit"):
        made = pipeline("image-to-text", model="storybook", framework="pt", device=-1)
        assert made(PATHS[0], num_workers=2) == RECORDS[0]
    said = " ".join(record.getMessage() for record in caplog.records)
    assert "framework changes nothing" in said
    assert "num_workers changes nothing" in said


@pytest.mark.parametrize(
    ("action", "message"),
    [
        (lambda: pipeline("object-detection", model="storybook"), "GIT does not do the task"),
        (lambda: pipeline("image-to-text"), "name a model"),
        (lambda: pipeline("vqa", model="storybook", device="cuda"), "device='cuda' cannot be had"),
        (lambda: CAPTIONER(PATHS[0], prompt=["a", "b"]), "prompt must be one text"),
        (lambda: CAPTIONER(PATHS[0], max_new_tokens=2, generate_kwargs={"max_new_tokens": 3}),
         "max_new_tokens is given twice"),
        (lambda: CAPTIONER(), "give images"),
        (lambda: pipeline("vqa", model="storybook", framework="tf"), "framework is 'tf'"),
        (lambda: CAPTIONER(PATHS, batch_size="two"), "batch_size is 'two', expected a whole"),
        (lambda: CAPTIONER(PATHS, timeout=-1), "timeout is -1, expected seconds"),
        (lambda: CAPTIONER(PATHS, num_workers=-1), "num_workers is -1, expected a whole"),
        (lambda: CAPTIONER(PATHS, max_new_tokens=True), "max_new_tokens is True"),
        (lambda: CAPTIONER(PATHS, generate_kwargs=[1]), "expected options of generate"),
        (lambda: pipeline("vqa", model="storybook")(PATHS[0]), "without a text"),
    ],
)  # fmt: skip
def test_what_cannot_be_is_refused(action: Any, message: str) -> None:
    with pytest.raises(UserError, match=message):
        action()

"""Every kind of source gives the same rows of pictures, texts, questions and answers.

Checks data/coco.py, data/folders.py, data/parquet.py, data/rows.py, data/shards.py, data/split.py,
data/tables.py, data/tsv.py.
"""

from __future__ import annotations

import csv
import json
import os
import pickle
from pathlib import Path

import made_sets
import pytest
from hypothesis import given
from hypothesis import strategies as st

from numpygit.data import Row, Share, read
from numpygit.errors import NotFoundError, UserError

NAMES = ["a.png", "b.jpg", "in/c.png"]


@pytest.fixture
def pictures(tmp_path: Path) -> Path:
    return made_sets.folder(tmp_path / "pictures", NAMES)


def content(row: Row) -> bytes:
    """The bytes of a row's picture, wherever they lie."""
    found = row.read()
    return found.read_bytes() if isinstance(found, Path) else found


def table(rows) -> dict[str, tuple[str, ...]]:
    return {row.key: row.texts for row in rows}


# ---------------------------------------------------------------- files and folders


def test_a_folder_with_sidecars(pictures):
    (pictures / "a.txt").write_text("first caption\n\n second \n", encoding="utf-8")
    (pictures / "in/c.caption").write_text("\ufeffé", encoding="utf-8")
    rows = list(read(pictures))
    assert table(rows) == {"a.png": ("first caption", "second"), "b.jpg": (), "in/c.png": ("é",)}
    assert [row.picture for row in rows] == [pictures / name for name in NAMES]
    assert [row.key for row in read(pictures, recursive=False)] == ["a.png", "b.jpg"]
    assert all(not row.texts for row in read(pictures, with_texts=False))


def test_sidecars_that_are_no_texts_are_errors(pictures):
    (pictures / "a.txt").write_bytes(b"\xff\xfe\xfa")
    (pictures / "b.txt").write_bytes(b"x" * 2_000_000)
    errors = {row.key: row.error for row in read(pictures) if row.error}
    assert "a.txt is not a text in UTF-8" in errors["a.png"]
    assert "b.txt is longer than" in errors["b.jpg"]
    assert not [row for row in read(pictures, with_texts=False) if row.error]


def test_files_folders_and_patterns_together(pictures, tmp_path):
    other = made_sets.folder(tmp_path / "other", ["a.png"])
    rows = list(read([pictures / "a.png", pictures, other]))
    keys = ["pictures/a.png", "pictures/a.png (2)", "pictures/b.jpg", "pictures/in/c.png"]
    assert [row.key for row in rows] == [*keys, "other/a.png"]
    assert "more than once" in rows[1].error
    assert [row.key for row in read(pictures / "a.png")] == ["a.png"]
    assert [row.key for row in read(str(pictures / "*.*"))] == ["a.png", "b.jpg"]


def test_a_folder_in_a_folder_of_its_name(tmp_path):
    names = ["a/x.png", "a/a/x.png", "b/x.png"]
    made_sets.folder(tmp_path, names)
    assert [row.key for row in read([tmp_path / "a", tmp_path / "b"])] == [
        "a/a/x.png",
        "a/x.png",
        "b/x.png",
    ]


def test_many_files_are_listed_in_one_pass(tmp_path, monkeypatch):
    made_sets.folder(tmp_path, [f"{i}.png" for i in range(50)])
    common = os.path.commonpath
    calls: list[int] = []
    monkeypatch.setattr(os.path, "commonpath", lambda paths: (calls.append(1), common(paths))[1])
    assert len(list(read(str(tmp_path / "*.png")))) == 50
    assert len(calls) == 1  # not once a picture, or 10,000 pictures take minutes


def test_addresses_stand_among_the_sources(pictures):
    address = "https://example.org/a.jpg?size=large"
    rows = list(read([str(pictures / "a.png"), address, address]))
    assert [(row.key, row.error) for row in rows[:2]] == [("a.png", None), (address, None)]
    assert rows[1].read() == address
    assert "more than once" in rows[2].error
    assert [row.key for row in read(address)] == [address]
    every = [f"https://example.org/{i}.jpg" for i in range(20)]
    parts = [[row.key for row in read(every, share=Share(i, 3))] for i in range(3)]
    assert sorted(key for part in parts for key in part) == sorted(every)


@pytest.mark.parametrize("kind", ["jsonl", "csv", "parquet"])
def test_an_imagefolder(pictures, kind):
    rows = [
        {"file_name": "a.png", "text": "one, with a comma"},
        {"file_name": "in/c.png", "text": 'two\nlines "quoted"'},
        {"file_name": "a.png", "text": "again"},
        {"file_name": "gone.png", "text": "three"},
        {"file_name": "../out.png", "text": "four"},
    ]
    path = pictures / f"metadata.{kind}"
    if kind == "parquet":
        pa = pytest.importorskip("pyarrow")
        pytest.importorskip("pyarrow.parquet").write_table(pa.Table.from_pylist(rows), path)
    else:
        with path.open("w", newline="", encoding="utf-8") as file:
            if kind == "jsonl":
                file.writelines(json.dumps(row) + "\n" for row in rows)
            else:
                writer = csv.DictWriter(file, ["file_name", "text"])
                writer.writeheader()
                writer.writerows(rows)
    for source in (pictures, path):
        found = {row.key: row for row in read(source)}
        assert list(found) == ["a.png", "in/c.png", "gone.png", "../out.png"]
        assert found["a.png"].texts == ("one, with a comma", "again")
        assert found["in/c.png"].texts == ('two\nlines "quoted"',)
        assert content(found["in/c.png"]) == (pictures / "in/c.png").read_bytes()
        assert "no such picture file" in found["gone.png"].error
        assert "leads out of the data set" in found["../out.png"].error


def test_a_table_of_questions(pictures):
    rows = [
        {"file_name": "a.png", "question": "what?", "answer": "a star"},
        {"file_name": "a.png", "question": "where?", "answers": ["here", "there"]},
    ]
    (pictures / "metadata.jsonl").write_text("\n".join(map(json.dumps, rows)))
    found = list(read(pictures))
    assert [(row.key, row.question, row.answers) for row in found] == [
        ("a.png#1", "what?", ("a star",)),
        ("a.png#2", "where?", ("here", "there")),
    ]


@pytest.mark.parametrize(
    ("name", "text", "why"),
    [
        ("m.jsonl", "{}\n", "no column that names pictures"),
        ("m.jsonl", "[1]\n", "line 1 is no JSON object"),
        ("m.jsonl", '{"file_name": "a.png"}\nnothing', "line 2 is no JSON object"),
        ("m.jsonl", "", "has no rows"),
        ("m.jsonl", "[" * 100_000, "line 1 is no JSON object"),
        ("m.csv", "file_name,text\na.png\n", "line 2 has more or fewer values"),
        ("m.csv", "a,b\n1,2\n", "no column that names pictures"),
        ("m.csv", 'file_name,text\n"a', "no row of CSV"),
        ("m.json", "{", "is not JSON"),
        ("m.json", "[1]", "no list of 'images'"),
        ("m.json", '{"images": [], "annotations": [1]}', "no list of 'annotations'"),
        ("m.json", '{"images": [{}], "annotations": []}', "whose 'id' is None"),
        ("m.json", '{"questions": [{"question_id": true}]}', "whose 'question_id' is True"),
        ("m.tsv", "no tab here\n", "line 1 is not a key, a tab and a value"),
    ],
)
def test_files_that_are_not_what_they_seem(tmp_path, name, text, why):
    (tmp_path / name).write_text(text)
    with pytest.raises(UserError, match=why):
        list(read(tmp_path / name))


def test_sources_that_are_not_there(tmp_path):
    for source in ("nothing.tar", "nothing", "*.tar"):
        with pytest.raises(NotFoundError, match=r"no such file or folder|nothing fits"):
            read(tmp_path / source)
    with pytest.raises(UserError, match="no source"):
        read([])
    with pytest.raises(UserError, match="no pictures"):
        list(read(tmp_path))


# ---------------------------------------------------------------- COCO, VQA, the authors' TSV


def test_coco_captions_find_their_pictures(tmp_path):
    names = {391895: "COCO_val2014_000000391895.jpg", 7: "COCO_val2014_000000000007.jpg"}
    made_sets.folder(tmp_path / "coco/val2014", [names[391895]])
    path = made_sets.coco(
        tmp_path / "coco/annotations/captions_val2014.json",
        names,
        [(391895, "a man"), (7, "a dog"), (391895, "a bike"), (8, "nobody")],
    )
    found = {row.key: row for row in read(path)}
    assert found["391895"].texts == ("a man", "a bike")
    assert found["391895"].labels == {"image_id": 391895, "file_name": names[391895]}
    assert content(found["391895"]) == made_sets.picture(0, "jpg")
    assert "no such picture file" in found["7"].error
    assert found["7"].texts == ("a dog",)
    assert "no such picture" in found["8"].error


def test_vqa_has_a_row_for_each_question(tmp_path):
    name = "COCO_val2014_000000000042.jpg"
    made_sets.folder(tmp_path / "val2014", [name])
    questions = [{"question_id": 420, "image_id": 42, "question": "What?"}]
    answers = [{"answer": "yes", "answer_id": i} for i in range(10)]
    note = {"question_id": 420, "answers": answers, "question_type": "what", "answer_type": "other"}
    (tmp_path / "q.json").write_text(
        json.dumps({"questions": questions, "data_subtype": "val2014"}), encoding="utf-8"
    )
    (tmp_path / "a.json").write_text(json.dumps({"annotations": [note]}), encoding="utf-8")
    (row,) = read(tmp_path / "q.json", answers=tmp_path / "a.json")
    assert (row.key, row.question, row.answers) == ("420", "What?", ("yes",) * 10)
    kinds = {"question_type": "what", "answer_type": "other"}
    assert row.labels == {"question_id": 420, "image_id": 42, **kinds}
    assert content(row) == made_sets.picture(0, "jpg")
    (row,) = read(tmp_path / "q.json", pictures=tmp_path / "val2014")
    assert row.answers == ()


@pytest.mark.parametrize(
    ("subtype", "name"),
    [
        ("train2014", "COCO_train2014_000000000042.jpg"),
        ("test2015", "COCO_test2015_000000000042.jpg"),
        ("test-dev2015", "COCO_test2015_000000000042.jpg"),
        ("val2017", "000000000042.jpg"),
    ],
)
def test_the_pictures_of_every_part_of_vqa(tmp_path, subtype, name):
    made_sets.folder(tmp_path / "p", [name])
    questions = [{"question_id": 420, "image_id": 42, "question": "What?"}]
    (tmp_path / "q.json").write_text(json.dumps({"questions": questions, "data_subtype": subtype}))
    (row,) = read(tmp_path / "q.json", pictures=tmp_path / "p")
    assert (row.error, row.picture) == (None, tmp_path / "p" / name)


def test_pictures_without_captions_as_coco_has_them_for_its_test(tmp_path):
    made_sets.folder(tmp_path / "test2014", ["COCO_test2014_000000000001.jpg"])
    images = [{"id": 1, "file_name": "COCO_test2014_000000000001.jpg"}]
    (tmp_path / "image_info_test2014.json").write_text(json.dumps({"images": images}))
    (row,) = read(tmp_path / "image_info_test2014.json")
    assert (row.key, row.texts, row.error) == ("1", (), None)
    boxes = {"images": images, "annotations": [{"image_id": 1, "bbox": [0, 0, 9, 9]}]}
    (tmp_path / "instances_test2014.json").write_text(json.dumps(boxes))
    assert [row.texts for row in read(tmp_path / "instances_test2014.json")] == [()]


def test_karpathys_splits_textvqa_and_lists_of_rows(tmp_path):
    made_sets.folder(tmp_path, ["val2014/COCO_val2014_000000000007.jpg", "train_images/0a1b.jpg"])
    made_sets.folder(tmp_path, ["a.png"])
    image = {"filepath": "val2014", "filename": "COCO_val2014_000000000007.jpg", "cocoid": 7,
             "split": "test", "sentences": [{"raw": "a dog", "tokens": ["a", "dog"]}]}  # fmt: skip
    (tmp_path / "dataset_coco.json").write_text(json.dumps({"images": [image]}))
    (row,) = read(tmp_path / "dataset_coco.json")
    assert (row.key, row.texts, row.error) == ("7", ("a dog",), None)
    assert row.labels == {"image_id": 7, "file_name": image["filename"], "set": "test"}
    question = {"question_id": 3, "image_id": "0a1b", "question": "what?", "answers": ["x"] * 10}
    (tmp_path / "TextVQA_val.json").write_text(json.dumps({"data": [question]}))
    (row,) = read(tmp_path / "TextVQA_val.json")
    assert (row.key, row.answers, row.error) == ("3", ("x",) * 10, None)
    rows = [{"image": "a.png", "caption": ["one", "two"]}, {"image": "gone.png", "caption": "x"}]
    (tmp_path / "coco_karpathy_val.json").write_text(json.dumps(rows))
    first, second = read(tmp_path / "coco_karpathy_val.json")
    assert (first.key, first.texts, first.error) == ("a.png", ("one", "two"), None)
    assert "no such picture file" in second.error


@pytest.mark.parametrize(
    "text",
    [
        "image,caption\na.png,one\na.png,two\n",  # Flickr8k
        "image_name| comment_number| comment\na.png| 0| one\na.png| 1| two\n",  # Flickr30k
        "filepath;sentence\r\na.png;one\r\na.png;two\r\n",
        "train_file_name\tcaption_0\tcaption_1\na.png\tone\ttwo\n",
        '\ufefffile_name,text\na.png,"one"\na.png,two\n',
    ],
)
def test_tables_that_people_have(tmp_path, text):
    made_sets.folder(tmp_path, ["a.png"])
    (tmp_path / "captions.csv").write_text(text, encoding="utf-8")
    (row,) = read(tmp_path / "captions.csv")
    assert (row.key, row.texts, row.error) == ("a.png", ("one", "two"), None)


def test_a_pattern_means_pictures_and_sets(tmp_path):
    made_sets.folder(tmp_path, ["a.png", "b.png"])
    (tmp_path / "a.txt").write_text("a caption")
    assert [row.key for row in read(str(tmp_path / "*"))] == ["a.png", "b.png"]
    assert [row.key for row in read(str(tmp_path / "*.txt"))] == ["a.txt"]  # if nothing else fits


def test_the_authors_tsv(tmp_path):
    path = made_sets.tsv(tmp_path / "p.tsv", {k: made_sets.picture(i) for i, k in enumerate("abc")})
    captions = 'a\t[{"caption": "one"}, {"caption": "two"}]\nb\t[]\n'
    (tmp_path / "c.tsv").write_text(captions)
    rows = list(read(path, answers=tmp_path / "c.tsv"))
    assert table(rows) == {"a": ("one", "two"), "b": (), "c": ()}
    assert [content(row) for row in rows] == [made_sets.picture(i) for i in range(3)]
    (tmp_path / "q.tsv").write_text('b\t[{"question_id": 5, "question": "who?", "answer": "me"}]')
    asked = [row for row in read(path, answers=tmp_path / "q.tsv") if row.question]
    assert [(r.key, r.question, r.answers, content(r)) for r in asked] == [
        ("5", "who?", ("me",), made_sets.picture(1))
    ]
    path.write_text("a\t%%%%\na\tAAAA\n")
    first, second = read(path)
    assert "the key 'a' again" in second.error
    with pytest.raises(UserError, match="not base64"):
        first.read()


# ---------------------------------------------------------------- shards and parquet


def test_shards_are_read_where_they_lie(tmp_path):
    shards = [made_sets.shard(tmp_path / f"{i:05}.tar", 3, first=3 * i) for i in range(2)]
    rows = list(read(shards))
    assert [row.key for row in rows[:4]] == [
        "00000.tar/000000000",
        "00000.tar/000000001",
        "00000.tar/000000002",
        "00001.tar/000000003",
    ]
    assert [row.texts for row in rows] == [(f"text {i}",) for i in range(6)]
    assert [content(row) for row in rows] == [made_sets.picture(i, "jpg") for i in range(6)]
    assert sorted(path.name for path in tmp_path.iterdir()) == ["00000.tar", "00001.tar"]
    assert pickle.loads(pickle.dumps(rows)) == rows


def test_names_of_a_shard_may_be_long_and_in_folders(tmp_path):
    for kind in (0, 1, 2):  # ustar, GNU, pax
        stem = "a" * 90 + "/" + "b" * 90
        members = {f"{stem}.seg.png": made_sets.picture(1), f"{stem}.txt": "é".encode()}
        path = made_sets.tar(tmp_path / "x.tar", members, kind)
        (row,) = read(path)
        assert (row.key, row.texts) == (f"x.tar/{stem}", ("é",))
        assert content(row) == made_sets.picture(1)


def test_shards_as_other_programs_write_them(tmp_path):
    data = [made_sets.picture(i, "jpg") for i in range(3)]
    path = made_sets.tar(
        tmp_path / "x.tar",
        {
            "./a.jpg": data[0], "./._a.jpg": b"of a Mac", "./a.txt": b"one", "./.DS_Store": b"x",
            "b.pth": b"features", "b.JPG": data[1], "b.cls": b"7",
            "c.json": b'{"caption": "three"}', "c.webp.jpg": data[2], "d.txt": b"no picture",
        },
    )  # fmt: skip
    rows = list(read(path))
    assert table(rows) == {"x.tar/a": ("one",), "x.tar/b": (), "x.tar/c": ("three",)}
    assert [content(row) for row in rows] == data


def test_texts_apart_from_their_picture_are_told_where_texts_are_wanted(tmp_path):
    data = [made_sets.picture(i, "jpg") for i in range(2)]
    members = {"a.txt": b"one", "b.jpg": data[1], "a.jpg": data[0], "b.txt": b"two"}
    path = made_sets.tar(tmp_path / "x.tar", members)
    assert [row.error for row in read(path, with_texts=False)] == [None, None]
    errors = {row.key: row.error for row in read(path) if row.error}
    assert errors.keys() == {"x.tar/a", "x.tar/b (2)"}
    assert all("are to follow each other" in error for error in errors.values())


def test_parquet_in_the_layouts_that_are_in_use(tmp_path):
    pa = pytest.importorskip("pyarrow")
    from pyarrow import parquet

    data = [made_sets.picture(i) for i in range(40)]
    texts = [f"text {i}" for i in range(40)]
    hugging = {"image": [{"bytes": one, "path": None} for one in data], "text": texts}
    keyed = {"jpg": data, "key": [f"{i:09}" for i in range(40)], "caption": texts}
    for columns, first in ((hugging, "x.parquet/0"), (keyed, "x.parquet/000000000")):
        parquet.write_table(pa.table(columns), tmp_path / "x.parquet", row_group_size=7)
        rows = list(read(tmp_path / "x.parquet"))
        assert rows[0].key == first
        assert [row.texts for row in rows] == [(text,) for text in texts]
        assert [content(row) for row in rows] == data
        assert [content(rows[i]) for i in (39, 3, 20, 19)] == [data[i] for i in (39, 3, 20, 19)]
    parquet.write_table(pa.table({"jpg": data}), tmp_path / "x.parquet")
    assert [content(row) for row in read(tmp_path / "x.parquet")] == data
    made_sets.folder(tmp_path, ["a.png"])
    parquet.write_table(
        pa.table({"file_name": ["a.png", "/etc/x"], "text": ["one", "two"]}),
        tmp_path / "metadata.parquet",
    )
    first, second = read(tmp_path)
    assert (first.texts, content(first)) == (("one",), made_sets.picture(0))
    assert "leads out" in second.error


def test_parquet_of_questions_and_of_several_captions(tmp_path):
    """As Hugging Face's VQAv2 and a set with a row for each caption have them."""
    pa = pytest.importorskip("pyarrow")
    from pyarrow import parquet

    data = [{"bytes": made_sets.picture(i), "path": None} for i in (0, 0, 1)]
    ten = [[{"answer": "yes", "answer_id": i} for i in range(10)]] * 3
    asked = {"question_id": [71, 72, 81], "image_id": [7, 7, 8], "image": data, "answers": ten}
    kinds = {"question": ["is it?", "was it?", "is it?"], "question_type": ["is"] * 3}
    parquet.write_table(pa.table({**asked, **kinds}), tmp_path / "x.parquet")
    rows = list(read(tmp_path / "x.parquet"))
    assert [(row.key, row.question, row.error) for row in rows] == [
        ("x.parquet/71", "is it?", None),
        ("x.parquet/72", "was it?", None),
        ("x.parquet/81", "is it?", None),
    ]
    assert rows[0].answers == ("yes",) * 10
    assert rows[0].labels["question_type"] == "is"
    captions = {"image_id": [7, 7, 8], "image": data, "sentences_raw": [["a", "b"], ["c"], ["d"]]}
    parquet.write_table(pa.table(captions), tmp_path / "x.parquet")
    rows = list(read(tmp_path / "x.parquet"))
    assert [(row.key, row.texts, row.error) for row in rows] == [
        ("x.parquet/7", ("a", "b"), None),
        ("x.parquet/7#1", ("c",), None),
        ("x.parquet/8", ("d",), None),
    ]
    captions["image"] = data[::-1]  # the same file, written anew
    parquet.write_table(pa.table(captions), tmp_path / "x.parquet")
    assert content(next(read(tmp_path / "x.parquet"))) == made_sets.picture(1)
    made_sets.folder(tmp_path, ["beside.png"])
    named = [{"bytes": None, "path": one} for one in ("beside.png", "../x.png")]
    parquet.write_table(pa.table({"image": [*named, data[0]]}), tmp_path / "x.parquet")
    first, second, _ = read(tmp_path / "x.parquet")
    assert content(first) == made_sets.picture(0)
    with pytest.raises(UserError, match="no picture in its column"):
        second.read()


# ---------------------------------------------------------------- shares


@given(st.integers(1, 30), st.integers(1, 6))
def test_every_row_is_in_exactly_one_share(count, files):
    paths = [Path(f"{i}.tar") for i in range(files)]
    everything = [(path, f"{path}/{i}") for path in paths for i in range(5)]
    found = []
    for number in range(count):
        share = Share(number, count)
        mine = share.files(paths)
        rows = [Row(key, None) for path, key in everything if path in mine]
        found += [row.key for row in share.rows(rows, files=files)]
    assert sorted(found) == sorted(key for _, key in everything)


def test_shares_of_real_sources(tmp_path):
    shards = [made_sets.shard(tmp_path / f"{i}.tar", 10, first=10 * i) for i in range(3)]
    every = [row.key for row in read(shards)]
    for count in (2, 3, 5, 7):
        parts = [[row.key for row in read(shards, share=Share(i, count))] for i in range(count)]
        assert sorted(key for part in parts for key in part) == sorted(every)
        assert all(parts)


def test_shares_are_read_from_the_command_line():
    assert Share.parse("3/16") == (3, 16)
    assert Share(3, 16).name("out/captions.jsonl") == "out/captions-3-of-16.jsonl"
    assert Share().name("captions.jsonl") == "captions.jsonl"
    for text in ("16/16", "-1/4", "1", "1/", "/2", "a/b", "1/2/3", "0/0", "²/4", "1/" + "9" * 99):
        with pytest.raises(UserError, match="0/16 to 15/16"):
            Share.parse(text)

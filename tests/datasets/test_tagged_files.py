import gzip
import re

import pytest

from keras_rnn.datasets.tagged_files import load_tagged
from keras_rnn.errors import UsageError


def write(folder, files):
    for name, text in files.items():
        (folder / name).write_bytes(gzip.compress(text.encode()) if name.endswith(".gz") else text.encode())
    return folder


def one(token, tag):
    return {"tokens": [[token]], "tags": [[tag]]}


@pytest.mark.parametrize(
    ("name", "text"),
    [
        ("data.conll", "a X B-t\n"),
        ("data.tsv.gz", "a\tB-t\n"),
        ("data", "a B-t"),
        ("data.jsonl", '{"tokens": ["a"], "tags": ["B-t"]}'),
        ("data.JSONL.gz", '{"words": ["a"], "slots": ["B-t"]}'),
    ],
)
def test_a_file_is_undivided(tmp_path, name, text):
    assert load_tagged(write(tmp_path, {name: text}) / name) == {"all": one("a", "B-t")}


@pytest.mark.parametrize(
    "names",
    [
        ("train.txt.gz", "dev.txt.gz", "test.txt.gz"),
        ("eng.train", "eng.testa", "eng.testb"),
        ("en_ewt-ud-train.conllu", "en_ewt-ud-dev.conllu", "en_ewt-ud-test.conllu"),
        ("TRAIN.iob2", "Valid.bio", "test.conll"),
    ],
)
def test_a_folder_holds_splits(tmp_path, names):
    others = {"README": "a b", "training-notes.txt": "a b", "train.py": "a b", ".train.txt": "a b"}
    write(tmp_path, others | {name: f"{index} B-t\n" for index, name in enumerate(names)})
    assert load_tagged(tmp_path) == {"train": one("0", "B-t"), "validation": one("1", "B-t"), "test": one("2", "B-t")}


def test_the_raw_text_of_universal_dependencies_is_passed_over(tmp_path):
    write(tmp_path, {"x-ud-train.conllu": "1\ta\ta\tX\t_\t_\t0\troot\t_\t_\n", "x-ud-train.txt": "a\n"})
    assert load_tagged(tmp_path) == {"train": one("a", "X")}


def test_columns_are_numbered_from_1_and_named_in_json(tmp_path):
    write(tmp_path, {"data.txt": "1 a X B-t\n", "data.jsonl": '{"tokens": ["a"], "tags": ["B-t"], "pos": ["X"]}'})
    for column in ("3", "-2"):
        assert load_tagged(tmp_path / "data.txt", token_column="2", tag_column=column) == {"all": one("a", "X")}
    assert load_tagged(tmp_path / "data.jsonl", tag_column="pos") == {"all": one("a", "X")}


def test_spans_become_iob2_and_other_tags_stay(tmp_path):
    write(tmp_path, {"train.txt": "a N I-t\nb I-x B-t\n", "test.txt": "c N S-t\n"})
    splits = load_tagged(tmp_path)
    assert [splits[name]["tags"] for name in ("train", "test")] == [[["B-t", "B-t"]], [["B-t"]]]
    # "I-x" alone would be a span tag; beside the "N" of any split it is none.
    assert load_tagged(tmp_path, tag_column="2")["train"]["tags"] == [["N", "I-x"]]
    write(tmp_path, {"train.txt": "a N\n", "test.txt": "b I-x\n"})
    assert load_tagged(tmp_path)["test"]["tags"] == [["I-x"]]


@pytest.mark.parametrize(
    ("files", "options", "fault"),
    [
        (
            {},
            {},
            ": takes a train file (.jsonl, .conllu, .conll, .iob2, .iob, .bio, .tsv, .txt, each also with .gz), got ",
        ),
        ({"test.txt": "a O\n"}, {}, "each also with .gz), got 'test.txt'"),
        ({"train.txt": "a O\n", "a-train.conll": ""}, {}, ": takes one train file, got 'a-train.conll', 'train.txt'"),
        ({"train.txt": "a O\nb\n"}, {}, "train.txt, line 2: takes 2 columns like line 1, got 1"),
        (
            {"train.txt": "a O\n"},
            {"tag_column": "ner"},
            "--label-column takes the number of a CoNLL column, from 1 (or from -1, the last), got 'ner'",
        ),
        (
            {"train.txt": "a O\n"},
            {"token_column": "0"},
            "--text-column takes the number of a CoNLL column, from 1 (or from -1, the last), got '0'",
        ),
        ({"train.txt": "a O\n"}, {"tag_column": "3"}, "train.txt, line 1: no column 3; it has 2, numbered from 1"),
    ],
)
def test_faults_of_folders(tmp_path, files, options, fault):
    write(tmp_path, files)
    with pytest.raises(UsageError, match=re.escape(fault)) as error:
        load_tagged(tmp_path, **options)
    assert "\n" not in str(error.value)


def test_files_that_are_missing_or_of_another_format(tmp_path):
    with pytest.raises(UsageError, match="nowhere: no such file or folder"):
        load_tagged(tmp_path / "nowhere")
    write(tmp_path, {"data.csv": "a,O\n"})
    with pytest.raises(
        UsageError, match=re.escape("data.csv: tagged sentences come as CoNLL columns or as JSON lines")
    ):
        load_tagged(tmp_path / "data.csv")

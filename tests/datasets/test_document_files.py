import gzip
import os
import re

import pytest

from keras_rnn.datasets.document_files import read_document_files
from keras_rnn.errors import UsageError


def write(folder, files):
    for name, text in files.items():
        path = folder / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(gzip.compress(text.encode()) if name.lower().endswith(".gz") else text.encode())
    return folder


def read(path, **options):
    return {name: list(part.texts) for name, part in read_document_files(path, **options).items()}


@pytest.mark.parametrize("name", ["a.txt", "a.text", "A.MD.GZ", "a", "a.py", "a.txt.gz", "a.csv.txt"])
def test_a_file_is_one_document(tmp_path, name):
    write(tmp_path, {name: "id,text\n\n1,a\n"})
    assert read(tmp_path / name) == {"all": ["id,text\n\n1,a\n"]}


def test_a_table_holds_a_document_a_row(tmp_path):
    write(tmp_path, {"a.csv.gz": "id,text,more\n1,a,b\n2,c,d\n"})
    assert read(tmp_path / "a.csv.gz") == {"all": ["a", "c"]}
    assert read(tmp_path / "a.csv.gz", text_columns=["more", "text"], header=True) == {"all": ["b a", "d c"]}


def test_a_folder_holds_a_document_a_file(tmp_path):
    files = {
        "b.txt": "1",
        "a.md.gz": "0",
        "c": "no",
        "d.jsonl": '{"text": "no"}',
        ".hidden.txt": "no",
        "z.text": "2\r\n",
        "empty.txt": " \n",
        "part/b.txt": "4",
        "part/a.txt": "3",
        "part/.git/a.txt": "no",
        "other.txt/10": "no",
    }
    assert read(write(tmp_path, files)) == {"all": ["0", "1", "2\n", "3", "4"]}
    assert read_document_files(tmp_path)["all"].empty == 1


def test_a_folder_without_text_endings_holds_a_document_a_file_that_is_no_table(tmp_path):
    assert read(write(tmp_path, {"b.py": "1", "a": "0", "x.csv": "text\nno\n", "c/51060": "2"})) == {
        "all": ["0", "1", "2"]
    }


def test_a_link_to_a_folder_above_is_not_followed(tmp_path):
    write(tmp_path, {"a.txt": "0", "b/a.txt": "1"})
    os.symlink(tmp_path, tmp_path / "b" / "loop")
    os.symlink(tmp_path / "a.txt", tmp_path / "z.txt")
    assert read(tmp_path) == {"all": ["0", "0", "1"]}


@pytest.mark.parametrize(
    "names",
    [
        ("train.txt", "valid.txt", "test.txt"),
        ("ptb.train.txt.gz", "ptb.valid.txt.gz", "ptb.test.txt.gz"),
        ("wiki.train.tokens", "wiki.valid.tokens", "wiki.test.tokens"),
        ("TRAIN.MD", "my_dev", "x-test.TXT"),
        ("train/a.txt", "validation/a.md", "test/sub/a.txt"),
        ("my.train/a.txt", "val.txt", "test/a"),
    ],
)
def test_a_folder_holds_splits(tmp_path, names):
    others = {"README.md": "no", "training.txt": "no", ".train.txt": "no", "trains/a.txt": "no", "train.py.bak": "no"}
    write(tmp_path, others | {name: str(index) for index, name in enumerate(names)})
    assert read(tmp_path) == {"train": ["0"], "validation": ["1"], "test": ["2"]}


def test_splits_of_tables_share_their_columns(tmp_path):
    files = {"x_train.csv": "label,a,b\n1,c d,e\n", "dev.jsonl": '{"b": "f"}', "test.tsv": "b\ng\n", "classes.txt": "x"}
    assert read(write(tmp_path, files), text_columns=["b"]) == {"train": ["e"], "validation": ["f"], "test": ["g"]}


def test_splits_may_be_of_several_kinds(tmp_path):
    write(tmp_path, {"train/a.txt": "0", "train/b.txt": "1", "dev.csv": "text\n2\n3\n", "test.txt": "4\n"})
    assert read(tmp_path) == {"train": ["0", "1"], "validation": ["2", "3"], "test": ["4\n"]}


def test_a_script_of_the_name_of_a_split_is_passed_over(tmp_path):
    write(tmp_path, {"train.txt": "0", "test.txt": "1", "train.py": "no", "test.sh": "no"})
    assert read(tmp_path) == {"train": ["0"], "test": ["1"]}


def test_a_folder_of_classes_holds_their_texts(tmp_path):
    write(tmp_path, {"train/pos/a.txt": "1", "train/neg/a.txt": "0", "train/unsup/a.txt": "2", "test/neg/a.txt": "3"})
    assert read(tmp_path) == {"train": ["0", "1", "2"], "test": ["3"]}
    assert read(tmp_path / "train") == {"all": ["0", "1", "2"]}


@pytest.mark.parametrize(
    ("files", "path", "options", "fault"),
    [
        ({}, "no.txt", {}, "no.txt: no such file or folder"),
        ({"a.txt": ""}, "a.txt", {}, "a.txt: holds no text; the file is empty"),
        ({"a.txt": "\ufeff"}, "a.txt", {}, "a.txt: holds no text; the file is empty"),
        ({"a.txt.gz": ""}, "a.txt.gz", {}, "a.txt.gz: holds no text; the file is empty"),
        ({"a.txt": " \r\n"}, "a.txt", {}, "a.txt: holds no text; the file is blank"),
        ({"train.txt": "a", "test.txt": "\n"}, "", {}, "test.txt: holds no text; the file is blank"),
        ({"x/a.txt": "", "x/b.txt": " "}, "x", {}, "x: the folder holds no text: its files are empty"),
        ({"x/a.csv": "text\na\n"}, "x", {}, "x: the folder holds no text: it has no text file, and no train file"),
        ({"x/.a.txt": "a"}, "x", {}, "x: the folder holds no text: it has no text file, and no train file"),
        ({"train.txt": "a", "test/.a": "a"}, "", {}, "test: the folder holds no text"),
        ({"x/a.txt": "a", "x/b.txt": "a\0"}, "x", {}, "b.txt, line 1: holds a NUL byte at byte offset 1"),
        ({"train.txt": "a", "a-train.md": "b"}, "", {}, "takes one train file, got 'a-train.md', 'train.txt'"),
        ({"train.de": "a", "train.en": "b"}, "", {}, "takes one train file, got 'train.de', 'train.en'"),
        (
            {"a.valid.txt": "a", "test.txt": "b", "x": ""},
            "",
            {},
            ": holds 'a.valid.txt', 'test.txt' and no train file;",
        ),
        (
            {"how to train.md": "a", "other.md": "b", "c.txt": ""},
            "",
            {},
            "'how to train.md' stands alone with 'other.md', and no validation or test file; give it as the file to",
        ),
        (
            {"a.txt": "a"},
            "a.txt",
            {"text_columns": ["text"]},
            "a.txt: --text-column and --header are for tables (.csv, .tsv, .jsonl, each also with .gz), this is plain",
        ),
        ({"x/a.txt": "a"}, "x", {"header": False}, "x: --text-column and --header are for tables"),
        ({"train.csv": "a\n", "test.txt": "b"}, "", {"header": False}, "test.txt: --text-column and --header are"),
    ],
)
def test_faults(tmp_path, files, path, options, fault):
    write(tmp_path, files)
    with pytest.raises(UsageError, match=re.escape(fault)) as error:
        read(tmp_path / path, **options)
    assert "\n" not in str(error.value)


@pytest.mark.skipif(os.geteuid() == 0, reason="root reads every folder")
def test_a_folder_that_cannot_be_read(tmp_path):
    write(tmp_path, {"a.txt": "a", "b/a.txt": "b"})
    (tmp_path / "b").chmod(0)
    with pytest.raises(UsageError, match=r"b: cannot be read \(Permission denied\)"):
        read(tmp_path)

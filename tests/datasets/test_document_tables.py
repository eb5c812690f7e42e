import gzip
import json
import re

import pytest

from keras_rnn.datasets.document_tables import TextColumns, read_text_table
from keras_rnn.errors import UsageError

SENTENCES = [f"Sentence {index} of several words." for index in range(30)]


def write(path, text):
    path.write_bytes(gzip.compress(text.encode()) if path.suffix == ".gz" else text.encode())
    return path


def read(path, *arguments):
    (texts, empty), columns = read_text_table(path, *arguments)
    return list(texts), empty, columns.texts


def csv(*columns, header=None):
    return "".join(",".join(row) + "\n" for row in [*([header] if header else []), *zip(*columns, strict=True)])


@pytest.mark.parametrize(
    ("name", "text"),
    [
        ("a.csv", "id,text\n1,a b\n2,\n3,c\n"),
        ("a.tsv.gz", "text\tx\ty\na b\t1\t2\n  \t1\t2\nc\t1\t2\n"),
        ("a.jsonl", '{"text": "a b", "n": 1}\n{"text": "\\n"}\n\n{"text": "c"}\n'),
        ("a.JSONL.gz", '{"Text": "a b"}\n{"Text": ""}\n{"Text": "c"}'),
        ("a.csv", "a b\n\x20\nc\n"),
        ("a.csv", '\ufefftext\r\n"a b"\r\n""\r\nc\r\n'),
    ],
)
def test_a_row_is_a_document_and_empty_ones_are_counted(tmp_path, name, text):
    texts, empty, _ = read(write(tmp_path / name, text))
    assert (texts, empty) == (["a b", "c"], 1)


def test_line_ends_in_fields(tmp_path):
    assert read(write(tmp_path / "a.csv", 'text\r\n"a\r\nb"\r\n'))[0] == ["a\nb"]
    assert read(write(tmp_path / "a.jsonl", '{"text": "a\\r\\nb"}'))[0] == ["a\nb"]


def test_columns_that_are_named(tmp_path):
    path = write(tmp_path / "a.csv", "label,title,text\n1,a,b\n2,c,d\n")
    assert read(path, ["title", "text"]) == (["a b", "c d"], 0, ("title", "text"))
    assert read(path, ["label"]) == (["1", "2"], 0, ("label",))
    path = write(tmp_path / "a.tsv", "label\ta\tb\n2\tc\td\n")
    assert read(path, ["3", "1"], False) == (["b label", "d 2"], 0, ("3", "1"))


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        # What a classifier would read.
        (csv("1212" * 8, ["a"] * 32, ["b"] * 32), ("2", "3")),
        (csv(SENTENCES, "ab" * 15), ("1",)),
        ("category,x\na,b\n", ("x",)),
        ("title,label,description\na,b,c\n", ("title", "description")),
        # What it would not.
        ("id,date,review\n1,today,b\n", ("review",)),
        (csv(SENTENCES, header=["remark"]), ("1",)),  # unknown, so the first row is a text
        (csv(map(str, range(30)), SENTENCES, [f"key-{key}" for key in range(30)], ["yes no"] * 30), ("2",)),
        (csv("12" * 15, SENTENCES, "ab" * 15, header=["n", "remark", "class"]), ("remark",)),
    ],
)
def test_columns_are_found_as_by_a_classifier_or_by_their_looks(tmp_path, text, expected):
    assert read(write(tmp_path / "a.csv", text))[2] == expected


def test_json_columns_are_found_by_their_looks(tmp_path):
    rows = [{"n": n, "url": f"x.org/{n}", "tags": ["a b"], "remark": text} for n, text in enumerate(SENTENCES)]
    path = write(tmp_path / "a.jsonl", "\n".join(map(json.dumps, rows)))
    assert read(path) == (SENTENCES, 0, ("remark",))


def test_another_file_of_the_same_data(tmp_path):
    train = write(tmp_path / "train.csv", "1,2,a b\n2,2,c d\n1,2,e f\n")
    columns = read_text_table(train, ["3"])[1]
    assert columns == TextColumns(("1", "2", "3"), ("3",), False)
    assert read(write(tmp_path / "test.csv", "text,label,g h\n"), (), None, columns)[0] == ["g h"]
    with pytest.raises(UsageError, match=r"test.csv, line 1: takes 3 columns like the training file, got 4"):
        read(write(tmp_path / "test.csv", "1,2,a,b\n"), (), None, columns)
    named = TextColumns(("text",), ("text",), None)
    assert read(write(tmp_path / "test.tsv", "x\ttext\n1\ta\n"), (), None, named)[0] == ["a"]


@pytest.mark.parametrize(
    ("name", "text", "arguments", "fault"),
    [
        ("a.csv", "", (), "a.csv: the file is empty"),
        ("a.csv", "text\n", (), "a.csv: no row holds text in 'text'"),
        ("a.csv", 'text\n""\n" "\n', (), "a.csv: no row holds text in 'text'"),
        ("a.csv", "text,n\na,1\nb\n", (), "a.csv, line 3: takes 2 fields like line 1, got 1"),
        ("a.csv", "text,text\na,1\n", (), "a.csv: its header names a column twice: 'text', 'text'"),
        ("a.csv", "text,n\na,1\n", (["body"],), "a.csv: no column 'body'; it has 'text', 'n'"),
        (
            "a.tsv",
            "a\tb\n",
            (["body"],),
            "no column 'body'; it has no header, its first row is 'a', 'b', and columns '1', '2'",
        ),
        (
            "a.csv",
            csv(SENTENCES, SENTENCES),
            (),
            "cannot tell which column is the text: it has no header, its first row is 'Sentence 0 of several words.', "
            "'Sentence 0 of several words.', and columns '1', '2'; name it with --text-column",
        ),
        ("a.jsonl", '{"a": "b", "c": "d"}', (), "is the text: it has 'a', 'c'; name it with --text-column"),
        ("a.jsonl", '{"text": "b"}', ((), True), "a.jsonl: --header and --no-header are for CSV and TSV"),
        ("a.jsonl", '{"text": "b"}\n{"a": "b"}', (), "a.jsonl, line 2: no column 'text'; it has 'a'"),
        ("a.jsonl", '{"text": "b"}\n{"text": null}', (), "a.jsonl, line 2: column 'text' takes a string, got None"),
        ("a.jsonl", '{"text": "b"}\n["c"]', (), "a.jsonl, line 2: takes a JSON object, got ['c']"),
    ],
)
def test_faults(tmp_path, name, text, arguments, fault):
    with pytest.raises(UsageError, match=re.escape(fault)) as error:
        read(write(tmp_path / name, text), *arguments)
    assert "\n" not in str(error.value)

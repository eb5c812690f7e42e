import gzip
import json
from pathlib import Path

import pytest

from keras_rnn.datasets.local import load_local, load_split
from keras_rnn.datasets.readers import MAX_ROW_BYTES
from keras_rnn.errors import UsageError

AG_TRAIN = (
    '"3","Oil up","It rose, ""again"""\n"1","Vote","Held"\n"2","Goal","Won"\n"4","Chip","Fast"\n"1","War","Ends"\n'
)
AG_TEST = '"4","Chip two","Slow"\n'
AG_CLASSES = "World\nSports\nBusiness\nSci/Tech\n"
SST_TRAIN = 'a "stirring film\t1\ndrivel\t0\na joy\t1\n'


def write(folder: Path, files: dict[str, str | bytes]) -> Path:
    """Writes files below `folder`; text as UTF-8, and a name that ends in .gz gzipped unless given as bytes."""
    for name, content in files.items():
        path = folder / name
        path.parent.mkdir(parents=True, exist_ok=True)
        if isinstance(content, str):
            content = gzip.compress(content.encode()) if name.endswith(".gz") else content.encode()
        path.write_bytes(content)
    return folder


def rows_of(split) -> list[tuple[str, int]]:
    return list(zip(split.texts, split.labels.tolist(), strict=True))


def jsonl(*rows: dict) -> str:
    return "".join(json.dumps(row) + "\n" for row in rows)


# --- what loads


def test_ag_news_layout(tmp_path):
    write(tmp_path, {"train.csv": AG_TRAIN, "test.csv": AG_TEST, "classes.txt": AG_CLASSES, "readme.txt": "hello"})
    names, splits = load_local(tmp_path)
    assert names == ("World", "Sports", "Business", "Sci/Tech")
    assert list(splits) == ["train", "test"]
    assert rows_of(splits["train"]) == [
        ('Oil up It rose, "again"', 2),
        ("Vote Held", 0),
        ("Goal Won", 1),
        ("Chip Fast", 3),
        ("War Ends", 0),
    ]
    assert splits["train"].labels.dtype == "int32"
    assert rows_of(splits["test"]) == [("Chip two Slow", 3)]


def test_ag_news_layout_without_classes_file_names_classes_by_their_numbers(tmp_path):
    names, splits = load_local(write(tmp_path, {"train.csv": AG_TRAIN, "test.csv": AG_TEST}))
    assert names == ("1", "2", "3", "4")
    assert splits["train"].labels.tolist() == [2, 0, 1, 3, 0]


def test_numbers_sort_as_numbers(tmp_path):
    lines = "".join(f"text {n},{n}\n" for n in (10, 9, -1, 2))
    assert load_local(write(tmp_path, {"a.csv": f"text,label\n{lines}"}) / "a.csv")[0] == ("-1", "2", "9", "10")


def test_sst2_layout_has_no_quoting_and_its_dev_file_validates(tmp_path):
    write(tmp_path, {"train.tsv": SST_TRAIN, "dev.tsv": "fine\t1\n", "test.tsv": "poor\t0\n"})
    names, splits = load_local(tmp_path)
    assert names == ("0", "1")
    assert {name: rows_of(split) for name, split in splits.items()} == {
        "train": [('a "stirring film', 1), ("drivel", 0), ("a joy", 1)],
        "validation": [("fine", 1)],
        "test": [("poor", 0)],
    }


def test_imdb_layout_with_prefixed_gzipped_json_lines(tmp_path):
    train = jsonl({"id": "a", "label": 1, "rating": 9, "text": "Naïve <br />"}, {"id": "b", "label": 0, "text": ""})
    write(tmp_path, {"imdb_train.jsonl.gz": train, "imdb_test.jsonl.gz": jsonl({"label": 0, "text": "x"})})
    names, splits = load_local(tmp_path)
    assert names == ("0", "1")
    assert rows_of(splits["train"]) == [("Naïve <br />", 1), ("", 0)]
    assert rows_of(splits["test"]) == [("x", 0)]


@pytest.mark.parametrize(
    ("name", "content", "columns"),
    [
        ("a.csv", "text,label\n one ,pos\ntwo,neg\n", {}),
        ("a.csv", "\ufefftext,label\r\n one ,pos\r\n\r\ntwo,neg", {}),
        ("a.csv.gz", "Label,id,Sentence\npos,7, one \nneg,8,two\n", {}),
        ("a.tsv", "category\tcontent\npos\t one \n neg \ttwo\n", {}),
        ("a.csv", "label,remark\npos, one \nneg,two\n", {}),  # of two columns, the other one
        ("a.csv", "verdict,remark\npos, one \nneg,two\n", {"label_column": "verdict"}),
        (
            "a.csv",
            "x,y,verdict,remark\n1,2,pos, one \n1,2,neg,two\n",
            {"label_column": "verdict", "text_columns": ["remark"]},
        ),
        ("a.csv", "1,2,pos, one \n1,2,neg,two\n", {"label_column": "3", "text_columns": ["4"]}),
        ("a.csv", "text,pos\n one ,pos\ntwo,neg\n", {"header": True, "label_column": "pos"}),
        ("a.jsonl", '{"text": " one ", "label": "pos"}\n\n{"label": "neg", "text": "two", "more": null}\n', {}),
    ],
)
def test_named_and_numbered_columns(tmp_path, name, content, columns):
    names, splits = load_local(write(tmp_path, {name: content}) / name, **columns)
    assert names == ("neg", "pos")
    assert {split: rows_of(part) for split, part in splits.items()} == {"all": [(" one ", 1), ("two", 0)]}


def test_texts_are_joined_in_the_given_order(tmp_path):
    write(tmp_path, {"a.csv": "label,a,b\nx,1,2\ny,3,4\n"})
    assert load_local(tmp_path / "a.csv", text_columns=["b", "a"])[1]["all"].texts == ["2 1", "4 3"]


def test_no_header_keeps_the_first_row(tmp_path):
    write(tmp_path, {"a.csv": "text,0\ngood,1\nbad,0\n"})
    assert load_local(tmp_path / "a.csv", header=False)[1]["all"].texts == ["text", "good", "bad"]


def test_quoted_fields_span_lines(tmp_path):
    write(tmp_path, {"a.csv": 'text,label\n"one\nline, two",pos\nx,neg\n'})
    assert load_local(tmp_path / "a.csv")[1]["all"].texts == ["one\nline, two", "x"]


def test_a_text_of_a_megabyte_is_a_text(tmp_path):
    long = "word " * 200_000
    for name, content in {
        "a.csv": f'text,label\n"{long}",pos\nx,neg\n',
        "a.tsv": f"text\tlabel\n{long}\tpos\nx\tneg\n",
        "a.jsonl": jsonl({"text": long, "label": "pos"}, {"text": "x", "label": "neg"}),
    }.items():
        write(tmp_path, {name: content})
        assert load_local(tmp_path / name)[1]["all"].texts == [long, "x"], name


def test_class_folders(tmp_path):
    write(
        tmp_path,
        {"pos/b.txt": "Good\n", "pos/a.txt": "\ufeffFine", "neg/c.txt": "Bad\nfilm", ".git/x": "", "neg/.x": ""},
    )
    names, splits = load_local(tmp_path)
    assert names == ("neg", "pos")
    assert {name: rows_of(split) for name, split in splits.items()} == {
        "all": [("Bad\nfilm", 0), ("Fine", 1), ("Good", 1)]
    }


def test_class_folders_below_split_folders(tmp_path):
    files = {f"{split}/{label}/1.txt": f"{split} {label}" for split in ("train", "test", "val") for label in ("a", "b")}
    names, splits = load_local(write(tmp_path, files | {"train/urls.txt": "beside the classes"}))
    assert names == ("a", "b")
    assert {name: rows_of(split) for name, split in splits.items()} == {
        "train": [("train a", 0), ("train b", 1)],
        "validation": [("val a", 0), ("val b", 1)],
        "test": [("test a", 0), ("test b", 1)],
    }


def test_classes_file_orders_named_labels(tmp_path):
    write(tmp_path, {"a.csv": "text,label\nx,b\ny,a\n", "classes.txt": "b\na\n\n"})
    names, splits = load_local(tmp_path / "a.csv")
    assert names == ("b", "a")
    assert splits["all"].labels.tolist() == [0, 1]


@pytest.mark.parametrize(
    ("content", "class_names", "labels"),
    [
        ("text,label\na,World\nb,Tech\n", ["World", "Sports", "Tech"], [0, 2]),
        ("text,label\na,3\nb,1\n", ["World", "Sports", "Tech"], [2, 0]),  # 3 of 3: counted from 1
        ("text,label\na,0\nb,1\n", ["World", "Sports", "Tech"], [0, 1]),
        ("text,label\na,1\nb,2\n", ["1", "2", "3"], [0, 1]),  # names that are numbers are names
    ],
)
def test_load_split_knows_its_classes(tmp_path, content, class_names, labels):
    split = load_split(write(tmp_path, {"a.csv": content}) / "a.csv", class_names)
    assert rows_of(split) == list(zip(["a", "b"], labels, strict=True))


# --- what does not

OK = "text,label\na,x\nb,y\n"
OK_JSON = jsonl({"text": "a", "label": "x"}, {"text": "b", "label": "y"})
HUGE = "w" * (MAX_ROW_BYTES + 1)
BAD = {
    # name: (files, what is loaded, words of the error)
    "missing": ({}, "no.csv", "no.csv: no such file or folder"),
    "empty file": ({"a.csv": ""}, "a.csv", "a.csv: the file is empty"),
    "empty gzip": ({"a.csv.gz": b""}, "a.csv.gz", "a.csv.gz: the file is empty"),
    "header only": ({"a.csv": "text,label\n"}, "a.csv", "a header and no rows"),
    "empty folder": ({"d/x/1.txt": ""}, "d/e", "d/e: the folder is empty; it takes a train file (.csv, .tsv, .jsonl"),
    "folder of nothing": ({"d/readme.md": ""}, "d", "neither a train file nor a folder of .txt files"),
    "other format": ({"a.xlsx": OK}, "a.xlsx", "cannot tell its format from its name; it takes .csv, .tsv, .jsonl"),
    "no train file": ({"d/test.csv": OK}, "d", "none of 'test.csv' is a train file"),
    "two train files": ({"d/train.csv": OK, "d/train.tsv": OK}, "d", "one train file, got 'train.csv', 'train.tsv'"),
    "one row": ({"a.csv": "text,label\na,x\n"}, "a.csv", "at least 2 rows to train on, got 1"),
    "one class": (
        {"a.csv": "text,label\na,x\nb,x\n"},
        "a.csv",
        "at least two classes, but all 2 rows have the label 'x'",
    ),
    "unknown columns": ({"a.csv": "text,a,b\nx,y,z\n"}, "a.csv", "which column is the label: it has 'text', 'a', 'b'"),
    "unknown text": ({"a.csv": "label,a,b\nx,y,z\n"}, "a.csv", "which column is the text: it has 'label', 'a', 'b'"),
    "semicolons": ({"a.csv": "text;label\na;x\nb;y\n"}, "a.csv", "its first row is 'text;label'"),
    "no label-like column": (
        {"a.csv": "a,b\nc,d\ne,f\n"},
        "a.csv",
        "cannot tell which column is the label: its first row",
    ),
    "label in both": (
        {"a.csv": "x,p\ny,q\nx,q\ny,p\n"},
        "a.csv",
        "--label-column (the columns of a file without header are",
    ),
    "ids for texts": ({"a.csv": "x,1,good\ny,2,bad\ny,3,poor\n"}, "a.csv", "cannot tell which column is the label"),
    "column twice": ({"a.csv": "text,text,label\na,b,x\n"}, "a.csv", "names a column twice: 'text', 'text', 'label'"),
    "too many fields": ({"a.csv": "text,label\na,b,x\n"}, "a.csv", "a.csv, line 2: takes 2 fields like line 1, got 3"),
    "too few fields": ({"a.tsv": "a b\tx\nc\tx\nd\n"}, "a.tsv", "a.tsv, line 3: takes 2 fields like line 1, got 1"),
    "empty label": ({"a.csv": "text,label\na,x\nb, \n"}, "a.csv", "line 3: the label (column 'label') is empty"),
    "open quote at the end": (
        {"a.csv": OK + '"c,x\nd,y\n'},
        "a.csv",
        "line 4: the row that starts here is malformed: a quote is",
    ),
    "open quote over a row": (
        {"a.csv": OK + '"c,x\n"d",y\n'},
        "a.csv",
        "line 4: the row that starts here is malformed: text fol",
    ),
    "open quote over 10 MiB": (
        {"a.csv": OK + '"c,x\n' + "d,y\n" * (MAX_ROW_BYTES // 4)},
        "a.csv",
        "line 4: the row that starts",
    ),
    "carriage returns": (
        {"a.csv": "text,label\ra,x\rb,y\r"},
        "a.csv",
        "line 1: the row that starts here is malformed: a carriage",
    ),
    "huge line": ({"a.tsv": f"text\tlabel\nx\ty\n{HUGE}"}, "a.tsv", "line 3: longer than 10485760 bytes"),
    "huge file": ({"d/a/1.txt": HUGE, "d/b/1.txt": ""}, "d", "1.txt: longer than 10485760 bytes"),
    "latin-1": ({"a.csv": OK.encode() + "é,x\n".encode("latin-1")}, "a.csv", "a.csv, line 4: not UTF-8 (byte 0xe9)"),
    "latin-1 text file": ({"d/a/1.txt": b"\n\n\xe9", "d/b/1.txt": ""}, "d", "1.txt, line 3: not UTF-8 (byte 0xe9)"),
    "NUL": ({"a.csv": OK + "\0,x\n"}, "a.csv", "a.csv, line 4: holds a NUL byte"),
    "NUL escape": (
        {"a.jsonl": OK_JSON + '{"text": "\\u0000"}'},
        "a.jsonl",
        "line 3: column 'text' holds a NUL character",
    ),
    "half a surrogate": (
        {"a.jsonl": '{"text": "\\ud83d", "label": 1}'},
        "a.jsonl",
        "line 1: column 'text' holds half of a surr",
    ),
    "gzip cut short": (
        {"a.csv.gz": gzip.compress(OK.encode())[:-9]},
        "a.csv.gz",
        "the gzip file is damaged or cut short",
    ),
    "not gzip": ({"a.csv.gz": OK.encode()}, "a.csv.gz", "the gzip file is damaged or cut short after line 0"),
    "malformed JSON": (
        {"a.jsonl": OK_JSON + '{"text": "c",\n'},
        "a.jsonl",
        "a.jsonl, line 3: malformed JSON (Expecting property",
    ),
    "JSON list": ({"a.jsonl": OK_JSON + '["c", 1]\n'}, "a.jsonl", "line 3: takes a JSON object, got ['c', 1]"),
    "JSON without a column": (
        {"a.jsonl": OK_JSON + '{"label": 1}'},
        "a.jsonl",
        "line 3: no column 'text'; it has 'label'",
    ),
    "JSON number for text": (
        {"a.jsonl": OK_JSON + '{"text": 5, "label": 1}'},
        "a.jsonl",
        "line 3: column 'text' takes a string, got 5",
    ),
    "JSON null for label": (
        {"a.jsonl": OK_JSON + '{"text": "", "label": null}'},
        "a.jsonl",
        "line 3: label 'label' takes a string or an integer, got None",
    ),
    "label only in test": (
        {"d/train.csv": OK, "d/test.csv": "text,label\na,x\nb,z\n"},
        "d",
        "test.csv, line 3: label 'z' is none of the classes 'x', 'y'",
    ),
    "header only in test": (
        {"d/train.tsv": SST_TRAIN, "d/test.tsv": "sentence\tlabel\na\t1\n"},
        "d",
        "test.tsv, line 1: label 'label' is none of the classes '0', '1'; if this line is a header, give --header",
    ),
    "header only in train": (
        {"d/train.csv": OK, "d/test.csv": "a,x\n"},
        "d",
        "test.csv: no column 'text'; it has 'a', 'x'",
    ),
    "test of other width": (
        {"d/train.tsv": SST_TRAIN, "d/test.tsv": "a\t1\tb\n"},
        "d",
        "test.tsv, line 1: takes 2 columns like the training file, got 3",
    ),
    "label beyond classes.txt": (
        {"a.csv": "text,label\na,1\nb,2\nc,3\n", "classes.txt": "x\ny\n"},
        "a.csv",
        "a.csv, line 4: label '3' is none of the classes 'x', 'y', numbered '1', '2'",
    ),
    "label not in classes.txt": (
        {"a.csv": "text,label\na,x\nb,y\nc,z\n", "classes.txt": "x\ny\n"},
        "a.csv",
        "a.csv, line 4: label 'z' is none of the classes 'x', 'y'",
    ),
    "class without rows": (
        {"a.csv": "text,label\na,0\nb,1\n", "classes.txt": "x\ny\nz\n"},
        "a.csv",
        "a.csv: no row of class 'z', which",
    ),
    "class twice": ({"a.csv": OK, "classes.txt": "x\nx\n"}, "a.csv", "classes.txt, line 2: names class 'x' again"),
    "unnamed class": (
        {"a.csv": OK, "classes.txt": "x\n\ny\n"},
        "a.csv",
        "classes.txt, line 2: empty; the file takes one",
    ),
    "one class name": ({"a.csv": OK, "classes.txt": "x\n"}, "a.csv", "at least two class names, one a line, got 1"),
    "empty class folder": ({"d/a/1.txt": "x", "d/b/.x": ""}, "d", "b: the class folder is empty"),
    "other file in class folder": ({"d/a/1.txt": "x", "d/b/1.rtf": ""}, "d", "takes .txt files only, got '1.rtf'"),
    "unlabelled folder": (
        {f"d/{name}/1.txt": "x" for name in ("train/neg", "train/pos", "train/unsup", "test/neg", "test/pos")},
        "d",
        "unsup: a class that",
    ),
    "class folder only in test": (
        {f"d/{name}/1.txt": "x" for name in ("train/neg", "train/pos", "test/neg", "test/pos", "test/odd")},
        "d",
        "odd: label 'odd' is none of the classes 'neg', 'pos'",
    ),
}


@pytest.mark.parametrize("case", BAD)
def test_bad_input_is_one_line_that_says_what_and_where(tmp_path, case):
    files, loaded, words = BAD[case]
    write(tmp_path, files)
    (tmp_path / "d/e").mkdir(parents=True) if case == "empty folder" else None
    with pytest.raises(UsageError) as error:
        load_local(tmp_path / loaded)
    assert words in str(error.value)
    assert "\n" not in str(error.value)
    assert str(tmp_path) in str(error.value)


@pytest.mark.parametrize(
    ("content", "options", "words"),
    [
        (OK, {"text_columns": ["body"]}, "no column 'body'; it has 'text', 'label'"),
        (OK, {"label_column": "stars"}, "no column 'stars'; it has 'text', 'label'"),
        (OK, {"label_column": "text", "text_columns": ["text"]}, "column 'text' is given both as text and as label"),
        (
            "0,a\n1,b\n0,c\n",
            {"text_columns": ["3"]},
            "no column '3'; it has no header, its first row is '0', 'a', and columns",
        ),
        (
            "0,a\n1,b\n0,c\n",
            {"header": True},
            "cannot tell which column is the text and which the label: it has '0', 'a'",
        ),
        (
            "text,label\na,0\nb,1\n",
            {"header": False, "label_column": "2"},
            "line 1: looks like a header ('text', 'label')",
        ),
        (OK, {"header": False, "label_column": "2"}, "give --header"),
        ("remark,verdict\na,0\nb,1\nc,1\n", {"label_column": "2"}, "line 1: looks like a header ('remark', 'verdict')"),
        ("remark,verdict\na,x\nb,y\nc,x\nd,y\n", {}, "line 1: no other row has its label 'verdict'; give --header if"),
    ],
)
def test_bad_columns_and_headers(tmp_path, content, options, words):
    write(tmp_path, {"a.csv": content})
    with pytest.raises(UsageError) as error:
        load_local(tmp_path / "a.csv", **options)
    assert words in str(error.value)


def test_a_first_row_alone_in_its_class_needs_no_header_said(tmp_path):
    write(tmp_path, {"a.csv": "great,pos\na,x\nb,y\nc,x\nd,y\n"})
    assert load_local(tmp_path / "a.csv", header=False)[0] == ("pos", "x", "y")


@pytest.mark.parametrize(
    ("name", "options", "words"),
    [
        ("a.jsonl", {"header": True}, "--header and --no-header are for CSV and TSV"),
        ("d", {"label_column": "x"}, "are for files, not for class folders"),
    ],
)
def test_options_that_do_not_fit(tmp_path, name, options, words):
    write(tmp_path, {"a.jsonl": OK_JSON, "d/a/1.txt": "", "d/b/1.txt": ""})
    with pytest.raises(UsageError, match=words):
        load_local(tmp_path / name, **options)


@pytest.mark.parametrize(
    ("files", "loaded", "words"),
    [
        ({"a.csv": OK}, "a.csv", "a.csv, line 2: label 'x' is none of the classes 'World', 'Sports', 'Tech'"),
        ({"a.csv": "text,label\na,1\nb,4\n"}, "a.csv", "line 3: label '4' is none of the classes"),
        ({"a.csv": "text,label\na,2\nb,1\n"}, "a.csv", "labels '1', '2' may count the 3 classes from 0 or from 1"),
        ({"train.csv": OK, "test.csv": OK}, "", "holds splits; give one of them"),
    ],
)
def test_load_split_refuses_other_classes(tmp_path, files, loaded, words):
    write(tmp_path, files)
    with pytest.raises(UsageError, match=words):
        load_split(tmp_path / loaded, ["World", "Sports", "Tech"])


def test_numbers_of_columns_are_not_taken_for_a_header(tmp_path):
    (tmp_path / "train.csv").write_text('"3","a title","a text"\n"1","b title","b text"\n"3","c title","c text"\n')
    names, splits = load_local(tmp_path, text_columns=("2", "3"), label_column="1")
    assert names == ("1", "3")
    assert splits["train"].texts == ["a title a text", "b title b text", "c title c text"]

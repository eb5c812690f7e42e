import json
import re
import tracemalloc
from itertools import chain

import pytest

from keras_rnn.datasets import DataOptions, list_datasets, load_dataset
from keras_rnn.datasets.documents import load_documents, load_documents_split
from keras_rnn.errors import UsageError

LINE = "nine chars\n"  # 11 with its end
MIB = 2**20


def load(seed=0, **options):
    return load_documents(DataOptions(**options), seed)


def texts(dataset):
    return {name: list(split.texts) for name, split in dataset.splits.items()}


def write_folder(folder, **files):
    for name, text in files.items():
        (folder / f"{name}.txt").write_text(text)
    return folder


def test_one_text_is_divided_in_order(tmp_path):
    path = tmp_path / "a.txt"
    path.write_text("".join(f"line {index:3}.\n" for index in range(200)))
    data = load(data=path)
    assert (data.name, data.class_names, data.empty_documents) == ("a.txt", (), 0)
    parts = texts(data)
    assert {name: len(part) for name, part in parts.items()} == {"train": 1, "validation": 1, "test": 1}
    assert "".join(text for part in parts.values() for text in part) == path.read_text()
    assert parts["validation"][0].startswith("line 180.")
    assert parts["test"][0].startswith("line 190.")
    assert texts(load(data=path, seed=5)) == parts
    assert texts(load(data=path, validation_fraction=0.5))["test"][0].startswith("line 150.")


def test_one_training_text_beside_other_splits(tmp_path):
    write_folder(tmp_path, train=LINE * 100, test="t")
    assert texts(load(data=tmp_path)) == {"train": [LINE * 90], "validation": [LINE * 10], "test": ["t"]}
    write_folder(tmp_path, valid="v")
    whole = {"train": [LINE * 100], "validation": ["v"], "test": ["t"]}
    assert texts(load(data=tmp_path, validation_fraction=0.5)) == whole
    (tmp_path / "test.txt").unlink()
    assert texts(load(data=tmp_path)) == {"train": [LINE * 100], "validation": ["v"]}


def test_a_folder_of_one_document_is_one_text(tmp_path):
    write_folder(tmp_path, a=LINE * 100, b=" ")
    data = load(data=tmp_path)
    assert texts(data) == {"train": [LINE * 90], "validation": [LINE * 5], "test": [LINE * 5]}
    assert data.empty_documents == 1


def test_documents_are_divided_with_the_seed(tmp_path):
    write_folder(tmp_path, **{f"{index:02}": str(index) for index in range(40)})
    parts = texts(load(data=tmp_path))
    assert {name: len(part) for name, part in parts.items()} == {"train": 32, "validation": 4, "test": 4}
    assert sorted(map(int, chain.from_iterable(parts.values()))) == list(range(40))
    assert all(part == sorted(part, key=int) for part in parts.values())
    assert texts(load(data=tmp_path)) == parts != texts(load(data=tmp_path, seed=1))
    limited = load(data=tmp_path, limit=10)
    assert (len(limited.train), len(limited.validation), texts(limited)["test"]) == (9, 1, parts["test"])


def test_few_documents_give_no_test_split(tmp_path):
    few = load(data=write_folder(tmp_path, a="a", b="b"))
    assert (len(few.train), len(few.validation), few.test) == (1, 1, None)


def test_rows_need_no_label_and_lose_it(tmp_path):
    path = tmp_path / "a.jsonl"
    rows = [{"text": f"text {row}" if row else "", "label": row % 2} for row in range(31)]
    path.write_text("\n".join(map(json.dumps, rows)))
    data = load(data=path)
    assert [len(split) for split in data.splits.values()] == [24, 3, 3]
    assert all(list(split.columns) == ["text"] for split in data.splits.values())
    assert sorted(chain.from_iterable(texts(data).values())) == sorted(f"text {row}" for row in range(1, 31))
    assert data.empty_documents == 1


def test_texts_are_those_of_a_classifier(tmp_path):
    rows = [f'{row % 2 + 1},"Title {row}","Text, {row}"\n' for row in range(30)]
    for name in ("train", "test"):
        (tmp_path / f"{name}.csv").write_text("".join(rows))
    (tmp_path / "classes.txt").write_text("a\nb\n")
    documents, labelled = load(data=tmp_path), load_dataset(data=tmp_path)
    assert documents.test.texts == labelled.test.texts
    assert sorted([*documents.train.texts, *documents.validation.texts]) == sorted(labelled.test.texts)


def test_embedded_datasets():
    assert list_datasets("language_model") == ["python_topics"]
    topics = load(dataset="python_topics")
    assert len(topics.train) > len(topics.validation) >= 10
    assert len(load(dataset="python_topics", limit=7).train) == 7
    reviews = load(dataset="negated_reviews", limit=10)
    assert [*map(len, reviews.splits.values())] == [10, 2000, 2000, 2000]
    assert reviews.extra["held_out"].texts == load_dataset("negated_reviews").extra["held_out"].texts
    assert (reviews.class_names, [*reviews.train.columns]) == ((), ["text"])
    requests = load(dataset="slot_requests")
    assert [*requests.test.columns] == ["text"]
    assert requests.test.texts[:2] == [" ".join(tokens) for tokens in load_dataset("slot_requests").test["tokens"][:2]]


def test_a_split_to_evaluate_on(tmp_path):
    write_folder(tmp_path, a="a\n", b="b")
    assert list(load_documents_split(DataOptions(data=tmp_path / "a.txt")).texts) == ["a\n"]
    assert list(load_documents_split(DataOptions(data=tmp_path)).texts) == ["a\n", "b"]
    (tmp_path / "a.csv").write_text("x,text\n1,a\n2,b\n3,c\n")
    options = DataOptions(data=tmp_path / "a.csv", text_columns=("x", "text"), header=True)
    assert list(load_documents_split(options).texts) == ["1 a", "2 b", "3 c"]
    write_folder(tmp_path, train="c", test="d")
    with pytest.raises(UsageError, match="holds the splits 'train', 'test'; give one of its files"):
        load_documents_split(DataOptions(data=tmp_path))


@pytest.mark.parametrize(
    ("options", "fault"),
    [
        ({"data": "a.txt", "label_column": "x"}, "a set of documents takes no --label-column, got 'x'"),
        ({"dataset": "slot_requests", "label_column": "x"}, "a set of documents takes no --label-column, got 'x'"),
        ({"dataset": "slot_requests", "text_columns": "x"}, "slot_requests takes no --text-column, got ('x',)"),
        ({"dataset": "ag_news_subset", "header": True}, "TFDS takes no --header or --no-header, got True"),
        ({"data": "a.txt", "tfds_manual_dir": "x"}, "local data takes no --tfds-manual-dir, got 'x'"),
        ({"dataset": "python_topic"}, "unknown dataset 'python_topic'; did you mean 'python_topics'"),
        ({"data": "a.txt", "header": True}, "a.txt: --text-column and --header are for tables"),
        (
            {"data": "a.txt", "limit": 5},
            "a.txt: limit counts documents, and it has one to train on; takes no limit, got 5",
        ),
        ({"data": "short.txt"}, "short.txt: its text of 2 characters cannot be divided: a part would hold no text"),
        ({"data": "no.txt"}, "no.txt: no such file or folder"),
    ],
)
def test_faults(tmp_path, monkeypatch, options, fault):
    monkeypatch.chdir(write_folder(tmp_path, a=LINE * 100, short="ab"))
    with pytest.raises(UsageError, match=re.escape(fault)) as error:
        load(**options)
    assert "\n" not in str(error.value)


@pytest.mark.parametrize("line", ["a line of text\n", "a line of text\r\n", "eine Zeile über Äpfel\n"])
def test_a_long_text_takes_twice_its_memory(tmp_path, line):
    (tmp_path / "a.txt").write_bytes(line.encode() * (16 * MIB // len(line)))
    tracemalloc.start()
    try:
        data = load(data=tmp_path / "a.txt")
        size, peak = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()
    assert sum(len(split.texts[0]) for split in data.splits.values()) > 14 * MIB
    assert size < 17 * MIB
    assert peak < 35 * MIB


def test_many_long_documents_take_hardly_any(tmp_path):
    for index in range(16):
        (tmp_path / f"{index}.txt").write_text("a line of text\n" * (MIB // 15))
    tracemalloc.start()
    try:
        data = load(data=tmp_path)
        peak = tracemalloc.get_traced_memory()[1]
    finally:
        tracemalloc.stop()
    assert len(data.train) == 13
    assert peak < 8 * MIB

import subprocess
import sys

import numpy as np
import pytest

from keras_rnn.datasets import list_datasets, load_dataset, load_split
from keras_rnn.errors import UsageError


@pytest.fixture
def table(tmp_path):
    """Writes a CSV of so many rows of class a, b, ..., and returns its path."""

    def write(*counts: int, name: str = "rows.csv"):
        rows = [f"{label} {row},{label}\n" for label, count in zip("abc", counts, strict=False) for row in range(count)]
        (tmp_path / name).write_text("text,label\n" + "".join(rows))
        return tmp_path / name

    return write


def counts(split):
    return np.bincount(split.labels).tolist()


def test_import_loads_no_tensorflow():
    heavy = {"tensorflow", "tensorflow_datasets", "keras"}
    code = f"import sys, keras_rnn.datasets; print(sorted({heavy} & sys.modules.keys()))"
    assert subprocess.check_output([sys.executable, "-c", code], text=True).strip() == "[]"


def test_names():
    assert list_datasets() == ["negated_reviews", "ag_news_subset", "imdb_reviews", "glue/sst2"]


def test_one_file_gives_a_test_split_and_then_a_validation_split(table):
    data = load_dataset(data=table(200, 100))
    assert data.name == "rows.csv"
    assert data.class_names == ("a", "b")
    assert [counts(split) for split in (data.train, data.validation, data.test)] == [[162, 81], [18, 9], [20, 10]]
    texts = [*data.train.texts, *data.validation.texts, *data.test.texts]
    assert len(set(texts)) == 300


def test_one_small_file_gives_no_test_split(table):
    data = load_dataset(data=str(table(10, 9)), validation_fraction=0.2)
    assert data.test is None
    assert [counts(split) for split in (data.train, data.validation)] == [[8, 7], [2, 2]]


def test_a_folder_keeps_its_test_split(table, tmp_path):
    table(30, 30, name="train.csv")
    table(2, 3, name="test.csv")
    data = load_dataset(data=tmp_path)
    assert [counts(split) for split in (data.train, data.validation, data.test)] == [[27, 27], [3, 3], [2, 3]]
    assert data.test.texts == ["a 0", "a 1", "b 0", "b 1", "b 2"]


def test_a_folder_keeps_its_validation_split_and_needs_no_test_split(table, tmp_path):
    table(30, 30, name="train.csv")
    table(1, 2, name="dev.csv")
    data = load_dataset(data=tmp_path, limit=20)
    assert [counts(split) for split in (data.train, data.validation)] == [[10, 10], [1, 2]]
    assert data.test is None


@pytest.mark.parametrize(
    ("rows", "limit", "kept"),
    [
        ((50, 50), 10, [5, 5]),
        ((70, 20, 10), 10, [7, 2, 1]),
        ((97, 2, 1), 4, [2, 1, 1]),  # every class keeps a row
        ((20, 20), 1000, [20, 20]),
    ],
)
def test_limit_keeps_the_proportions_of_the_classes(table, tmp_path, rows, limit, kept):
    table(*rows, name="train.csv")
    table(1, 1, name="dev.csv")
    train = load_dataset(data=tmp_path, limit=limit).train
    assert counts(train) == kept
    assert len(set(train.texts)) == len(train) == sum(kept)


def test_limit_counts_the_rows_before_validation_and_leaves_the_test_split(table):
    path = table(100, 100)
    full_dataset, limited_dataset = load_dataset(data=path), load_dataset(data=path, limit=40)
    assert [counts(split) for split in (limited_dataset.train, limited_dataset.validation)] == [[18, 18], [2, 2]]
    assert limited_dataset.test.texts == full_dataset.test.texts


def test_cuts_are_seeded(table):
    path = table(100, 100)
    first, again, other = (load_dataset(data=path, limit=50, seed=seed) for seed in (1, 1, 2))
    assert first.train.texts == again.train.texts
    assert first.validation.texts == again.validation.texts
    assert first.train.texts != other.train.texts
    assert first.test.texts != other.test.texts


def test_cuts_stay_as_they_are(table):
    data = load_dataset(data=table(15, 15), seed=7, validation_fraction=0.2, limit=20)
    rows = [
        " ".join(text.replace(" ", "") for text in split.texts) for split in (data.train, data.validation, data.test)
    ]
    assert rows == ["a0 a2 a3 a4 a5 a6 a8 a14 b1 b2 b4 b5 b6 b10 b11 b14", "a7 a10 b7 b13", "a9 a13 b8 b12"]
    assert [counts(split) for split in (data.train, data.validation, data.test)] == [[8, 8], [2, 2], [2, 2]]
    assert data.test.labels.tolist() == [0, 0, 1, 1]


def test_negated_reviews_is_the_default_and_takes_a_limit():
    data = load_dataset(limit=10)
    assert data.name == "negated_reviews"
    assert counts(data.train) == [5, 5]
    assert len(data.test) > 100
    assert load_dataset("negated_reviews").test.texts == data.test.texts


def test_one_text_column_may_be_given_as_a_string(table):
    assert load_dataset(data=table(5, 5), text_columns="text", label_column="label").class_names == ("a", "b")


@pytest.mark.parametrize(
    ("options", "words"),
    [
        (
            {"dataset": "imdb_reviews", "data": "x.csv"},
            "takes --dataset or --data, got both: 'imdb_reviews' and 'x.csv'",
        ),
        ({"limit": 1}, "limit takes a whole number of at least 2, got 1"),
        ({"limit": 2.5}, "limit takes a whole number of at least 2, got 2.5"),
        ({"validation_fraction": 1}, "validation_fraction takes a number between 0 and 1, got 1"),
        ({"label_column": "x"}, "negated_reviews takes no --label-column, got 'x'"),
        ({"data": "x.csv", "tfds_manual_dir": "y"}, "local data takes no --tfds-manual-dir, got 'y'"),
        ({"dataset": "imdb_reviews", "header": False}, "TFDS takes no --header or --no-header, got False"),
        ({"dataset": "negated_review"}, "unknown dataset 'negated_review'; did you mean 'negated_reviews'"),
        ({"dataset": "."}, "'.' is a file or folder; give it as --data"),
    ],
)
def test_bad_options(options, words):
    with pytest.raises(UsageError) as error:
        load_dataset(**options)
    assert words in str(error.value)


@pytest.mark.parametrize(
    ("rows", "options", "words"),
    [
        ((1, 1), {}, "no validation split, for each of its 2 training rows is alone in its class"),
        ((50, 50, 50), {"limit": 2}, "limit takes at least one row a class, 3 for rows.csv, got 2"),
        ((50, 50, 50), {"limit": 3}, "no validation split, for each of its 3 training rows is alone in its class"),
    ],
)
def test_too_few_rows(table, rows, options, words):
    with pytest.raises(UsageError) as error:
        load_dataset(data=table(*rows), **options)
    assert words in str(error.value)


def test_load_split(table):
    split = load_split(table(1, 2), ("b", "a"))
    assert split.texts == ["a 0", "b 0", "b 1"]
    assert split.labels.tolist() == [1, 0, 0]

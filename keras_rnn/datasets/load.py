"""One function from a name or a path to a `TextDataset`."""

import dataclasses
from collections.abc import Sequence
from pathlib import Path

import numpy as np

from keras_rnn.checks import fraction, whole_number
from keras_rnn.datasets.dataset import Split, TextDataset, carve
from keras_rnn.datasets.local import load_local, load_split
from keras_rnn.datasets.tfds import KNOWN_SETS, load_tfds
from keras_rnn.errors import UsageError

__all__ = ["list_datasets", "load_dataset", "load_split"]

EMBEDDED = "negated_reviews"

# Data that comes undivided gives this part to a test split, if it has this many rows a class.
TEST_FRACTION = 0.1
ROWS_A_CLASS_TO_TEST = 10


def list_datasets() -> list[str]:
    """The names of the built-in data sets; `load_dataset` takes every other TFDS name too."""
    return [EMBEDDED, *KNOWN_SETS]


def load_dataset(
    dataset: str | None = None,
    *,
    data: str | Path | None = None,
    text_columns: Sequence[str] = (),
    label_column: str | None = None,
    header: bool | None = None,
    tfds_manual_dir: str | Path | None = None,
    tfds_data_dir: str | Path | None = None,
    validation_fraction: float = 0.1,
    limit: int | None = None,
    seed: int = 0,
) -> TextDataset:
    """Loads a data set by name, or from local files.

    Undivided data of 10 rows a class or more first gives a tenth to the test split. The validation split is
    the data's own where it has one, else it is cut from the training rows, never from the test split. All
    cuts are seeded and stratified.

    Texts of files and of TFDS stand in a temporary file (below TMPDIR), not in memory, as long as they are in use.

    Parameters:
        dataset: one of `list_datasets()`, or any TFDS name; "negated_reviews" if `data` is not given either.
        data: a local file or folder instead, see `keras_rnn.datasets.local`.
        text_columns: the columns (TFDS: features) that make the text, joined by a space; empty to find them.
        label_column: the label column (TFDS: feature); None to find it.
        header: whether local CSV and TSV files start with a header; None to find out.
        tfds_manual_dir: a folder with files that TFDS would otherwise download, such as `ag_news_csv.tar.gz`.
        tfds_data_dir: the folder of TFDS' prepared sets; None for its own.
        validation_fraction: how much of the training rows is cut off for validation.
        limit: keeps at most so many training rows, chosen before the validation split is cut from them, each
            class in proportion; None for all. The data's own validation and test splits are untouched.
        seed: of all cuts.

    Raises:
        UsageError: the name is unknown, or the data is missing, malformed, unclear or too little.
        OSError: there is no space for the temporary file.
    """
    if dataset is not None and data is not None:
        raise UsageError(f"takes --dataset or --data, got both: {dataset!r} and {str(data)!r}")
    if limit is not None:
        whole_number("limit", limit, minimum=2)
    fraction("validation_fraction", validation_fraction)
    texts = (text_columns,) if isinstance(text_columns, str) else tuple(text_columns)
    of_columns = {"--text-column": texts, "--label-column": label_column}
    of_files = {"--header or --no-header": header}
    of_tfds = {"--tfds-manual-dir": tfds_manual_dir, "--tfds-data-dir": tfds_data_dir}

    if data is not None:
        _refuse("local data", of_tfds)
        name = Path(data).resolve().name
        class_names, splits = load_local(data, text_columns=texts, label_column=label_column, header=header)
    elif dataset in (None, EMBEDDED):
        from keras_rnn.datasets.negated_reviews import negated_reviews

        _refuse(EMBEDDED, of_columns | of_files | of_tfds)
        whole = negated_reviews()
        return dataclasses.replace(whole, train=_limited(whole.name, whole.train, limit, seed))
    else:
        if Path(dataset).exists():
            raise UsageError(f"{dataset!r} is a file or folder; give it as --data")
        _refuse("TFDS", of_files)
        name = dataset
        class_names, splits = load_tfds(
            dataset,
            text_columns=texts,
            label_column=label_column,
            manual_dir=tfds_manual_dir,
            data_dir=tfds_data_dir,
            other_names=[EMBEDDED],
        )
    return _divided(name, class_names, splits, validation_fraction, limit, seed)


def _refuse(kind: str, options: dict[str, object]) -> None:
    for option, value in options.items():
        if value is not None and value != ():
            raise UsageError(f"{kind} takes no {option}, got {value!r}")


def _divided(
    name: str,
    class_names: tuple[str, ...],
    splits: dict[str, Split],
    validation_fraction: float,
    limit: int | None,
    seed: int,
) -> TextDataset:
    test, validation = splits.get("test"), splits.get("validation")
    train = splits["all"] if "all" in splits else splits["train"]
    if "all" in splits and len(train) >= ROWS_A_CLASS_TO_TEST * len(class_names):
        train, test = carve(train, TEST_FRACTION, seed)
    train = _limited(name, train, limit, seed)
    if len(np.unique(train.labels)) < 2:
        raise UsageError(f"{name}: takes at least two classes to train on, got {len(train)} rows of one")
    if validation is None:
        train, validation = carve(train, validation_fraction, seed)
    if not len(validation):
        raise UsageError(
            f"{name}: no validation split, for each of its {len(train)} training rows is alone in its class"
        )
    return TextDataset(name, class_names, train, validation, test)


def _limited(name: str, split: Split, limit: int | None, seed: int) -> Split:
    """At most `limit` rows, in order, each class in proportion and with one row at least."""
    if limit is None or limit >= len(split):
        return split
    labels, counts = np.unique(split.labels, return_counts=True)
    if limit < len(labels):
        raise UsageError(f"limit takes at least one row a class, {len(labels)} for {name}, got {limit}")
    shares = counts * (limit / len(split))
    keep = np.maximum(np.floor(shares).astype(int), 1)
    while excess := keep.sum() - limit:
        if excess < 0:
            keep[np.argmax(shares - keep)] += 1
        else:
            keep[np.argmin(np.where(keep > 1, shares - keep, np.inf))] -= 1
    rng = np.random.default_rng(seed)
    rows = [
        rng.choice(np.flatnonzero(split.labels == label), size=count, replace=False)
        for label, count in zip(labels, keep, strict=True)
    ]
    return split.take(np.sort(np.concatenate(rows)))

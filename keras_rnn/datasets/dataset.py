"""What every dataset becomes: splits of named columns, for training, validation and test."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np

from keras_rnn import checks
from keras_rnn.datasets.readers import listed
from keras_rnn.datasets.stored_texts import StoredTexts
from keras_rnn.errors import UsageError

# Older names of columns.
OLD_NAMES = {"texts": "text", "labels": "label"}


class Split:
    """Rows as named columns of one length: `Split(text=[...], label=np.array([...]))`.

    A column is a list, a NumPy array whose first axis is that of the rows, or `StoredTexts`, which take hardly any
    memory. A classifier's columns are `text` (`str`) and `label` (int32 indices into the class names);
    `Split(texts, labels)` makes such a split.
    """

    def __init__(self, texts: Sequence[str] | None = None, labels: Any = None, /, **columns: Sequence):
        if texts is not None:
            columns = {"text": texts, "label": labels, **columns}
        self.columns: Mapping[str, Sequence] = {OLD_NAMES.get(name, name): column for name, column in columns.items()}
        lengths = {name: len(column) for name, column in self.columns.items()}
        if len(set(lengths.values())) > 1:
            sizes = ", ".join(f"{name} {length}" for name, length in lengths.items())
            raise ValueError(f"a split takes columns of one length, got {sizes}")

    def __len__(self) -> int:
        return len(next(iter(self.columns.values()), ()))

    def __getitem__(self, column: str) -> Sequence:
        """The column of this name; UsageError where there is none."""
        if column not in self.columns:
            raise UsageError(f"the rows have no column {column!r}; they have {listed(self.columns)}")
        return self.columns[column]

    @property
    def texts(self) -> Sequence[str]:
        """The column `text`."""
        return self["text"]

    @property
    def labels(self) -> np.ndarray:
        """The column `label`."""
        column: Any = self["label"]
        return column

    def take(self, rows: np.ndarray) -> "Split":
        """The split of these row numbers, in this order."""
        return Split(**{name: _take(column, rows) for name, column in self.columns.items()})


def _take(column: Sequence, rows: np.ndarray) -> Sequence:
    if isinstance(column, StoredTexts):
        return column.take(rows)
    return column[rows] if isinstance(column, np.ndarray) else [column[row] for row in rows]


@dataclass(frozen=True)
class Dataset:
    """A dataset, divided.

    Args:
        name: the dataset's name.
        class_names: the names of the classes that a column `label` holds the indices of; () without such a column.
        train, validation: the rows to train on and to validate with.
        test: the rows to test on; None where there are none.
        extra: further splits by name (for example `negated_reviews`' "held_out"), evaluated beside the test split and
            never trained on.

    Raises:
        UsageError: a label is no index of a class.
    """

    name: str
    class_names: tuple[str, ...]
    train: Split
    validation: Split
    test: Split | None = None
    extra: Mapping[str, Split] = field(default_factory=dict)

    def __post_init__(self):
        for name, split in self.splits.items():
            if not self.class_names or "label" not in split.columns or not len(split):
                continue
            lowest, highest, last_class = np.min(split.labels), np.max(split.labels), len(self.class_names) - 1
            if lowest < 0 or highest > last_class:
                labels = f"labels of the {name} split take 0 to {last_class}, got {lowest} to {highest}"
                raise UsageError(f"dataset {self.name!r}: {labels}")

    @property
    def splits(self) -> dict[str, Split]:
        """All splits by name, "train" first."""
        splits = {"train": self.train, "validation": self.validation, "test": self.test, **self.extra}
        return {name: split for name, split in splits.items() if split is not None}

    @property
    def evaluation_splits(self) -> dict[str, Split]:
        """The splits to evaluate on: the test split and the extra ones.

        Raises:
            UsageError: there are none.
        """
        splits = {name: split for name, split in self.splits.items() if name not in ("train", "validation")}
        if not splits:
            raise UsageError(f"dataset {self.name!r} has no test split; give labelled rows with --data")
        return splits


# The older name, from when all datasets were texts with labels.
TextDataset = Dataset


def carve(split: Split, fraction: float, seed: int) -> tuple[Split, Split]:
    """Cuts `split` into (rest, carved), seeded; both keep the order of the rows.

    Where there is a column `label`, each class gives `fraction` of its rows, rounded; a class of two or more rows gives
    at least one and keeps at least one, so that no class leaves the training data. Other rows are one class.
    """
    checks.fraction("fraction", fraction)
    rng = np.random.default_rng(seed)
    is_carved = np.zeros(len(split), dtype=bool)
    labels = strata(split)
    for label in np.unique(labels):
        rows = np.flatnonzero(labels == label)
        if len(rows) < 2:
            continue
        count = min(max(round(fraction * len(rows)), 1), len(rows) - 1)
        is_carved[rng.choice(rows, size=count, replace=False)] = True
    return split.take(np.flatnonzero(~is_carved)), split.take(np.flatnonzero(is_carved))


def strata(split: Split) -> np.ndarray:
    """The strata of the rows, int `(rows,)`: the classes that they are labelled with, or zeros without any."""
    labels = np.asarray(split.columns.get("label", ()))
    return labels if np.issubdtype(labels.dtype, np.integer) and len(labels) else np.zeros(len(split), np.int32)

"""From what a source holds to a Dataset: test and validation splits are cut where the data brings none."""

from collections.abc import Mapping

import numpy as np

from keras_rnn.datasets.dataset import Dataset, Split, carve, strata
from keras_rnn.datasets.options import DataOptions
from keras_rnn.errors import UsageError

# Undivided data gives this part to a test split, if it has this many rows a class.
TEST_FRACTION = 0.1
ROWS_A_CLASS_TO_TEST = 10


def divide(
    name: str, class_names: tuple[str, ...], splits: Mapping[str, Split], options: DataOptions, seed: int
) -> Dataset:
    """A Dataset of the splits of a source, whose undivided rows are the split "all".

    Undivided data of 10 rows a class or more first gives a tenth to the test split. The validation split is the
    data's own where it has one, else it is cut from the training rows, never from the test split. All cuts are seeded,
    and stratified where there are labels.

    Raises:
        UsageError: too few rows are left to train on or to validate with.
    """
    test, validation = splits.get("test"), splits.get("validation")
    train = splits["all"] if "all" in splits else splits["train"]
    if "all" in splits and len(train) >= ROWS_A_CLASS_TO_TEST * max(len(class_names), 1):
        train, test = carve(train, TEST_FRACTION, seed)
    train = limited(name, train, options.limit, seed)
    if class_names and "label" in train.columns and len(np.unique(train.labels)) < 2:
        raise UsageError(f"{name}: takes at least two classes to train on, got {len(train)} rows of one")
    if validation is None:
        train, validation = carve(train, options.validation_fraction, seed)
    if not len(validation):
        owner = "each of its" if class_names else "its"
        raise UsageError(f"{name}: no validation split, for {owner} {len(train)} training rows is alone in its class")
    return Dataset(name, class_names, train, validation, test)


def limited(name: str, split: Split, limit: int | None, seed: int) -> Split:
    """At most `limit` rows, in order, each class in proportion and with one row at least."""
    if limit is None or limit >= len(split):
        return split
    row_labels = strata(split)
    labels, counts = np.unique(row_labels, return_counts=True)
    if limit < len(labels):
        raise UsageError(f"limit takes at least one row a class, {len(labels)} for {name}, got {limit}")
    shares = counts * (limit / len(split))
    class_counts = np.maximum(np.floor(shares).astype(int), 1)
    while excess := class_counts.sum() - limit:
        if excess < 0:
            class_counts[np.argmax(shares - class_counts)] += 1
        else:
            class_counts[np.argmin(np.where(class_counts > 1, shares - class_counts, np.inf))] -= 1
    rng = np.random.default_rng(seed)
    rows = [
        rng.choice(np.flatnonzero(row_labels == label), size=count, replace=False)
        for label, count in zip(labels, class_counts, strict=True)
    ]
    return split.take(np.sort(np.concatenate(rows)))

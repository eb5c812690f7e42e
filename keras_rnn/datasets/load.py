"""One function from a name or a path to a Dataset of texts and labels."""

import dataclasses
from collections.abc import Callable
from pathlib import Path
from typing import Any

from keras_rnn.datasets.dataset import Dataset, Split
from keras_rnn.datasets.divide import divide, limited
from keras_rnn.datasets.local import load_local, load_split
from keras_rnn.datasets.options import DataOptions
from keras_rnn.datasets.registry import embedded_datasets
from keras_rnn.datasets.tfds import KNOWN_SETS, load_tfds
from keras_rnn.errors import UsageError

__all__ = ["list_datasets", "load_dataset", "load_from", "load_split"]

DEFAULT_DATASET = "negated_reviews"

# From options to class names and splits, which `divide` makes a Dataset of.
Reader = Callable[[DataOptions], tuple[tuple[str, ...], dict[str, Split]]]


def list_datasets(task: str = "classification") -> list[str]:
    """The names of a task's built-in data sets; `load_dataset` takes every other TFDS name too."""
    return [*embedded_datasets(task), *(KNOWN_SETS if task == "classification" else ())]


def load_dataset(
    dataset: str | None = None, *, seed: int = 0, tfds_data_dir: str | Path | None = None, **options: Any
) -> Dataset:
    """Loads a data set of texts and labels by name, or from local files.

    Undivided data of 10 rows a class or more first gives a tenth to the test split. The validation split is
    the data's own where it has one, else it is cut from the training rows, never from the test split. All
    cuts are seeded and stratified.

    Texts of files and of TFDS stand in a temporary file (below TMPDIR), not in memory, as long as they are in use.

    Parameters:
        dataset: one of `list_datasets()`, or any TFDS name; "negated_reviews" if `data` is not given either.
        seed: of all cuts.
        tfds_data_dir: the folder of TFDS' prepared sets; None for its own.
        options: the other fields of `DataOptions`: data, text_columns, label_column, header, tfds_manual_dir,
            validation_fraction, limit.

    Raises:
        UsageError: the name is unknown, or the data is missing, malformed, unclear or too little.
        OSError: there is no space for the temporary file.
    """
    if options.get("data") is None and dataset is None:
        dataset = DEFAULT_DATASET

    def read_files(options: DataOptions):
        return load_local(
            options.source,
            text_columns=options.text_columns,
            label_column=options.label_column,
            header=options.header,
        )

    def read_tfds(options: DataOptions):
        options.refuse("TFDS", "header")
        return load_tfds(
            options.source,
            text_columns=options.text_columns,
            label_column=options.label_column,
            manual_dir=options.tfds_manual_dir,
            data_dir=tfds_data_dir,
            other_names=list(embedded_datasets()),
        )

    return load_from(DataOptions(dataset=dataset, **options), seed, read_files, read_tfds)


def load_from(options: DataOptions, seed: int, read_files: Reader, read_tfds: Reader) -> Dataset:
    """The Dataset that options name: embedded, from local files, or from TFDS.

    Args:
        options: name a dataset or data.
        seed: of all cuts.
        read_files, read_tfds: read the two other sources, as a task has them.
    """
    if options.data is not None:
        options.refuse("local data", "tfds_manual_dir")
        name = Path(options.data).resolve().name
        return divide(name, *read_files(options), options, seed)
    embedded = embedded_datasets()
    if options.dataset in embedded:
        options.refuse(options.dataset, "text_columns", "label_column", "header", "tfds_manual_dir")
        dataset = embedded[options.dataset].load()
        return dataclasses.replace(dataset, train=limited(dataset.name, dataset.train, options.limit, seed))
    if Path(options.source).exists():
        raise UsageError(f"{options.dataset!r} is a file or folder; give it as --data")
    return divide(options.source, *read_tfds(options), options, seed)

"""Where rows come from, as one object of options; the command line and the Python API take its fields."""

import os
from dataclasses import dataclass, field, replace
from pathlib import Path

from keras_rnn import checks
from keras_rnn.errors import UsageError


@dataclass(frozen=True)
class DataOptions:
    """A dataset by its name, or local files, and how to read and divide them.

    Args:
        dataset: one of `list_datasets()`, or any TFDS name; the task's default if `data` is not given either.
        data: a local file or folder instead, see `keras_rnn.datasets.local`.
        text_columns: the columns (TFDS: features) that make the text, joined by a space; empty to find them.
        label_column: the label column (TFDS: feature); None to find it.
        header: whether local CSV and TSV files start with a header; None to find out.
        tfds_manual_dir: a folder with files that TFDS would otherwise download, such as `ag_news_csv.tar.gz`.
        validation_fraction: the share of the training rows that is cut off for validation; of a single text, the share
            of its end that is held out for validation and test.
        limit: the most training rows, chosen before the validation split is cut from them, each class in proportion;
            None for all. The data's own validation and test splits are untouched.

    Raises:
        UsageError: a value out of its range, or both a dataset and data.
    """

    dataset: str | None = field(
        default=None,
        metadata={
            "help": "A dataset by name; see `keras-rnn datasets`. Default: negated_reviews, or the one of the task."
        },
    )
    data: str | None = field(
        default=None,
        metadata={
            "help": "A CSV, TSV, JSONL, CoNLL or text file (.gz too), a folder of train and test files, or of classes.",
            "path": True,
        },
    )
    text_columns: tuple[str, ...] = field(
        default=(),
        metadata={"option": "--text-column", "help": "Column of the text; several are joined by a space."},
    )
    label_column: str | None = field(default=None, metadata={"help": "Column of the label, or of the tags."})
    header: bool | None = field(
        default=None,
        metadata={
            "option": "--header/--no-header",
            "help": "Whether the first row names the columns; else it is guessed.",
        },
    )
    tfds_manual_dir: str | None = field(
        default=None, metadata={"help": "Folder of an archive fetched by hand, for TFDS.", "path": True}
    )
    validation_fraction: float = field(default=0.1, metadata={"help": "Share of train held for validation [0.1]."})
    limit: int | None = field(default=None, metadata={"help": "Train on at most so many rows."})

    def __post_init__(self):
        for path in ("data", "tfds_manual_dir"):
            if getattr(self, path) is not None:
                object.__setattr__(self, path, os.fspath(getattr(self, path)))
        columns = (self.text_columns,) if isinstance(self.text_columns, str) else tuple(self.text_columns)
        object.__setattr__(self, "text_columns", columns)
        if self.dataset and self.data:
            raise UsageError(f"takes --dataset or --data, got both: {self.dataset!r} and {self.data!r}")
        checks.fraction("validation_fraction", self.validation_fraction)
        if self.limit is not None:
            checks.whole_number("limit", self.limit, minimum=2)

    def absolute(self) -> "DataOptions":
        """The same options with absolute paths."""

        def absolute(path: str | None) -> str | None:
            return path and str(Path(path).absolute())

        return replace(self, data=absolute(self.data), tfds_manual_dir=absolute(self.tfds_manual_dir))

    @property
    def source(self) -> str:
        """The dataset's name, or the path of its file or folder."""
        return str(self.dataset or self.data)

    @property
    def name(self) -> str:
        """The dataset's name, or that of its file or folder without what follows the first dot."""
        return self.dataset or Path(self.data or "").name.split(".")[0]

    def refuse(self, source: str, *names: str) -> None:
        """UsageError where one of these fields is set, which `source` does not take."""
        for name in names:
            value = getattr(self, name)
            if value is not None and value != ():
                raise UsageError(f"{source} takes no {TYPED_NAMES[name]}, got {value!r}")


TYPED_NAMES = {
    "text_columns": "--text-column",
    "label_column": "--label-column",
    "header": "--header or --no-header",
    "tfds_manual_dir": "--tfds-manual-dir",
}

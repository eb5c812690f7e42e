"""Local files and folders to splits with class indices.

A folder holds `train` and, where there are, `validation` (`valid`, `val`, `dev`) and `test` files, by these
names or with a prefix (`imdb_train.jsonl.gz`); other files are left alone. Or it holds a folder of `.txt`
files for each class, at once (`pos/`, `neg/`) or below `train/`, `validation/` and `test/`. A single file, or
class folders at once, are undivided: their split is called "all".

`classes.txt` beside the data, one class name a line, gives the order of the classes and their names where
the labels are numbers from 0 or from 1. Without it the class names are the labels, sorted (as numbers where
all are).
"""

import re
from collections.abc import Mapping, Sequence
from pathlib import Path

from keras_rnn.datasets.columns import is_integer
from keras_rnn.datasets.dataset import Split
from keras_rnn.datasets.labelled import Labelled, read_class_folders, read_table, visible
from keras_rnn.datasets.readers import TAKES_FORMATS, at_line, data_name, listed, text_lines
from keras_rnn.errors import UsageError

SPLIT_WORDS = {"train": "train", "validation": "validation|valid|val|dev", "test": "test"}
CLASSES_FILE = "classes.txt"


def load_local(
    path: str | Path,
    *,
    text_columns: Sequence[str] = (),
    label_column: str | None = None,
    header: bool | None = None,
) -> tuple[tuple[str, ...], dict[str, Split]]:
    """Loads local data.

    Parameters:
        path: a file or a folder, see the module.
        text_columns: the columns that make the text, joined by a space; empty to find them.
        label_column: the label column; None to find it.
        header: whether CSV and TSV files start with a header; None to find out.

    Returns:
        The class names, and the splits by name: "all" where the data is undivided, else "train" and, where
        there are, "validation" and "test".

    Raises:
        UsageError: the data is missing, malformed or unclear, or the training data lacks a class.
    """
    path = Path(path)
    parts = _read_parts(path, text_columns, label_column, header)
    train = next(iter(parts.values()))
    names, indices = _classes(train, (path if path.is_dir() else path.parent) / CLASSES_FILE)
    for part in parts.values():
        _check_known(part, indices, names)
    return names, {name: part.split(indices) for name, part in parts.items()}


def load_split(
    path: str | Path,
    class_names: Sequence[str],
    *,
    text_columns: Sequence[str] = (),
    label_column: str | None = None,
    header: bool | None = None,
) -> Split:
    """Loads one labelled file, or one folder of class folders, for classes that are known already.

    Parameters:
        path: the file or folder.
        class_names: the classes by index. Labels are these, or numbers that count them from 0 or from 1.
        text_columns: the columns that make the text, joined by a space; empty to find them.
        label_column: the label column; None to find it.
        header: whether a CSV or TSV file starts with a header; None to find out.

    Raises:
        UsageError: the data is missing, malformed or unclear, or a label is none of the classes.
    """
    parts = _read_parts(Path(path), text_columns, label_column, header)
    if "all" not in parts:
        raise UsageError(f"{path}: holds splits; give one of them: {listed(str(part.path) for part in parts.values())}")
    part = parts["all"]
    indices = _indices(part, class_names)
    _check_known(part, indices, class_names)
    return part.split(indices)


def _read_parts(
    path: Path, text_columns: Sequence[str], label_column: str | None, header: bool | None
) -> dict[str, Labelled]:
    """The splits of a file or folder, training data first."""
    if not path.exists():
        raise UsageError(f"{path}: no such file or folder")
    if not path.is_dir():
        return {"all": read_table(path, text_columns, label_column, header)}
    if files := _split_files(path):
        train = read_table(files.pop("train"), text_columns, label_column, header)
        return {"train": train} | {
            name: read_table(file, reference_columns=train.columns) for name, file in files.items()
        }
    if text_columns or label_column is not None or header is not None:
        raise UsageError(f"{path}: --text-column, --label-column and --header are for files, not for class folders")
    return _read_folders(path)


def _split_files(folder: Path) -> dict[str, Path]:
    """The split files in a folder, training data first; empty where it holds no data file at all."""
    data = [file for file in visible(folder) if data_name(file)[1] and file.is_file()]
    files = {}
    for name, words in SPLIT_WORDS.items():
        matches = [file for file in data if re.fullmatch(rf"(.*[-_. ])?({words})", data_name(file)[0], re.IGNORECASE)]
        if len(matches) > 1:
            raise UsageError(f"{folder}: takes one {name} file, got {listed(file.name for file in matches)}")
        if matches:
            files[name] = matches[0]
    if data and "train" not in files:
        names = listed(file.name for file in data)
        raise UsageError(f"{folder}: none of {names} is a train file; name one train.*, or give one file instead")
    return files


def _read_folders(path: Path) -> dict[str, Labelled]:
    if not visible(path):
        raise UsageError(f"{path}: the folder is empty; it takes a train file ({TAKES_FORMATS}) or class folders")
    folders = {
        name: folder
        for name, words in SPLIT_WORDS.items()
        for folder in visible(path)
        if folder.is_dir() and re.fullmatch(words, folder.name, re.IGNORECASE)
    }
    if "train" not in folders:
        return {"all": read_class_folders(path)}
    parts = {name: read_class_folders(folder) for name, folder in folders.items()}
    for label in parts["train"].labels:
        # IMDB's train/unsup, of unlabelled texts, would otherwise become a third class.
        if "test" in parts and label not in parts["test"].labels:
            fault = f"{parts['train'].path / label}: a class that {parts['test'].path} lacks"
            raise UsageError(f"{fault}; move it away if its texts have no label")
    return parts


def _classes(train: Labelled, file: Path) -> tuple[tuple[str, ...], dict[str, int]]:
    """The class names, and the index of each label."""
    if len(train.texts) < 2:
        raise UsageError(f"{train.path}: takes at least 2 rows to train on, got {len(train.texts)}")
    if len(train.labels) < 2:
        count = f"all {len(train.texts)} rows have the label {train.labels[0]!r}"
        raise UsageError(f"{train.path}: takes at least two classes, but {count}")
    if not file.is_file():
        numbers = all(is_integer(label) for label in train.labels)
        names = tuple(sorted(train.labels, key=lambda label: (int(label), label) if numbers else label))
        return names, {name: index for index, name in enumerate(names)}
    names = _read_class_names(file)
    indices = _indices(train, names)
    for label, index in indices.items():
        if label not in train.labels:
            raise UsageError(f"{train.path}: no row of class {names[index]!r}, which {file} lists")
    return names, indices


def _read_class_names(file: Path) -> tuple[str, ...]:
    names = {}
    for line, text in text_lines(file):
        if (name := text.strip()) in names:
            raise at_line(file, line, f"names class {name!r} again")
        names[name] = line
    last_name = list(names)[-1:]
    if last_name == [""]:
        del names[""]
    if "" in names:
        raise at_line(file, names[""], "empty; the file takes one class name a line")
    if len(names) < 2:
        raise UsageError(f"{file}: takes at least two class names, one a line, got {len(names)}")
    return tuple(names)


def _indices(part: Labelled, names: Sequence[str]) -> dict[str, int]:
    """The index of each label: of the names, or of numbers from 0 or 1 where all labels are numbers."""
    if all(is_integer(name) for name in names) or not all(is_integer(label) for label in part.labels):
        return {name: index for index, name in enumerate(names)}
    first_number = 0 if "0" in part.labels else 1
    if first_number == 1 and all(0 < int(label) < len(names) for label in part.labels):
        numbers = listed(sorted(part.labels, key=int))
        counts = f"may count the {len(names)} classes from 0 or from 1"
        raise UsageError(f"{part.path}: labels {numbers} {counts}; write class names instead")
    return {str(index + first_number): index for index in range(len(names))}


def _check_known(part: Labelled, indices: Mapping[str, int], names: Sequence[str]) -> None:
    for label in part.labels:
        if label not in indices:
            fault = f"label {label!r} is none of the classes {listed(names)}"
            if list(indices) != list(names):
                fault += f", numbered {listed(indices)}"
            if part.columns is not None and part.columns.header is False and label == part.labels[0]:
                fault += "; if this line is a header, give --header"
            raise part.fault_at(label, fault)

"""Labelled texts as they stand in a table or in class folders, before their labels become class indices."""

import json
import os
from array import array
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from itertools import chain, islice
from pathlib import Path

import numpy as np

from keras_rnn.datasets.columns import SAMPLE_ROWS, Columns, find_columns, is_integer, looks_like_header
from keras_rnn.datasets.dataset import Split
from keras_rnn.datasets.readers import MAX_ROW_BYTES, at_line, decode, listed, read_rows, shown
from keras_rnn.datasets.stored_texts import StoredTexts, TextFile
from keras_rnn.errors import UsageError


@dataclass(frozen=True)
class Labelled:
    """Texts and their label `codes`, which index `labels`, in the order of appearance.

    `lines` has the line where each label appears first; it is empty for class folders, as `columns` is None.
    """

    path: Path
    texts: StoredTexts
    codes: np.ndarray
    labels: tuple[str, ...]
    lines: tuple[int, ...] = ()
    columns: Columns | None = None

    def fault_at(self, label: str, fault: str) -> UsageError:
        """The error for a fault of a label, at the line where it appears first."""
        if not self.lines:
            return UsageError(f"{self.path / label}: {fault}")
        return at_line(self.path, self.lines[self.labels.index(label)], fault)

    def split(self, indices: Mapping[str, int]) -> Split:
        """The split whose labels are `indices`, the class index of each label."""
        return Split(self.texts, np.array([indices[label] for label in self.labels], np.int32)[self.codes])


def read_table(
    path: Path,
    text_columns: Sequence[str] = (),
    label_column: str | None = None,
    header: bool | None = None,
    reference_columns: Columns | None = None,
) -> Labelled:
    """Reads a CSV, TSV or JSON lines file.

    Labels lose surrounding spaces; JSON's may be integers or booleans, spelled as JSON does. Texts are kept
    as they are, and may be empty.

    Parameters:
        path: the file.
        text_columns, label_column, header: see `columns.find_columns`.
        reference_columns: the columns of another file of the same data, instead of these three.

    Raises:
        UsageError: the file is empty, malformed or unclear.
    """
    rows = read_rows(path)
    sample = list(islice(rows, SAMPLE_ROWS))
    if not sample:
        raise UsageError(f"{path}: the file is empty")
    first_row = sample[0][1]
    if reference_columns is not None:
        text_columns, label_column = reference_columns.texts, reference_columns.label
        header = None if isinstance(first_row, dict) else reference_columns.header is not False
    columns = find_columns(path, [row for _, row in sample], text_columns, label_column, header)
    if reference_columns is not None and reference_columns.header is False and columns.names != reference_columns.names:
        fault = f"takes {len(reference_columns.names)} columns like the training file, got {len(columns.names)}"
        raise at_line(path, sample[0][0], fault)

    rows = chain(sample, rows)
    if columns.header:
        next(rows)
    pick = _pick_json if columns.header is None else _pick_fields
    texts, codes, label_codes, lines = TextFile(), array("i"), {}, []
    for line, label, text in pick(path, rows, columns, sample[0][0]):
        code = label_codes.setdefault(label, len(lines))
        if code == len(lines):
            if not label:
                raise at_line(path, line, f"the label (column {columns.label!r}) is empty")
            lines.append(line)
        texts.append(text)
        codes.append(code)
    if not len(texts):
        raise UsageError(f"{path}: the file has a header and no rows")
    part = Labelled(path, texts.texts(), np.array(codes, np.int32), tuple(label_codes), tuple(lines), columns)
    if columns.header is False and reference_columns is None:
        _check_first_row(part, first_row, header)
    return part


def read_class_folders(path: Path) -> Labelled:
    """Reads a folder with a folder of `.txt` files for each class, one text a file, in the order of names.

    Hidden files and folders are passed over; a text loses the line ends at its end.

    Raises:
        UsageError: the folder has no class folder, a class folder has no text or holds something else, or a
            file is not UTF-8 text.
    """
    folders = [folder for folder in visible(path) if folder.is_dir()]
    if not folders:
        raise UsageError(f"{path}: the folder has neither a train file nor a folder of .txt files for each class")
    texts, codes = TextFile(), array("i")
    for code, folder in enumerate(folders):
        names = _visible_names(folder)
        if not names:
            raise UsageError(f"{folder}: the class folder is empty")
        for name in names:  # paths would take much more memory
            file = folder / name
            if file.suffix.lower() != ".txt" or not file.is_file():
                raise UsageError(f"{folder}: a class folder takes .txt files only, got {file.name!r}")
            texts.append(_read_text(file))
            codes.append(code)
    return Labelled(path, texts.texts(), np.array(codes, np.int32), tuple(folder.name for folder in folders))


def visible(folder: Path) -> list[Path]:
    """What is in a folder, sorted by name, without hidden files."""
    return [folder / name for name in _visible_names(folder)]


def _visible_names(folder: Path) -> list[str]:
    try:
        return sorted(name for name in os.listdir(folder) if not name.startswith("."))
    except OSError as error:
        raise UsageError(f"{folder}: cannot be read ({error.strerror or error})") from None


def _read_text(file: Path) -> str:
    try:
        with open(file, "rb") as stream:
            data = stream.read(MAX_ROW_BYTES + 1)
    except OSError as error:
        raise UsageError(f"{file}: cannot be read ({error.strerror or error})") from None
    if len(data) > MAX_ROW_BYTES:
        raise UsageError(f"{file}: longer than {MAX_ROW_BYTES} bytes, the most a text takes")
    return decode(data.removeprefix(b"\xef\xbb\xbf"), file, 1).rstrip("\r\n")


def _pick_fields(
    path: Path, rows: Iterator[tuple[int, list[str]]], columns: Columns, first_line: int
) -> Iterator[tuple[int, str, str]]:
    width = len(columns.names)
    label = columns.names.index(columns.label)
    texts = [columns.names.index(name) for name in columns.texts]
    for line, row in rows:
        check_width(path, line, row, width, first_line)
        yield line, row[label].strip(), " ".join([row[index] for index in texts])


def _pick_json(
    path: Path, rows: Iterator[tuple[int, dict]], columns: Columns, _: int
) -> Iterator[tuple[int, str, str]]:
    for line, row in rows:
        if columns.label not in row:
            raise at_line(path, line, f"no column {columns.label!r}; it has {listed(row)}")
        text, label = joined_strings(path, line, row, columns.texts), row[columns.label]
        if not isinstance(label, str | int):
            raise at_line(path, line, f"label {columns.label!r} takes a string or an integer, got {shown(label)}")
        label = label.strip() if isinstance(label, str) else json.dumps(label)
        yield line, label, text


def check_width(path: Path, line: int, row: Sequence[str], width: int, first_line: int) -> None:
    """UsageError where a row has another number of fields than the first."""
    if len(row) != width:
        raise at_line(path, line, f"takes {width} fields like line {first_line}, got {len(row)}")


def joined_strings(path: Path, line: int, row: Mapping[str, object], names: Sequence[str]) -> str:
    """The strings of these columns of a JSON object, joined by a space; UsageError where one is missing or none."""
    values = []
    for name in names:
        if name not in row:
            raise at_line(path, line, f"no column {name!r}; it has {listed(row)}")
        value = row[name]
        if not isinstance(value, str):
            raise at_line(path, line, f"column {name!r} takes a string, got {shown(value)}")
        values.append(value)
    return " ".join(values)


def _check_first_row(part: Labelled, first_row: Sequence[str], header: bool | None) -> None:
    """Refuses a header that was read as data: its "label" is one that no other row has.

    With --no-header it refuses only a known column name in that row, or integers as labels of all others. Without the
    option it is enough that all other labels come twice.
    """
    counts = np.bincount(part.codes)
    label, other_labels = part.labels[0], part.labels[1:]
    if counts[0] > 1 or not other_labels or is_integer(label):
        return
    if all(is_integer(other) for other in other_labels) or (header is False and looks_like_header(first_row)):
        raise part.fault_at(label, f"looks like a header ({listed(first_row)}) rather than data; give --header")
    if header is None and counts[1:].min() > 1:
        fault = f"no other row has its label {label!r}; give --header if it is a header, else --no-header"
        raise part.fault_at(label, fault)

"""Tables of texts: CSV, TSV and JSON lines whose rows are documents and need no label."""

import contextlib
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from itertools import chain, islice
from pathlib import Path

from keras_rnn.datasets.columns import (
    SAMPLE_ROWS,
    TEXT_NAMES,
    all_integers,
    column_names,
    find_columns,
    is_label_like,
)
from keras_rnn.datasets.labelled import check_width, joined_strings
from keras_rnn.datasets.plain_text import Documents, keep_documents
from keras_rnn.datasets.readers import at_line, listed, read_rows
from keras_rnn.errors import UsageError


@dataclass(frozen=True)
class TextColumns:
    """The columns of a file: `names` of all, in order, and those that make the `texts`; `header` as in `Columns`."""

    names: tuple[str, ...]
    texts: tuple[str, ...]
    header: bool | None


def read_text_table(
    path: Path, text_columns: Sequence[str] = (), header: bool | None = None, like: TextColumns | None = None
) -> tuple[Documents, TextColumns]:
    """Reads the texts of a CSV, TSV or JSON lines file, a document a row.

    Parameters:
        path: the file.
        text_columns, header: see `find_text_columns`.
        like: the columns of another file of the same data, instead of these two.

    Raises:
        UsageError: the file is empty, malformed or unclear, or no row holds text.
    """
    rows = read_rows(path)
    sample = list(islice(rows, SAMPLE_ROWS))
    if not sample:
        raise UsageError(f"{path}: the file is empty")
    first_line, first = sample[0]
    if like is not None:
        text_columns = like.texts
        header = None if isinstance(first, dict) else like.header is not False
    columns = find_text_columns(path, [row for _, row in sample], text_columns, header)
    if like is not None and like.header is False and columns.names != like.names:
        fault = f"takes {len(like.names)} columns like the training file, got {len(columns.names)}"
        raise at_line(path, first_line, fault)
    rows = chain(sample, rows)
    if columns.header:
        next(rows)
    documents = keep_documents(_texts(path, rows, columns, first_line))
    if not len(documents.texts):
        raise UsageError(f"{path}: no row holds text in {listed(columns.texts)}")
    return documents, columns


def find_text_columns(
    path: Path, rows: Sequence[list[str] | dict], text_columns: Sequence[str] = (), header: bool | None = None
) -> TextColumns:
    """Finds the text columns of a table: those that a classifier would read where it can tell them.

    Else they are the first of `columns.TEXT_NAMES` that are there, or the only column, or the only one whose values
    look like text: most of them of several words.

    Parameters:
        path: the file, for errors.
        rows: its first rows, at least one.
        text_columns: the text columns, joined in this order by a space; empty to find them.
        header: whether the first row is a header; None to look whether it holds a given or known name.

    Raises:
        UsageError: a given column is missing, or the columns cannot be told.
    """
    names, header = column_names(path, rows[0], text_columns, header)
    numbered = "" if header is not False else f"no header, its first row is {listed(rows[0])}, and columns "
    for name in text_columns:
        if name not in names:
            raise UsageError(f"{path}: no column {name!r}; it has {numbered}{listed(names)}")
    if text_columns:
        return TextColumns(names, tuple(text_columns), header)
    with contextlib.suppress(UsageError):  # it finds no label
        return TextColumns(names, find_columns(path, rows, header=header).texts, header)
    known = {name.lower(): name for name in reversed(names)} if header is not False else {}
    group = next((group for group in TEXT_NAMES if all(name in known for name in group)), ())
    texts = [known[name] for name in group]
    if not texts:
        body = rows[1:] if header else rows
        texts = [name for index, name in enumerate(names) if len(names) == 1 or _looks_like_text(body, index, name)]
    if len(texts) != 1 and not group:
        fault = f"cannot tell which column is the text: it has {numbered}{listed(names)}"
        raise UsageError(f"{path}: {fault}; name it with --text-column")
    return TextColumns(names, tuple(texts), header)


def _looks_like_text(rows: Sequence[list[str] | dict], index: int, name: str) -> bool:
    values = []
    for row in rows:
        value = row.get(name) if isinstance(row, dict) else row[index] if index < len(row) else ""
        if not isinstance(value, str):
            return False
        values.append(value)
    several_words = sum(len(value.split()) > 1 for value in values)
    return 2 * several_words > len(values) and not is_label_like(values) and not all_integers(values)


def _texts(
    path: Path, rows: Iterator[tuple[int, list[str] | dict]], columns: TextColumns, first_line: int
) -> Iterator[str]:
    indices = [columns.names.index(name) for name in columns.texts]
    for line, row in rows:
        if isinstance(row, dict):
            yield joined_strings(path, line, row, columns.texts)
        else:
            check_width(path, line, row, len(columns.names), first_line)
            yield " ".join([row[index] for index in indices])

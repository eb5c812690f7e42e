"""Which columns of a table are the text and which is the label, and whether its first row is a header."""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from keras_rnn.datasets.readers import listed
from keras_rnn.errors import UsageError

# Column names that are found without options, in any case; the first one that the file has is taken.
LABEL_NAMES = ("label", "class", "class index", "category", "target", "sentiment")
TEXT_NAMES = (
    ("title", "description"),
    ("text",),
    ("sentence",),
    ("review",),
    ("content",),
    ("body",),
    ("comment",),
    ("tweet",),
    ("message",),
    ("title",),
    ("description",),
)
KNOWN_NAMES = frozenset(LABEL_NAMES).union(*TEXT_NAMES)

# A column of a file without header is taken for the label if, in the file's first rows, it holds few and
# short values, some of them more than once.
SAMPLE_ROWS = 1000
MAX_LABELS = 100
MAX_LABEL_LENGTH = 40

ASK = "name them with --text-column and --label-column"
ASK_NUMBERED = f"{ASK} (the columns of a file without header are called 1, 2, ...), or give --header"


@dataclass(frozen=True)
class Columns:
    """The columns of a file: `names` of all, in order, and those that hold the `label` and the `texts`.

    `header` is True where the first row holds the names, False where there is no header and the names are
    1, 2, ..., and None for JSON lines, whose rows name their own columns.
    """

    names: tuple[str, ...]
    label: str
    texts: tuple[str, ...]
    header: bool | None


def find_columns(
    path: Path,
    rows: Sequence[list[str] | dict],
    text_columns: Sequence[str] = (),
    label_column: str | None = None,
    header: bool | None = None,
) -> Columns:
    """Finds the text and label columns of a table.

    With a header (or JSON keys), columns that are not given are found by name in `LABEL_NAMES` and
    `TEXT_NAMES`; of two columns, one that is found leaves the other. Without a header, the first column is
    the label and all others are texts (AG News), or the second of two is the label (SST-2), whichever holds
    the label-like values; where both do, the one that holds integers only.

    Parameters:
        path: the file, for errors.
        rows: its first rows, at least one.
        text_columns: the text columns, joined in this order; empty to find them.
        label_column: the label column; None to find it.
        header: whether the first row is a header; None to look whether it holds a given or known name.

    Raises:
        UsageError: a given column is missing, or the columns cannot be told.
    """
    if label_column in text_columns:
        raise UsageError(f"{path}: column {label_column!r} is given both as text and as label")
    chosen = [*text_columns, *([label_column] if label_column is not None else [])]
    names, header = column_names(path, rows[0], chosen, header)
    if header is False:
        return _columns_by_number(path, rows, text_columns, label_column)
    return _columns_by_name(path, names, text_columns, label_column, header)


def column_names(
    path: Path, first: list[str] | dict, chosen: Sequence[str], header: bool | None
) -> tuple[tuple[str, ...], bool | None]:
    """The names of a table's columns, and whether its first row is a header: None for JSON lines.

    Parameters:
        path: the file, for errors.
        first: its first row.
        chosen: the columns that are asked for.
        header: whether the first row is a header; None to look whether it holds a chosen or known name.

    Raises:
        UsageError: the header names a column twice, or `header` is not None for JSON lines.
    """
    if isinstance(first, dict):
        if header is not None:
            raise UsageError(f"{path}: --header and --no-header are for CSV and TSV; JSON lines name their columns")
        return tuple(first), None
    names = tuple(name.strip() for name in first)
    if header is None:
        # A digit string may be a column's number and, by chance, a value of the first row: then all names must match.
        unambiguous = [name for name in chosen if not name.isdecimal()]
        names_columns = any(name in names for name in unambiguous) or (chosen and all(name in names for name in chosen))
        header = looks_like_header(first) or bool(names_columns)
    if not header:
        return tuple(str(number) for number in range(1, len(first) + 1)), False
    if len(set(names)) < len(names):
        raise UsageError(f"{path}: its header names a column twice: {listed(names)}")
    return names, True


def looks_like_header(row: Sequence[str]) -> bool:
    """Whether a row holds one of the known column names."""
    return any(field.strip().lower() in KNOWN_NAMES for field in row)


def _columns_by_name(
    path: Path, names: tuple[str, ...], text_columns: Sequence[str], label: str | None, header: bool | None
) -> Columns:
    _check_chosen(path, names, text_columns, label)
    texts = tuple(text_columns)
    column_names = {name.lower(): name for name in reversed(names) if name not in texts}
    if label is None:
        label = next((column_names[name] for name in LABEL_NAMES if name in column_names), None)
    if not texts:
        column_names.pop(str(label).lower(), None)
        group = next((group for group in TEXT_NAMES if all(name in column_names for name in group)), ())
        texts = tuple(column_names[name] for name in group)
    if len(names) == 2 and label is None and len(texts) == 1:
        label = next(name for name in names if name not in texts)
    if len(names) == 2 and label is not None and not texts:
        texts = tuple(name for name in names if name != label)
    if label is None or not texts:
        missing = "text" if label is not None else "label" if texts else "text and which the label"
        raise UsageError(f"{path}: cannot tell which column is the {missing}: it has {listed(names)}; {ASK}")
    return Columns(names, label, texts, header)


def _columns_by_number(
    path: Path, rows: Sequence[list[str]], text_columns: Sequence[str], label: str | None
) -> Columns:
    names = tuple(str(number) for number in range(1, len(rows[0]) + 1))
    _check_chosen(path, names, text_columns, label, f"no header, its first row is {listed(rows[0])}, and columns ")
    values = {name: [row[index] for row in rows if len(row) == len(names)] for index, name in enumerate(names)}
    texts = tuple(text_columns)
    fault = UsageError(
        f"{path}: cannot tell which column is the label: its first row is {listed(rows[0])}; {ASK_NUMBERED}"
    )
    if label is None:
        end_columns = [names[0], names[-1]] if len(names) == 2 or texts else [names[0]]
        candidates = [name for name in dict.fromkeys(end_columns) if name not in texts and is_label_like(values[name])]
        if len(candidates) == 2:
            candidates = [name for name in candidates if all_integers(values[name])]
        if len(candidates) != 1 or len(names) == 1:
            raise fault
        label = candidates[0]
    if not texts:
        texts = tuple(name for name in names if name != label)
        # A column of numbers is an id or a score rather than a text.
        if not texts or any(all_integers(values[name]) for name in texts):
            raise fault
    return Columns(names, label, texts, False)


def _check_chosen(
    path: Path, names: tuple[str, ...], text_columns: Sequence[str], label: str | None, description: str = ""
) -> None:
    for name in (*text_columns, *([label] if label is not None else [])):
        if name not in names:
            raise UsageError(f"{path}: no column {name!r}; it has {description}{listed(names)}")


def is_label_like(values: Sequence[str]) -> bool:
    """Whether values are few and short, some of them more than once."""
    distinct = set(values)
    return (
        len(distinct) < len(values)
        and len(distinct) <= MAX_LABELS
        and all(len(value) <= MAX_LABEL_LENGTH for value in distinct)
    )


def all_integers(values: Sequence[str]) -> bool:
    return all(is_integer(value) for value in values)


def is_integer(value: str) -> bool:
    """Whether a label is a whole number, in ASCII digits and of a sensible length."""
    digits = value.strip().removeprefix("-")
    return digits.isascii() and digits.isdigit() and len(digits) < 19

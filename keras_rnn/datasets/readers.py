"""Files to rows: CSV, TSV and JSON lines, plain or gzipped, checked as they stream past.

CSV has standard quoting (RFC 4180: a quote inside a quoted field is written twice), TSV has none, and a row
of JSON lines is one object. All are UTF-8, with or without a byte order mark; lines end in `\\n` or `\\r\\n`.
Empty lines are passed over. A row is known by the number of the line where it starts, counted from 1.
"""

import csv
import gzip
import json
import zlib
from collections.abc import Iterable, Iterator
from pathlib import Path

from keras_rnn.errors import UsageError

FORMATS = (".csv", ".tsv", ".jsonl")
TAKES_FORMATS = f"{', '.join(FORMATS)}, each also with .gz"

# Far beyond any real text, and little enough that a quote left open does not swallow a large file.
MAX_ROW_BYTES = 10 * 2**20

CSV_FAULTS = {
    "unexpected end of data": "a quote is opened and not closed before the end of the file",
    "',' expected after '\"'": 'text follows a closing quote; a quote inside a quoted field is written twice ("")',
    "new-line character seen": "a carriage return stands inside an unquoted field",
}


def data_name(path: Path) -> tuple[str, str | None]:
    """The name of a file without its suffixes, and its format: one of `FORMATS`, or None for none of them."""
    name = path.name.lower().removesuffix(".gz")
    for suffix in FORMATS:
        if name.endswith(suffix):
            return path.name[: len(name) - len(suffix)], suffix
    return path.name, None


def at_line(path: Path, line: int, fault: str) -> UsageError:
    """The error for a fault at a line of a file."""
    return UsageError(f"{path}, line {line}: {fault}")


def shown(value: object, length: int = 40) -> str:
    """The `repr` of a value, cut to about `length` characters so that an error stays one line."""
    text = repr(value)
    return text if len(text) <= length else f"{text[: length - 3]}..."


def listed(values: Iterable[object], max_values: int = 12) -> str:
    """The first values, shown, comma-separated."""
    values = list(values)
    return ", ".join(shown(value) for value in values[:max_values]) + (", ..." if len(values) > max_values else "")


def decode(data: bytes, path: Path, line: int) -> str:
    """The text of UTF-8 bytes that start at `line` of `path`.

    Raises:
        UsageError: they are not UTF-8, or hold a NUL byte.
    """
    try:
        text = data.decode("utf-8")
    except UnicodeDecodeError as error:
        line += data.count(b"\n", 0, error.start)
        raise at_line(path, line, f"not UTF-8 (byte 0x{data[error.start]:02x}); the file takes UTF-8 text") from None
    if "\0" in text:
        raise at_line(path, line + text[: text.index("\0")].count("\n"), "holds a NUL byte; the file takes text")
    return text


def text_lines(path: Path) -> Iterator[tuple[int, str]]:
    """The lines of a UTF-8 file, gunzipped where its name ends in .gz, each with its number and line end.

    Raises:
        UsageError: the file cannot be read, is not UTF-8, holds a NUL byte or an overlong line, or is a gzip
            file that is damaged or cut short.
    """
    line = 0
    try:
        with gzip.open(path) if path.name.lower().endswith(".gz") else open(path, "rb") as file:
            while data := file.readline(MAX_ROW_BYTES + 1):
                line += 1
                if len(data) > MAX_ROW_BYTES:
                    raise at_line(path, line, f"longer than {MAX_ROW_BYTES} bytes, the most a row takes")
                yield line, decode(data.removeprefix(b"\xef\xbb\xbf") if line == 1 else data, path, line)
    except (EOFError, zlib.error, gzip.BadGzipFile) as error:
        raise UsageError(f"{path}: the gzip file is damaged or cut short after line {line} ({error})") from None
    except OSError as error:
        raise UsageError(f"{path}: cannot be read ({error.strerror or error})") from None


def read_rows(path: Path) -> Iterator[tuple[int, list[str] | dict]]:
    """The rows of a file, each with its line number: lists of fields of CSV and TSV, objects of JSON lines.

    Parameters:
        path: a file whose name ends in one of `FORMATS`, or in one of them and .gz.

    Raises:
        UsageError: the name has another ending, a row is malformed, or `text_lines` raises.
    """
    _, suffix = data_name(path)
    if suffix is None:
        raise UsageError(f"{path}: cannot tell its format from its name; it takes {TAKES_FORMATS}")
    return {".csv": _csv_rows, ".tsv": _tsv_rows, ".jsonl": _json_rows}[suffix](path)


def _csv_rows(path: Path) -> Iterator[tuple[int, list[str]]]:
    # The module's own limit (128 KiB a field) is lower than ours and global, so it is only ever raised.
    csv.field_size_limit(max(csv.field_size_limit(), MAX_ROW_BYTES))
    start = size = 0

    def lines() -> Iterator[str]:
        nonlocal size
        for _, text in text_lines(path):
            size += len(text)
            if size > MAX_ROW_BYTES:
                fault = f"the row that starts here is longer than {MAX_ROW_BYTES} characters"
                raise at_line(path, start, f"{fault}; is a quote opened and not closed?")
            yield text

    reader = csv.reader(lines(), strict=True)
    while True:
        start, size = reader.line_num + 1, 0
        try:
            row = next(reader, None)
        except csv.Error as error:
            fault = next((words for key, words in CSV_FAULTS.items() if key in str(error)), str(error))
            raise at_line(path, start, f"the row that starts here is malformed: {fault}") from None
        if row is None:
            return
        if row:
            yield start, row


def _tsv_rows(path: Path) -> Iterator[tuple[int, list[str]]]:
    for line, text in text_lines(path):
        text = text.removesuffix("\n").removesuffix("\r")
        if text:
            yield line, text.split("\t")


def _json_rows(path: Path) -> Iterator[tuple[int, dict]]:
    for line, text in text_lines(path):
        if not text.strip():
            continue
        try:
            row = json.loads(text)
        except json.JSONDecodeError as error:
            raise at_line(path, line, f"malformed JSON ({error.msg} at column {error.colno})") from None
        except (ValueError, RecursionError) as error:
            raise at_line(path, line, f"malformed JSON ({error})") from None
        if not isinstance(row, dict):
            raise at_line(path, line, f"takes a JSON object, got {shown(row)}")
        if "\\u" in text:
            _check_escapes(row, path, line)
        yield line, row


def _check_escapes(row: dict, path: Path, line: int) -> None:
    """JSON's escapes can spell half a surrogate pair, which UTF-8 cannot hold, and the NUL refused elsewhere."""
    for column, value in row.items():
        if not isinstance(value, str):
            continue
        if "\0" in value:
            raise at_line(path, line, f"column {column!r} holds a NUL character (\\u0000)")
        if any("\ud800" <= character <= "\udfff" for character in value):
            raise at_line(path, line, f"column {column!r} holds half of a surrogate pair, which is not text")

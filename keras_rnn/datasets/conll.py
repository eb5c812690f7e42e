"""CoNLL column files to tokens and tags: one token a line, an empty line after each sentence.

The first row of a file decides how its lines are divided: at tabs where it holds one, so that tokens may hold spaces,
else at spaces and tabs. A line of spaces or tabs alone is an empty line. Several empty lines count as one, and the
last sentence needs none. A line whose first column starts with `-DOCSTART-` ends a sentence and is no row.

A file is CoNLL-U where its first line that does not start with "#" has ten columns divided by tabs, the first of them
"1" or a range such as "1-2". Only there, lines that start with "#" are comments, and rows numbered by a range ("1-2",
a token of several words) or by a decimal ("1.1", a word that is not in the text) are passed over. Everywhere else "#"
is a token like any other, as it is in CoNLL-2000; but a file whose sentences all start with it is refused, for these
must be comments.
"""

import re
from collections.abc import Iterator
from itertools import chain
from pathlib import Path

from keras_rnn.datasets.readers import at_line, shown, text_lines
from keras_rnn.errors import UsageError

DOCUMENT_START = "-DOCSTART-"
BLANKS = " \t\r\n"

CONLLU_COLUMNS = 10
CONLLU_FORM, CONLLU_UPOS = 1, 3
CONLLU_FIRST = re.compile(r"1(-\d+)?\t")
CONLLU_WORD = re.compile(r"\d+")

Line = tuple[int, str]
Row = tuple[int, list[str]]


def read_conll(
    path: str | Path, *, token_column: int | None = None, tag_column: int | None = None
) -> tuple[list[list[str]], list[list[str]]]:
    """Reads a CoNLL column file, plain or gzipped.

    Parameters:
        path: the file.
        token_column: the index of the token's column, from 0, or from -1 backwards. None is the first column, or
            the word form of CoNLL-U.
        tag_column: the index of the tag's column. None is the last column, or the UPOS of CoNLL-U.

    Returns:
        The tokens and the tags of each sentence, as the file has them. There is a sentence at least, and none is empty.

    Raises:
        UsageError: the file cannot be read, holds no row, has only one column or lacks one of the columns; a row has
            another number of columns than the first, or an empty token or tag; or every sentence starts with "#".
    """
    path = Path(path)
    lines, is_conllu, separator = _open(path)
    rows = _rows(path, lines, separator, is_conllu)
    first_row = next((row for row in rows if row is not None), None)
    if first_row is None:
        raise UsageError(f"{path}: holds no row; it takes a token and its tag a line")
    defaults = (CONLLU_FORM, CONLLU_UPOS) if is_conllu else (0, -1)
    columns = [
        default if column is None else column
        for column, default in zip((token_column, tag_column), defaults, strict=True)
    ]
    token_index, tag_index = _column_indices(path, first_row, columns)
    tokens: list[list[str]] = []
    tags: list[list[str]] = []
    new_sentence = True
    hashes = 0
    for row in chain([first_row], rows):
        if row is None:
            new_sentence = True
            continue
        line, fields = row
        if len(fields) != len(first_row[1]):
            raise at_line(path, line, f"takes {len(first_row[1])} columns like line {first_row[0]}, got {len(fields)}")
        token, tag = fields[token_index], fields[tag_index]
        if not token or not tag:
            raise at_line(path, line, f"its {'tag' if token else 'token'} is empty")
        if new_sentence:
            tokens.append([])
            tags.append([])
            new_sentence = False
            hashes += fields[0] == "#"
        tokens[-1].append(token)
        tags[-1].append(tag)
    if hashes == len(tokens) > 1:
        raise at_line(path, first_row[0], 'every sentence starts with "#"; only CoNLL-U files may hold comments')
    return tokens, tags


def _open(path: Path) -> tuple[Iterator[Line], bool, str | None]:
    """The lines of a file, whether it is CoNLL-U, and what divides its columns: a tab, or None for any blanks."""
    lines = text_lines(path)
    start: list[Line] = []
    for line in lines:
        start.append(line)
        if line[1].strip(BLANKS) and not line[1].startswith(("#", DOCUMENT_START)):
            break
    rows = [text for _, text in start if text.strip(BLANKS) and not text.startswith(DOCUMENT_START)]
    first_content = rows[-1] if rows else ""
    is_conllu = bool(CONLLU_FIRST.match(first_content)) and first_content.count("\t") == CONLLU_COLUMNS - 1
    return chain(start, lines), is_conllu, "\t" if is_conllu or (rows and "\t" in rows[0]) else None


def _rows(path: Path, lines: Iterator[Line], separator: str | None, is_conllu: bool) -> Iterator[Row | None]:
    """The rows of a file, each with its line number, and None for each end of a sentence."""
    for line, text in lines:
        text = text.rstrip("\r\n")
        if "\r" in text:
            raise at_line(path, line, "a carriage return stands inside the line; lines end in \\n or \\r\\n")
        if not text.strip(BLANKS) or text.startswith(DOCUMENT_START):
            yield None
            continue
        if is_conllu and text.startswith("#"):
            continue
        fields = _fields(text, separator)
        if not is_conllu or CONLLU_WORD.fullmatch(fields[0]):
            yield line, fields


def _fields(text: str, separator: str | None) -> list[str]:
    # str.split() would divide at blanks of other scripts too, which may be tokens.
    if separator is None:
        return re.split("[ \t]+", text.strip(BLANKS))
    return [field.strip(BLANKS) for field in text.split(separator)]


def _column_indices(path: Path, first_row: Row, columns: list[int]) -> list[int]:
    """The columns as indices from 0."""
    line, fields = first_row
    count = len(fields)
    if count == 1:
        raise at_line(path, line, f"takes a token and its tag, got one column: {shown(fields[0])}")
    for column in columns:
        if not -count <= column < count:
            number = column + 1 if column >= 0 else column
            raise at_line(path, line, f"no column {number}; it has {count}, numbered from 1 (or from -1, the last)")
    indices = [column % count for column in columns]
    if len(set(indices)) < len(indices):
        raise at_line(path, line, f"column {indices[0] + 1} of {count} is both token and tag")
    return indices

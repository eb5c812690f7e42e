"""JSON lines to tokens and tags: one object a sentence, with a list of tokens and a list of their tags."""

from pathlib import Path

from keras_rnn.datasets.conll import BLANKS
from keras_rnn.datasets.readers import at_line, listed, read_rows, shown
from keras_rnn.errors import UsageError

# Column names that are found without options, in any case; the first one that the file has is taken.
TOKEN_NAMES = ("tokens", "words")
TAG_NAMES = ("tags", "labels", "ner_tags", "slots", "ner", "chunk_tags", "pos_tags", "upos")


def read_tagged_json(
    path: str | Path, *, token_column: str | None = None, tag_column: str | None = None
) -> tuple[list[list[str]], list[list[str]]]:
    """Reads a file of JSON lines (.jsonl), plain or gzipped.

    Parameters:
        path: the file.
        token_column: the key of the tokens; None to find it by `TOKEN_NAMES` in the first row.
        tag_column: the key of the tags; None to find it by `TAG_NAMES` in the first row.

    Returns:
        The tokens and the tags of each row. There is at least one row, and none is empty.

    Raises:
        UsageError: the file cannot be read, holds no row, or its columns cannot be told; or a row lacks one of them,
            has another number of tags than tokens or none at all, or holds something that is not a string or is empty.
    """
    path = Path(path)
    tokens: list[list[str]] = []
    tags: list[list[str]] = []
    for line, row in read_rows(path):
        if not tokens:
            token_column = _column(path, line, row, token_column, TOKEN_NAMES, "tokens", "--text-column")
            tag_column = _column(path, line, row, tag_column, TAG_NAMES, "tags", "--label-column")
            if token_column == tag_column:
                raise at_line(path, line, f"column {token_column!r} is both tokens and tags")
        row_tokens, row_tags = (_strings(path, line, row, column) for column in (token_column, tag_column))
        if len(row_tokens) != len(row_tags):
            raise at_line(path, line, f"takes one tag a token, got {len(row_tokens)} tokens and {len(row_tags)} tags")
        tokens.append(row_tokens)
        tags.append(row_tags)
    if not tokens:
        raise UsageError(f"{path}: holds no row; it takes an object with tokens and tags a line")
    return tokens, tags


def _column(
    path: Path, line: int, row: dict, column: str | None, names: tuple[str, ...], kind: str, option: str
) -> str:
    if column is not None:
        return column
    keys_by_name = {key.lower(): key for key in reversed(row)}
    name = next((keys_by_name[name] for name in names if name in keys_by_name), None)
    if name is None:
        raise at_line(
            path, line, f"cannot tell which column holds the {kind}: it has {listed(row)}; name it with {option}"
        )
    return name


def _strings(path: Path, line: int, row: dict, column: str) -> list[str]:
    if column not in row:
        raise at_line(path, line, f"no column {column!r}; it has {listed(row)}")
    values = row[column]
    if not isinstance(values, list) or not values:
        raise at_line(path, line, f"column {column!r} takes a list of strings, got {shown(values)}")
    for number, value in enumerate(values, 1):
        if not isinstance(value, str) or not value.strip(BLANKS):
            fault = f"takes strings that are not empty, got {shown(value)} as number {number}"
            raise at_line(path, line, f"column {column!r} {fault}")
        # JSON's escapes can spell what UTF-8 text cannot hold.
        if "\0" in value or any("\ud800" <= character <= "\udfff" for character in value):
            raise at_line(path, line, f"column {column!r} holds {shown(value)}, which is not text")
    return values

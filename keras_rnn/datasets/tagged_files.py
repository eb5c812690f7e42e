"""Local files and folders of tagged sentences to splits of tokens and tags.

A file is JSON lines where its name ends in .jsonl, and else CoNLL columns, whatever its ending; both also with .gz. A
folder holds a train file and, where there are, a validation (`valid`, `val`, `dev`, `testa`) and a test (`testb`)
file, by these names or with a prefix (`en_ewt-ud-train.conllu`, `eng.testa`); other files are left alone. A single
file is undivided: its split is called "all".

Span tags of all splits together are converted to IOB2 (see `span_tags.to_iob2`); other tags stay as they are.
"""

import re
from collections.abc import Sequence
from itertools import chain
from pathlib import Path

from keras_rnn.datasets.conll import read_conll
from keras_rnn.datasets.labelled import visible
from keras_rnn.datasets.local import SPLIT_WORDS
from keras_rnn.datasets.readers import listed
from keras_rnn.datasets.span_tags import are_span_tags, to_iob2
from keras_rnn.datasets.tagged_json import read_tagged_json
from keras_rnn.errors import UsageError

JSON_SUFFIX = ".jsonl"
UNREAD_SUFFIXES = (".csv", ".json", ".xml", ".parquet")
# The endings of split files in a folder; names such as `eng.train` have none.
SUFFIXES = (JSON_SUFFIX, ".conllu", ".conll", ".iob2", ".iob", ".bio", ".tsv", ".txt")
TAGGED_SPLIT_WORDS = SPLIT_WORDS | {
    "validation": f"{SPLIT_WORDS['validation']}|testa",
    "test": f"{SPLIT_WORDS['test']}|testb",
}

Columns = dict[str, list[list[str]]]


def load_tagged(
    path: str | Path, *, token_column: str | None = None, tag_column: str | None = None
) -> dict[str, Columns]:
    """Loads tagged sentences from a file or a folder, see the module.

    Parameters:
        path: the file or folder.
        token_column: the column of the tokens: a key of JSON lines, or the number of a CoNLL column, from 1, or from -1
            backwards. None to find it: see `read_tagged_json` and `read_conll`.
        tag_column: the column of the tags, likewise.

    Returns:
        The columns "tokens" and "tags" by split: "all" for a file; for a folder "train" and, where there are,
        "validation" and "test". Both columns hold one list of strings a sentence, of one length.

    Raises:
        UsageError: there is no such file, a folder holds no train file or two files for one split, or a file is
            malformed.
    """
    path = Path(path)
    if not path.exists():
        raise UsageError(f"{path}: no such file or folder")
    files = _split_files(path) if path.is_dir() else {"all": path}
    splits = {name: _read_file(file, token_column, tag_column) for name, file in files.items()}
    return spans_to_iob2(splits)


def spans_to_iob2(splits: dict[str, Columns]) -> dict[str, Columns]:
    """The same splits, their tags in IOB2 where the tags of all splits together are span tags."""
    sentences = chain.from_iterable(columns["tags"] for columns in splits.values())
    if not are_span_tags(chain.from_iterable(sentences)):
        return splits
    return {name: {**columns, "tags": to_iob2(columns["tags"])} for name, columns in splits.items()}


def _split_files(folder: Path) -> dict[str, Path]:
    files: dict[str, Path] = {}
    for name, words in TAGGED_SPLIT_WORDS.items():
        pattern = re.compile(rf"(.*[-_. ])?({words})", re.IGNORECASE)
        matches = [file for file in visible(folder) if file.is_file() and pattern.fullmatch(_base_name(file))]
        matches = _without_raw_texts(matches)
        if len(matches) > 1:
            raise UsageError(f"{folder}: takes one {name} file, got {listed(file.name for file in matches)}")
        if matches:
            files[name] = matches[0]
    if "train" not in files:
        names = listed(file.name for file in visible(folder)) or "nothing"
        raise UsageError(f"{folder}: takes a train file ({', '.join(SUFFIXES)}, each also with .gz), got {names}")
    return files


def _plain_name(file: Path) -> str:
    return file.name.lower().removesuffix(".gz")


def _base_name(file: Path) -> str:
    name = _plain_name(file)
    return next((name.removesuffix(suffix) for suffix in SUFFIXES if name.endswith(suffix)), name)


def _without_raw_texts(files: Sequence[Path]) -> list[Path]:
    """The files but .txt where there is a .conllu: Universal Dependencies' .txt holds the untagged text."""
    has_conllu = any(_plain_name(file).endswith(".conllu") for file in files)
    return [file for file in files if not (has_conllu and _plain_name(file).endswith(".txt"))]


def _read_file(file: Path, token_column: str | None, tag_column: str | None) -> Columns:
    name = _plain_name(file)
    if name.endswith(UNREAD_SUFFIXES):
        raise UsageError(f"{file}: tagged sentences come as CoNLL columns or as JSON lines ({JSON_SUFFIX})")
    if name.endswith(JSON_SUFFIX):
        tokens, tags = read_tagged_json(file, token_column=token_column, tag_column=tag_column)
    else:
        tokens, tags = read_conll(
            file,
            token_column=_index("--text-column", token_column),
            tag_column=_index("--label-column", tag_column),
        )
    return {"tokens": tokens, "tags": tags}


def _index(option: str, number: str | None) -> int | None:
    """The index of a column, from 0 or from -1 backwards, by its number, from 1 or from -1 backwards."""
    if number is None:
        return None
    if not re.fullmatch(r"-?[1-9][0-9]{0,8}", number.strip()):
        raise UsageError(f"{option} takes the number of a CoNLL column, from 1 (or from -1, the last), got {number!r}")
    value = int(number)
    return value - 1 if value > 0 else value

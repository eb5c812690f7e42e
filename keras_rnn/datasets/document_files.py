"""Local files and folders to documents.

A CSV, TSV or JSON lines file holds a document a row, every other file is one document; both also with .gz.

A folder holds `train` and, where there are, `validation` (`valid`, `val`, `dev`) and `test`, by these names or with a
prefix (`ptb.train.txt`, `wiki.train.tokens`): each is a file or a folder, and what stands beside them is left alone.
Any other folder holds a document a file, of itself and of the folders in it, in the order of names: its .txt, .text and
.md files or, where there is none of these, all that are no tables. Hidden files and folders are passed over.

What is undivided, a file or a folder of documents, is the split "all".
"""

import os
import re
from collections.abc import Iterator, Sequence
from pathlib import Path

from keras_rnn.datasets.document_tables import TextColumns, read_text_table
from keras_rnn.datasets.labelled import visible
from keras_rnn.datasets.local import SPLIT_WORDS
from keras_rnn.datasets.plain_text import Documents, is_blank, keep_documents, read_plain_text
from keras_rnn.datasets.readers import TAKES_FORMATS, data_name, listed
from keras_rnn.errors import UsageError

TEXT_SUFFIXES = (".txt", ".text", ".md")


def read_document_files(
    path: Path, *, text_columns: Sequence[str] = (), header: bool | None = None
) -> dict[str, Documents]:
    """The documents of a file or folder by split, see the module: "all", or "train" and those that are there.

    Parameters:
        path: the file or folder.
        text_columns: the columns of a table that make the text, joined by a space; empty to find them.
        header: whether CSV and TSV files start with a header; None to find out.

    Raises:
        UsageError: there is no such file, it is malformed, unclear or no text, a split holds no text, or a folder holds
            no train file beside its test file, or two files for one split.
    """
    if not path.exists():
        raise UsageError(f"{path}: no such file or folder")
    parts: dict[str, Documents] = {}
    columns: TextColumns | None = None
    for name, entry in (_split_entries(path) if path.is_dir() else {"all": path}).items():
        if not entry.is_dir() and is_table(entry):
            parts[name], columns = read_text_table(entry, text_columns, header, columns)
            continue
        if text_columns or header is not None:
            raise UsageError(
                f"{entry}: --text-column and --header are for tables ({TAKES_FORMATS}), this is plain text"
            )
        parts[name] = _read_folder(entry) if entry.is_dir() else _read_document(entry)
    return parts


def is_table(path: Path) -> bool:
    """Whether a file's name says that it holds rows."""
    return data_name(path)[1] is not None


def _read_document(file: Path) -> Documents:
    text = read_plain_text(file)
    if is_blank(text):
        raise UsageError(f"{file}: holds no text; the file is {'blank' if text else 'empty'}")
    return Documents([text])


def _read_folder(folder: Path) -> Documents:
    files = _files(folder)
    if any(_is_text_file(file) for file in _files(folder)):
        files = filter(_is_text_file, files)
    documents = keep_documents(read_plain_text(file) for file in files)
    if not len(documents.texts):
        fault = "its files are empty" if documents.empty else "it has no text file, and no train file"
        raise UsageError(f"{folder}: the folder holds no text: {fault}")
    return documents


def _files(folder: Path) -> Iterator[Path]:
    """The visible files of a folder and of those in it that are no tables; a folder's own stand before their files."""

    def refuse(error: OSError) -> None:
        raise UsageError(f"{error.filename}: cannot be read ({error.strerror or error})")

    for parent, folders, names in os.walk(folder, onerror=refuse):
        folders[:] = sorted(name for name in folders if not name.startswith("."))
        for name in sorted(names):  # whose paths would take much more memory
            file = Path(parent, name)
            if not name.startswith(".") and not is_table(file) and file.is_file():
                yield file


def _is_text_file(file: Path) -> bool:
    return _plain_name(file).suffix in TEXT_SUFFIXES


def _split_entries(folder: Path) -> dict[str, Path]:
    """The files or folders of the splits, training data first; the folder itself as "all" where it is undivided."""
    entries: dict[str, Path] = {}
    all_entries = visible(folder)
    for name, words in SPLIT_WORDS.items():
        found = [entry for entry in all_entries if _is_named(entry, words)]
        if len(found) > 1:  # a script beside the data, for example
            found = [entry for entry in found if entry.is_dir() or is_table(entry) or _is_text_file(entry)] or found
        if len(found) > 1:
            raise UsageError(f"{folder}: takes one {name} file, got {listed(entry.name for entry in found)}")
        if found:
            entries[name] = found[0]
    if entries and "train" not in entries:
        names = listed(entry.name for entry in entries.values())
        raise UsageError(f"{folder}: holds {names} and no train file; name one train.*, or give one file instead")
    if len(entries) == 1 and (others := _same_kind(entries["train"])):
        # One of many documents, called "when to train.md" for example, would be all that is trained on.
        fault = (
            f"{listed([entries['train'].name])} stands alone with {listed(others, 3)}, and no validation or test file"
        )
        raise UsageError(f"{folder}: {fault}; give it as the file to train on, or rename it to train on all")
    return entries or {"all": folder}


def _is_named(entry: Path, words: str) -> bool:
    name, pattern = _plain_name(entry), re.compile(rf"(.*[-_. ])?({words})", re.DOTALL)
    return bool(pattern.fullmatch(name.name) or (pattern.fullmatch(name.stem) and not entry.is_dir()))


def _same_kind(train: Path) -> list[str]:
    """The other plain text files beside one that have its suffix."""
    if train.is_dir() or is_table(train):
        return []
    others = (file for file in visible(train.parent) if file != train and file.is_file())
    return [file.name for file in others if _plain_name(file).suffix == _plain_name(train).suffix]


def _plain_name(entry: Path) -> Path:
    """The name in lower case, without .gz."""
    return Path(entry.name.lower().removesuffix(".gz"))

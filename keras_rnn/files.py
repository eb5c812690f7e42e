"""Files that are whole or not there: written beside, then renamed."""

import json
import os
import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from keras_rnn.errors import UsageError


@contextmanager
def replacing(path: str | Path) -> Iterator[Path]:
    """Yields a path beside `path`, with its suffix, to be written; on success it takes the place of `path`.

    On an error the file beside is removed and what was at `path` stays.
    """
    path = Path(path)
    beside = path.with_name(f".{path.stem}.{os.getpid()}.tmp{path.suffix}")
    try:
        yield beside
        with open(beside, "rb") as written:
            os.fsync(written.fileno())
        os.replace(beside, path)
    except OSError as error:
        raise OSError(error.errno, f"cannot write {path}: {error.strerror or error}") from error
    finally:
        beside.unlink(missing_ok=True)


def remove_debris(folder: Path) -> None:
    """Removes what a killed process had begun to write beside the files of `folder`."""
    for debris in [*folder.glob(".*.tmp*"), *folder.glob("*.tmp")]:
        shutil.rmtree(debris) if debris.is_dir() else debris.unlink()


def make_folder(path: Path, what: str) -> None:
    """Makes the folder `path`, and those above it, where it is not there; UsageError that calls it `what`."""
    try:
        path.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise UsageError(f"cannot make the {what} {path}: {error.strerror}") from error


def write_json(path: str | Path, value: Any) -> None:
    """Writes `value` as indented JSON, whole or not at all."""
    with replacing(path) as beside:
        beside.write_text(json.dumps(value, indent=2, ensure_ascii=False) + "\n", encoding="utf-8")

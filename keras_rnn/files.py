"""Files that are whole or not there: written to a temporary file, then renamed."""

import json
import os
import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from keras_rnn.errors import UsageError


@contextmanager
def atomic_write(path: str | Path) -> Iterator[Path]:
    """Yields a temporary path in the folder of `path`, with its suffix, to be written; it then replaces `path`.

    On an error the temporary file is removed, and the file at `path` stays.
    """
    path = Path(path)
    temp_path = path.with_name(f".{path.stem}.{os.getpid()}.tmp{path.suffix}")
    try:
        yield temp_path
        with open(temp_path, "rb") as temp_file:
            os.fsync(temp_file.fileno())
        os.replace(temp_path, path)
    except OSError as error:
        raise OSError(error.errno, f"cannot write {path}: {error.strerror or error}") from error
    finally:
        temp_path.unlink(missing_ok=True)


def remove_debris(folder: Path) -> None:
    """Removes the temporary files that a killed process left in `folder`."""
    for debris in [*folder.glob(".*.tmp*"), *folder.glob("*.tmp")]:
        shutil.rmtree(debris) if debris.is_dir() else debris.unlink()


def make_folder(path: Path, description: str) -> None:
    """Makes the folder `path` and its parents; a UsageError names it by its `description`."""
    try:
        path.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise UsageError(f"cannot make the {description} {path}: {error.strerror}") from error


def write_json(path: str | Path, value: Any) -> None:
    """Writes `value` as indented JSON, whole or not at all."""
    with atomic_write(path) as temp_path:
        temp_path.write_text(json.dumps(value, indent=2, ensure_ascii=False) + "\n", encoding="utf-8")

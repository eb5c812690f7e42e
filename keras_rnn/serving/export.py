"""A trained run written as a version of a model: beside the others, checked, then renamed to its number."""

import errno
import os
import re
import secrets
import shutil
import socket
import time
from pathlib import Path

from keras_rnn.checks import whole_number
from keras_rnn.errors import UsageError
from keras_rnn.files import make_folder
from keras_rnn.serving.exporters import get_exporter
from keras_rnn.serving.layout import MAX_VERSION, versions
from keras_rnn.training.run_directory import Run, open_run

DAY_SECONDS = 86_400
_under_way: set[str] = set()  # the hidden folders of this process' exports, by name


def export(run: Run | str | Path, to: str | Path, *, version: int | None = None, format: str = "saved_model") -> Path:
    """Writes a run's text model to `to/VERSION` in TensorFlow Serving's layout, checked before it appears there.

    Args:
        run: a complete run, or its directory.
        to: the model's folder, for example saved_models/NAME.
        version: a positive integer; by default the one after the highest there.
        format: a name of `list_exporters()`; `write_saved_model_version` tells what a "saved_model" holds.

    Returns:
        The folder of the new version.

    Raises:
        UsageError: no complete run, no such format, or the version is there already.
        ExportError: what was written does not do what the model does; nothing was published.
    """
    write = get_exporter(format)
    run = run if isinstance(run, Run) else open_run(run)
    to = Path(to)
    if to.is_file():
        raise UsageError(f"{to} takes a folder, but is a file")
    if any(character in str(to.resolve()) for character in "[]*?"):
        raise UsageError(f"{to}: TensorFlow saves to no path with any of [ ] * ? in it")
    if version is not None and whole_number("version", version) > MAX_VERSION:
        raise UsageError(f"version takes at most {MAX_VERSION}, got {version}")
    number = version or max(versions(to), default=0) + 1
    if (to / str(number)).exists():
        raise _taken(to / str(number))

    make_folder(to, "folder")
    _clear_debris(to)
    temp_folder = to / f".{number}.{socket.gethostname()}.{os.getpid()}.{secrets.token_hex(4)}.tmp"
    _under_way.add(temp_folder.name)
    try:
        write(run, temp_folder, to.resolve().name)
        return _publish(temp_folder, to, number, may_move=version is None)
    finally:
        shutil.rmtree(temp_folder, ignore_errors=True)
        _under_way.discard(temp_folder.name)


def _publish(temp_folder: Path, to: Path, number: int, may_move: bool) -> Path:
    """Renames `temp_folder` to the version `number`; where another export was first, to the next free one if it may."""
    for file in temp_folder.rglob("*"):
        if file.is_file():
            with open(file, "rb") as written:
                os.fsync(written.fileno())
    while True:
        published = to / str(number)
        try:
            temp_folder.rename(published)
        except OSError as error:  # so ends a rename to a folder that is not empty, or to a file
            if error.errno not in (errno.ENOTEMPTY, errno.EEXIST, errno.ENOTDIR):
                raise
            if not may_move:
                raise _taken(published) from None
            number += 1
        else:
            return published


def _taken(published: Path) -> UsageError:
    return UsageError(f"{published} exists already; give another version")


def _clear_debris(to: Path) -> None:
    """Removes what exports that were killed left in a model's folder; one that still goes on keeps its own.

    Whether a process of another host lives cannot be told, so what it left goes when it is a day old.
    """
    host = re.escape(socket.gethostname())
    for entry in to.glob(".*.tmp"):
        if entry.name in _under_way:
            continue
        ours = re.fullmatch(rf"\.\d+\.{host}\.(\d+)\.[0-9a-f]+\.tmp", entry.name)
        if (ours and not _another_process(int(ours[1]))) or time.time() - entry.stat().st_mtime > DAY_SECONDS:
            shutil.rmtree(entry)


def _another_process(pid: int) -> bool:
    """Whether a process of that id lives, this one aside."""
    try:
        os.kill(pid, 0)
    except (ProcessLookupError, OverflowError):
        return False
    except PermissionError:  # somebody else's
        return True
    return pid != os.getpid()

"""Exports a trained run: a version is written to a hidden folder, checked, and renamed to its number."""

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
_active_folders: set[str] = set()  # names of the hidden folders that this process writes now


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
        raise _version_exists(to / str(number))

    make_folder(to, "folder")
    _clear_debris(to)
    temp_folder = to / f".{number}.{socket.gethostname()}.{os.getpid()}.{secrets.token_hex(4)}.tmp"
    _active_folders.add(temp_folder.name)
    try:
        write(run, temp_folder, to.resolve().name)
        return _publish(temp_folder, to, number, may_move=version is None)
    finally:
        shutil.rmtree(temp_folder, ignore_errors=True)
        _active_folders.discard(temp_folder.name)


def _publish(temp_folder: Path, to: Path, number: int, may_move: bool) -> Path:
    """Renames `temp_folder` to version `number`, or with `may_move` to the next free one if that version exists."""
    for file in temp_folder.rglob("*"):
        if file.is_file():
            with open(file, "rb") as temp_file:
                os.fsync(temp_file.fileno())
    while True:
        version_folder = to / str(number)
        try:
            temp_folder.rename(version_folder)
        except OSError as error:  # the target is a folder that is not empty, or a file
            if error.errno not in (errno.ENOTEMPTY, errno.EEXIST, errno.ENOTDIR):
                raise
            if not may_move:
                raise _version_exists(version_folder) from None
            number += 1
        else:
            return version_folder


def _version_exists(version_folder: Path) -> UsageError:
    return UsageError(f"{version_folder} exists already; give another version")


def _clear_debris(to: Path) -> None:
    """Removes the hidden folders of killed exports from a model's folder. Those of live exports stay.

    It is not known whether a process of another host lives, so its folder is removed when it is a day old.
    """
    host = re.escape(socket.gethostname())
    for entry in to.glob(".*.tmp"):
        if entry.name in _active_folders:
            continue
        local_name = re.fullmatch(rf"\.\d+\.{host}\.(\d+)\.[0-9a-f]+\.tmp", entry.name)
        is_dead = local_name is not None and not _is_other_live_process(int(local_name[1]))
        if is_dead or time.time() - entry.stat().st_mtime > DAY_SECONDS:
            shutil.rmtree(entry)


def _is_other_live_process(pid: int) -> bool:
    """Whether a process of this id lives that is not this process."""
    try:
        os.kill(pid, 0)
    except (ProcessLookupError, OverflowError):
        return False
    except PermissionError:  # the process is of another user
        return True
    return pid != os.getpid()

"""The journal of a sweep: one JSON line for each event. It survives the death of its writer.

    {"event": "created", "trial": "0003", "values": {...}}   the oracle made a trial; `values` include keras-tuner's own
    {"event": "retried", "trial": "0003", "failure": "died", "error": "..."}   an attempt failed; another one follows
    {"event": "ended", "trial": "0003", "status": "completed", "result": {...}}   a `Result` as a dict

A trial that was created and has not ended was running. There is one writer, which holds the sweep's lock.
"""

import json
import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from keras_rnn.errors import UsageError

Event = dict[str, Any]


def read_journal(path: Path) -> list[Event]:
    """The events so far. An incomplete last line is no event.

    Raises:
        UsageError: an earlier line is damaged.
    """
    if not path.is_file():
        return []
    lines = path.read_bytes().split(b"\n")[:-1]  # what follows the last newline is incomplete
    events = []
    for number, line in enumerate(lines, 1):
        try:
            events.append(json.loads(line))
        except ValueError:
            raise UsageError(f"line {number} of {path} is damaged: {line[:60]!r}") from None
    return events


class Journal:
    """The writer; an event is on the disk when `write` returns."""

    def __init__(self, path: Path):
        # A killed writer leaves an incomplete line, which would damage the next one.
        complete_bytes = path.read_bytes().rfind(b"\n") + 1 if path.is_file() else 0
        self.file = open(path, "ab")  # noqa: SIM115  closed by `close`
        self.file.truncate(complete_bytes)

    def write(self, event: str, trial: str, **fields: Any) -> None:
        line = json.dumps({"event": event, "trial": trial, **fields}, ensure_ascii=False)
        self.file.write(line.encode() + b"\n")
        self.file.flush()
        os.fsync(self.file.fileno())

    def close(self) -> None:
        self.file.close()


@contextmanager
def locked(path: Path) -> Iterator[None]:
    """Holds the lock file `path`. The system releases it when the process ends, in whatever way.

    Raises:
        UsageError: another process holds it.
    """
    import fcntl

    with open(path, "w") as file:
        try:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            raise UsageError(f"another process runs the sweep in {path.parent}") from None
        yield

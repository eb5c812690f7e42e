"""The server's log: one JSON object a line on standard error, written by a separate thread.

If nobody reads standard error, that thread waits. Requests and the end of the process do not wait. More than a thousand
waiting lines are dropped.
"""

import json
import logging
import logging.handlers
import os
import queue
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress

MAX_LINES = 1000
FLUSH_SECONDS = 1.0  # at most, to write the waiting lines at the end


class _JsonLines(logging.Formatter):
    def format(self, record: logging.LogRecord) -> str:
        line = {
            "time": time.strftime("%Y-%m-%dT%H:%M:%S", time.gmtime(record.created)) + f".{int(record.msecs):03}Z",
            "level": record.levelname,
            "message": record.getMessage(),
            **getattr(record, "fields", {}),
        }
        if record.exc_info:
            line["traceback"] = self.formatException(record.exc_info)
        return json.dumps(line, ensure_ascii=False)


class _DropWhenFull(logging.handlers.QueueHandler):
    def prepare(self, record: logging.LogRecord) -> logging.LogRecord:
        return record  # the writer is a thread of this process, so nothing is pickled

    def enqueue(self, record: logging.LogRecord) -> None:
        with suppress(queue.Full):
            self.queue.put_nowait(record)


@contextmanager
def logging_json() -> Iterator[None]:
    """Writes logs and warnings of the server and its libraries to standard error as JSON lines, within the context."""
    lines: queue.Queue[logging.LogRecord | None] = queue.Queue(MAX_LINES)
    writer = threading.Thread(target=_write, args=[lines], name="log", daemon=True)
    handler = _DropWhenFull(lines)
    levels = {
        "keras_rnn.serve": logging.INFO,
        "uvicorn": logging.ERROR,
        "grpc": logging.ERROR,
        "tensorflow": logging.ERROR,
        "asyncio": logging.ERROR,
        "py.warnings": logging.WARNING,
    }
    logging.captureWarnings(True)
    previous = {}
    for name, level in levels.items():
        logger = logging.getLogger(name)
        previous[logger] = (logger.level, logger.propagate)
        logger.addHandler(handler)
        logger.setLevel(level)
        logger.propagate = False
    writer.start()
    try:
        yield
    finally:
        logging.captureWarnings(False)
        for logger, (level, propagate) in previous.items():
            logger.removeHandler(handler)
            logger.setLevel(level)
            logger.propagate = propagate
        with suppress(queue.Full):
            lines.put(None, timeout=FLUSH_SECONDS)
        writer.join(FLUSH_SECONDS)


def _write(lines: queue.Queue) -> None:
    formatter = _JsonLines()
    for record in iter(lines.get, None):
        unwritten = (formatter.format(record) + "\n").encode(errors="backslashreplace")
        with suppress(OSError):  # standard error is closed
            while unwritten:  # not sys.stderr: the end of the process waits for its buffer
                unwritten = unwritten[os.write(2, unwritten) :]

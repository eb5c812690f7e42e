"""The server's log: one JSON object a line on standard error, written by a thread of its own.

A reader of standard error that stops reading stops that thread, but no request and not the end of the process: beyond
a thousand lines are dropped.
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

LINES = 1000
LAST_SECONDS = 1.0  # for what is still to be written at the end


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
        return record  # it goes to a thread of this process

    def enqueue(self, record: logging.LogRecord) -> None:
        with suppress(queue.Full):
            self.queue.put_nowait(record)


@contextmanager
def logging_json() -> Iterator[None]:
    """While it lasts, what the server and its libraries log goes to standard error as JSON lines, warnings included."""
    lines: queue.Queue[logging.LogRecord | None] = queue.Queue(LINES)
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
    before = {}
    for name, level in levels.items():
        logger = logging.getLogger(name)
        before[logger] = (logger.level, logger.propagate)
        logger.addHandler(handler)
        logger.setLevel(level)
        logger.propagate = False
    writer.start()
    try:
        yield
    finally:
        logging.captureWarnings(False)
        for logger, (level, propagate) in before.items():
            logger.removeHandler(handler)
            logger.setLevel(level)
            logger.propagate = propagate
        with suppress(queue.Full):
            lines.put(None, timeout=LAST_SECONDS)
        writer.join(LAST_SECONDS)


def _write(lines: queue.Queue) -> None:
    formatter = _JsonLines()
    for record in iter(lines.get, None):
        rest = (formatter.format(record) + "\n").encode(errors="backslashreplace")
        with suppress(OSError):  # nobody reads it any more
            while rest:  # not by sys.stderr, for which the end of the process would wait
                rest = rest[os.write(2, rest) :]

"""Each request leaves a line in the access log and counts in the metrics, also if it fails."""

import logging
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from time import perf_counter

from keras_rnn.serving.server.errors import ServingError
from keras_rnn.serving.server.metrics import Metrics

log = logging.getLogger("keras_rnn.serve")


@dataclass
class Record:
    """The facts that a handler learns about its request. `method` and `model` are names that exist."""

    method: str = ""
    model: str = ""
    version: int | None = None
    rows: int | None = None
    error: ServingError | None = None


@contextmanager
def observed(metrics: Metrics, access_log: bool, protocol: str, client: str) -> Iterator[Record]:
    began = perf_counter()
    record = Record()
    code = "CANCELLED"  # unless the handler ends
    try:
        yield record
        code = record.error.code.name if record.error else "OK"
    finally:
        seconds = perf_counter() - began
        metrics.observe_request(protocol, record.method, record.model, code, seconds)
        if access_log:
            fields = {
                "protocol": protocol,
                "client": client,
                "method": record.method,
                "model": record.model,
                "version": record.version,
                "rows": record.rows,
                "code": code,
                "milliseconds": round(seconds * 1e3, 3),
            }
            if record.error:
                fields["error"] = record.error.message
            log.info("request", extra={"fields": fields})

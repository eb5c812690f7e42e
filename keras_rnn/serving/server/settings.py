"""The settings of a server, checked before it starts."""

import ipaddress
import os
import re
from dataclasses import dataclass
from pathlib import Path

from keras_rnn import checks
from keras_rnn.errors import UsageError
from keras_rnn.serving.layout import MAX_VERSION
from keras_rnn.serving.server.buffered import SHARE

HEADER_BYTES = 65_536  # of a REST request's head


@dataclass(frozen=True)
class ServerSettings:
    """The settings of one server. Every limit is for the whole process.

    models: a folder of models `NAME/VERSION/`, or one model's folder `VERSION/`.
    rest_port, grpc_port: 0 takes a free port.
    host: the address both listen on; the default is reached from this machine only.
    batching: texts of several requests share a call of the model; at most `max_batch_size` texts a call. A text
        waits for others while the model is busy, and up to `max_delay_ms` milliseconds where the last call had more.
    model_threads: calls of models that run at the same time; as many steps of models that write texts run beside them.
    max_queue: texts that may wait; beyond them requests are refused (503, UNAVAILABLE).
    max_in_flight: requests at a time, of REST and of gRPC each (503, RESOURCE_EXHAUSTED); REST connections may be
        twice as many.
    max_body_bytes, max_texts, max_text_bytes: of a request (413; INVALID_ARGUMENT, RESOURCE_EXHAUSTED for the bytes).
    max_tokens: numbers in a request that takes no text, such as token ids (413, INVALID_ARGUMENT).
    max_streams: texts that are being written at a time (503).
    max_new_tokens: of each text that is written (400).
    max_buffered_bytes: of all REST requests that are not answered yet; at most half of it of one client (503).
    timeout_seconds: for a request from its first byte to its answer (504, DEADLINE_EXCEEDED).
    grace_seconds: for requests in flight when the server stops.
    poll_seconds: between looks for new versions.
    labels: `MODEL:LABEL=VERSION`, each keeps that version loaded beside the latest.
    token_file: one bearer token a line; without it no token is asked for.
    tls_certificate, tls_key: PEM files, both or neither.

    Raises:
        UsageError: a value that it does not take, or a file that is not there.
    """

    models: str | Path
    host: str = "127.0.0.1"
    rest_port: int = 8501
    grpc_port: int = 8500
    batching: bool = True
    max_batch_size: int = 64
    max_delay_ms: float = 5.0
    model_threads: int = 1
    max_queue: int = 1024
    max_in_flight: int = 1024
    max_body_bytes: int = 1_000_000
    max_texts: int = 256
    max_text_bytes: int = 50_000
    max_tokens: int = 16_384
    max_streams: int = 64
    max_new_tokens: int = 4096
    max_buffered_bytes: int = 32_000_000
    timeout_seconds: float = 30.0
    grace_seconds: float = 10.0
    poll_seconds: float = 1.0
    labels: tuple[str, ...] = ()
    token_file: str | Path | None = None
    tls_certificate: str | Path | None = None
    tls_key: str | Path | None = None
    access_log: bool = True

    def __post_init__(self):
        if not Path(self.models).is_dir():
            raise UsageError(f"no folder of models {self.models}")
        for port in ("rest_port", "grpc_port"):
            if checks.whole_number(port, getattr(self, port), minimum=0) > 65535:
                raise UsageError(f"{port} takes a port from 0 to 65535, got {getattr(self, port)}")
        if self.rest_port == self.grpc_port != 0:
            raise UsageError(f"rest_port and grpc_port take two ports, got {self.rest_port} for both")
        _check_host(self.host)
        for number in ("max_batch_size", "model_threads", "max_queue", "max_in_flight"):
            checks.whole_number(number, getattr(self, number))
        for number in ("max_body_bytes", "max_texts", "max_text_bytes", "max_tokens", "max_buffered_bytes"):
            checks.whole_number(number, getattr(self, number))
        for number in ("max_streams", "max_new_tokens"):
            checks.whole_number(number, getattr(self, number))
        for seconds in ("timeout_seconds", "grace_seconds", "poll_seconds"):
            checks.positive_number(seconds, getattr(self, seconds))
        if self.max_delay_ms != 0:
            checks.positive_number("max_delay_ms", self.max_delay_ms)
        if self.max_texts > self.max_queue:
            raise UsageError(
                f"max_queue takes at least max_texts, so that a request fits; got {self.max_queue} < {self.max_texts}"
            )
        largest = SHARE * (HEADER_BYTES + self.max_body_bytes)
        if self.max_buffered_bytes < largest:
            raise UsageError(
                f"max_buffered_bytes takes at least {SHARE} * ({HEADER_BYTES} + max_body_bytes), so that a request "
                f"fits; got {self.max_buffered_bytes} < {largest}"
            )
        label_versions(self.labels)
        if (self.tls_certificate is None) != (self.tls_key is None):
            raise UsageError("tls_certificate and tls_key are given together or not at all")
        for name in ("token_file", "tls_certificate", "tls_key"):
            file = getattr(self, name)
            if file is not None and (Path(file).is_dir() or not os.access(file, os.R_OK)):
                raise UsageError(f"{name}: no readable file {file}")


def label_versions(labels: tuple[str, ...]) -> dict[tuple[str, str], int]:
    """`MODEL:LABEL=VERSION` texts as {(model, label): version}; UsageError for another form or a label twice."""
    versions = {}
    for text in labels:
        match = re.fullmatch(r"([^/:=]+):([^/:=]+)=(\d+)", text)
        if not match:
            raise UsageError(f"label takes MODEL:LABEL=VERSION, got {text!r}")
        key = (match[1], match[2])
        if key in versions:
            raise UsageError(f"label {match[2]!r} of model {match[1]!r} is given twice")
        if len(match[3]) > 19 or int(match[3]) > MAX_VERSION:
            raise UsageError(f"label {match[2]!r} takes a version of at most {MAX_VERSION}, got {match[3][:40]}")
        versions[key] = int(match[3])
    return versions


def _check_host(host: str) -> None:
    if host == "localhost":
        return
    try:
        ipaddress.ip_address(host)
    except ValueError:
        raise UsageError(f"host takes an IP address or localhost, got {host!r}") from None

"""Measures latencies and throughput of a server with TensorFlow Serving's API, over REST or gRPC."""

import asyncio
import itertools
import time
from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np

from keras_rnn.checks import positive_number, whole_number
from keras_rnn.errors import UsageError
from keras_rnn.serving.bench_clients import (
    CONNECTION_ERROR,
    SUCCESS,
    TIMEOUT,
    GrpcClient,
    HttpClient,
    clients,
    parse_target,
)
from keras_rnn.serving.server.tokens import read_tokens

WARM_UP_SECONDS = 1.0  # at most, and at most a fifth of the measurement
PROBE_SECONDS = 10.0
TIMEOUT_SECONDS = 60.0
PAUSE_SECONDS = 0.05  # after a failed connection: a server that is gone must not be asked in a busy loop

Clients = list[HttpClient | GrpcClient]


def bench_serve(
    url: str,
    *,
    concurrency: int,
    seconds: float,
    texts: Sequence[str],
    model: str | None = None,
    texts_per_request: int = 1,
    token: str | None = None,
) -> "BenchResult":
    """Sends predict requests for `seconds` from `concurrency` clients, each of which waits for its answer.

    The model takes strings as its only input, named `text` over gRPC. A first request tells whether the server is there
    and knows the model. A warm-up of at most a second is not counted.

    Args:
        url: `http(s)://HOST:PORT` for REST, `grpc://HOST:PORT` for gRPC, with or without `/v1/models/NAME`.
        texts: sent in turn, from the start again after the last.
        model: its name, if the URL does not tell it.
        token: sent as a bearer token.

    Raises:
        UsageError: a bad argument, no server at `url`, a model that it does not know, or a package is missing.
    """
    whole_number("concurrency", concurrency)
    positive_number("seconds", seconds)
    whole_number("texts_per_request", texts_per_request)
    if isinstance(texts, str) or not texts:
        raise UsageError(f"texts takes at least one text, got {texts!r}")
    target = parse_target(url, model)
    pool = clients(target, concurrency, token=token, timeout=TIMEOUT_SECONDS)
    cycled = itertools.cycle(texts)
    bodies = [list(itertools.islice(cycled, texts_per_request)) for _ in range(-(-len(texts) // texts_per_request))]
    requests = itertools.cycle([pool[0].request(body) for body in bodies])
    return _result(asyncio.run(_measure(pool, requests, seconds)), texts_per_request)


def read_texts(path: str | Path) -> list[str]:
    """Returns the lines of a UTF-8 file that are not blank.

    Raises:
        UsageError: no such file, not UTF-8, or no such line.
    """
    try:
        lines = Path(path).read_text(encoding="utf-8").splitlines()
    except OSError as error:
        raise UsageError(f"cannot read the texts of {path}: {error.strerror}") from error
    except UnicodeDecodeError as error:
        raise UsageError(f"{path} is not UTF-8 text: {error.reason}") from error
    texts = [line for line in lines if line.strip()]
    if not texts:
        raise UsageError(f"{path} takes one text a line, but has no text")
    return texts


def read_token(path: str | Path) -> str:
    """Returns the first token of a server's token file; raises UsageError if there is none."""
    try:
        return read_tokens(path)[0].decode("ascii")
    except (OSError, UnicodeDecodeError) as error:
        raise UsageError(f"cannot read a token from {path}: {error}") from error


async def _measure(pool: Clients, requests: Iterator[bytes], seconds: float) -> "_Tally":
    try:
        await _probe(pool[0], next(requests))
        await _closed_loop(pool, requests, min(WARM_UP_SECONDS, seconds / 5))
        return await _closed_loop(pool, requests, seconds)
    finally:
        await asyncio.gather(*(client.close() for client in pool))


async def _probe(client: HttpClient | GrpcClient, request: bytes) -> None:
    target, timeout = client.target, client.timeout
    client.timeout = PROBE_SECONDS
    status, answer = await client.send(request)
    client.timeout = timeout
    message = answer.decode(errors="replace")
    if status in (CONNECTION_ERROR, TIMEOUT, "UNAVAILABLE", "DEADLINE_EXCEEDED"):
        raise UsageError(f"no server answers at {target.scheme}://{target.address}: {message}")
    if status in ("404", "NOT_FOUND"):
        raise UsageError(f"{target.scheme}://{target.address} serves no model {target.model!r}: {message}")


async def _closed_loop(pool: Clients, requests: Iterator[bytes], seconds: float) -> "_Tally":
    tally = _Tally()
    start_time = time.perf_counter()
    end = start_time + seconds

    async def run(client):
        while (start := time.perf_counter()) < end:
            status, answer = await client.send(next(requests))
            tally.statuses[status] += 1
            if status in SUCCESS:
                tally.latencies.append(time.perf_counter() - start)
                continue
            tally.messages.setdefault(status, answer.decode(errors="replace"))
            if status == CONNECTION_ERROR:
                await asyncio.sleep(PAUSE_SECONDS)

    await asyncio.gather(*map(run, pool))
    tally.seconds = time.perf_counter() - start_time
    return tally


def _result(tally: "_Tally", texts_per_request: int) -> "BenchResult":
    milliseconds = 1e3 * np.array(tally.latencies or [np.nan])
    p50, p90, p99 = map(float, np.percentile(milliseconds, [50, 90, 99]))
    rate = len(tally.latencies) / tally.seconds
    return BenchResult(
        seconds=tally.seconds,
        statuses=dict(tally.statuses.most_common()),
        messages=tally.messages,
        requests_per_second=rate,
        texts_per_second=rate * texts_per_request,
        mean_ms=float(milliseconds.mean()),
        p50_ms=p50,
        p90_ms=p90,
        p99_ms=p99,
        max_ms=float(milliseconds.max()),
    )


@dataclass
class _Tally:
    """The sums of all clients. `latencies` are those of successful requests, in seconds."""

    latencies: list[float] = field(default_factory=list)
    statuses: Counter = field(default_factory=Counter)
    messages: dict[str, str] = field(default_factory=dict)
    seconds: float = 0.0


@dataclass(frozen=True)
class BenchResult:
    """The figures of a measurement. Rates and latencies count successful requests; latencies are NaN if there is none.

    `statuses` counts all requests by HTTP or gRPC status, "timeout" or "connection error". `messages` holds the first
    answer of each kind of failure. `seconds` ends with the last answer.
    """

    seconds: float
    statuses: dict[str, int]
    messages: dict[str, str]
    requests_per_second: float
    texts_per_second: float
    mean_ms: float
    p50_ms: float
    p90_ms: float
    p99_ms: float
    max_ms: float

    @property
    def failed(self) -> int:
        """The number of requests that did not succeed."""
        return sum(self.statuses[status] for status in self.messages)

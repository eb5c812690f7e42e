"""Load: 64 clients for a minute. Every request is answered, and memory does not grow."""

from collections.abc import Iterator

from inputs import MODEL, MODELS, long_texts, short_texts
from memory import sampled
from server import serving

from keras_rnn.serving.bench import bench_serve

CLIENTS = 64
FLAT_MIB = 32  # largest growth that counts as none


def measure(quick: bool, seed: int) -> Iterator[dict]:
    seconds, shorter = (3, 2) if quick else (60, 20)
    yield one("REST", "short", short_texts(), seconds)
    yield one("REST", "long", long_texts(), shorter)
    yield one("gRPC", "short", short_texts(), shorter)


def one(api: str, length: str, texts: list[str], seconds: float) -> dict:
    """Returns a row. Memory is read after a first load of a fifth of the time, and again at the end."""
    with serving(MODELS) as server:
        url = server.grpc if api == "gRPC" else server.rest
        bench_serve(url, concurrency=CLIENTS, seconds=seconds / 5, texts=texts, model=MODEL)
        with sampled(server.resident_mib) as memory:
            result = bench_serve(url, concurrency=CLIENTS, seconds=seconds, texts=texts, model=MODEL)
    return {
        "api": api,
        "texts": length,
        "seconds": seconds,
        "requests": sum(result.statuses.values()),
        "failed": result.failed,
        "requests_per_second": round(result.requests_per_second),
        "p50_ms": round(result.p50_ms, 2),
        "p99_ms": round(result.p99_ms, 2),
        "max_ms": round(result.max_ms, 2),
        "start_mib": round(memory[0]),
        "end_mib": round(memory[-1]),
        "peak_mib": round(max(memory)),
    }


def verdicts(rows: list[dict]) -> dict[str, bool]:
    return {
        "no failed request": all(row["failed"] == 0 for row in rows),
        f"memory grows by at most {FLAT_MIB} MiB": all(row["end_mib"] - row["start_mib"] <= FLAT_MIB for row in rows),
    }

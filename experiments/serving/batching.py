"""Batching: requests a second of 64 clients with and without it, on two servers in turn."""

import statistics
from collections.abc import Iterator

from inputs import MODEL, MODELS, long_texts, short_texts
from server import serving

from keras_rnn.serving.bench import bench_serve

CLIENTS = 64
BAR = 3.0


def measure(quick: bool, seed: int) -> Iterator[dict]:
    rounds, seconds = (2, 1) if quick else (5, 6)
    with serving(MODELS, "--batching") as batching, serving(MODELS, "--no-batching") as single:
        for length, texts in (("short", short_texts()), ("long", long_texts())):
            for number in range(1, rounds + 1):
                row = {"texts": length, "round": number}
                for mode, server in (("batching", batching), ("no_batching", single)):
                    result = bench_serve(server.rest, concurrency=CLIENTS, seconds=seconds, texts=texts, model=MODEL)
                    row[f"{mode}_requests_per_second"] = round(result.requests_per_second)
                    row[f"{mode}_p50_ms"] = round(result.p50_ms, 2)
                    row[f"{mode}_failed"] = result.failed
                yield row


def verdicts(rows: list[dict]) -> dict[str, bool]:
    answers = {}
    for length in dict.fromkeys(row["texts"] for row in rows):
        medians = [
            statistics.median(row[f"{mode}_requests_per_second"] for row in rows if row["texts"] == length)
            for mode in ("batching", "no_batching")
        ]
        ratio = medians[0] / medians[1]
        answers[f"{length} texts: {ratio:.2f} x the requests a second by medians, bar {BAR:g}"] = ratio >= BAR
    return answers

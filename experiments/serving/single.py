"""One client: the median latency over REST, against a direct call of the same signature on the same texts.

direct.py makes direct calls in two ways. The bar applies to the function that `tf.saved_model.load` returns. A session,
which the server uses, is quicker; the row has its figures, too.
"""

import json
import statistics
import subprocess
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

from inputs import MODEL, MODELS, long_texts, short_texts
from server import serving

from keras_rnn.serving.bench import bench_serve
from keras_rnn.serving.layout import latest_version

BAR_MS = 2.0


def measure(quick: bool, seed: int) -> Iterator[dict]:
    rounds, seconds = (2, 1) if quick else (5, 5)
    with serving(MODELS) as server, direct_calls() as direct_p50_ms:
        for length, texts in (("short", short_texts()), ("long", long_texts())):
            for number in range(1, rounds + 1):
                rest, grpc = (
                    bench_serve(url, concurrency=1, seconds=seconds, texts=texts, model=MODEL)
                    for url in (server.rest, server.grpc)
                )
                row = {
                    "texts": length,
                    "round": number,
                    "function_p50_ms": round(direct_p50_ms("function", texts, seconds), 3),
                    "session_p50_ms": round(direct_p50_ms("session", texts, seconds), 3),
                    "rest_p50_ms": round(rest.p50_ms, 3),
                    "grpc_p50_ms": round(grpc.p50_ms, 3),
                    "failed": rest.failed + grpc.failed,
                }
                yield row


@contextmanager
def direct_calls() -> Iterator[Callable[[str, list[str], float], float]]:
    """Yields a function that has a direct.py process call texts for some seconds and returns the p50 in ms."""
    command = [sys.executable, Path(__file__).with_name("direct.py"), latest_version(MODELS / MODEL)]
    pipe = subprocess.PIPE
    with subprocess.Popen(command, stdin=pipe, stdout=pipe, stderr=subprocess.DEVNULL, text=True) as process:
        try:
            if process.stdout.readline() != "ready\n":
                raise RuntimeError("direct.py did not start")

            def p50_ms(kind, texts, seconds):
                print(json.dumps({"kind": kind, "texts": texts, "seconds": seconds}), file=process.stdin, flush=True)
                return float(process.stdout.readline())

            yield p50_ms
        finally:
            process.kill()


def verdicts(rows: list[dict]) -> dict[str, bool]:
    answers = {"no failed request": all(row["failed"] == 0 for row in rows)}
    for length in dict.fromkeys(row["texts"] for row in rows):
        of_length = [row for row in rows if row["texts"] == length]
        more, more_than_session = (
            statistics.median(row["rest_p50_ms"] - row[direct] for row in of_length)
            for direct in ("function_p50_ms", "session_p50_ms")
        )
        answers[
            f"{length} texts: REST takes {more:.2f} ms more by medians, bar {BAR_MS:g} "
            f"(more than a session: {more_than_session:.2f} ms)"
        ] = more <= BAR_MS
    return answers

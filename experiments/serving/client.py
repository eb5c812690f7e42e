"""Client: the CPU time of a request in the client that the other parts use, with a server that does nothing."""

import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

from inputs import short_texts

from keras_rnn.serving.bench import WARM_UP_SECONDS, bench_serve

CLIENTS = 64


def measure(quick: bool, seed: int) -> Iterator[dict]:
    seconds = 5 if quick else 20
    command = [sys.executable, Path(__file__).with_name("trivial.py")]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as process:
        try:
            for api, url in zip(("REST", "gRPC"), process.stdout.readline().split(), strict=True):
                start_time = time.process_time()
                result = bench_serve(url, concurrency=CLIENTS, seconds=seconds, texts=short_texts(), model="any")
                spent = time.process_time() - start_time
                # The warm-up's requests take CPU time, too.
                request_count = result.requests_per_second * (result.seconds + WARM_UP_SECONDS)
                yield {
                    "api": api,
                    "requests_per_second": round(result.requests_per_second),
                    "client_cpu_microseconds": round(1e6 * spent / request_count, 1),
                    "failed": result.failed,
                }
        finally:
            process.kill()


def verdicts(rows: list[dict]) -> dict[str, bool]:
    return {"no failed request": all(row["failed"] == 0 for row in rows)}

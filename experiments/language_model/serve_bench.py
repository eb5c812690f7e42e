"""Tokens a second of `keras-rnn serve` over HTTP: one streamed text, and many together.

    python experiments/language_model/serve_bench.py runs/topics/saved_model

The server is a process of its own on this machine, and so is this one, which reads all streams. Rounds of one stream
and of many take turns. What bounds the rate: "step alone" is the model's step in this process, for as many rows; "CPU"
is the time of the server's two threads and of this process for a token.
"""

import argparse
import asyncio
import json
import os
import re
import statistics
import subprocess
import sys
import tempfile
import time
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import psutil

BAR = 8.0  # times the tokens a second of one stream
STEPS = 50
READY = re.compile(r"serving REST on http://127\.0\.0\.1:(\d+),")
USAGE = re.compile(rb'"completion_tokens": (\d+)')


@dataclass
class Round:
    """Tokens a second, and microseconds of CPU time for a token: of the steps, of the rest of the server, and here."""

    rate: float
    step_cpu: float
    server_cpu: float
    client_cpu: float


async def stream(port: int, body: dict) -> int:
    """Reads one streamed text to its end. Returns the number of its tokens."""
    reader, writer = await asyncio.open_connection("127.0.0.1", port)
    data = json.dumps({**body, "stream": True, "stream_options": {"include_usage": True}}).encode()
    writer.write(b"POST /v1/completions HTTP/1.1\r\nHost: localhost\r\nContent-Length: %d\r\n\r\n" % len(data) + data)
    end = b""
    while b"data: [DONE]" not in end:
        part = await reader.read(65_536)
        if not part:
            raise SystemExit(f"the server ended a stream: {end.decode(errors='replace')}")
        end = (end + part)[-2000:]
    writer.close()
    return int(USAGE.findall(end)[-1])


async def streams(port: int, model: str, count: int, options: argparse.Namespace) -> int:
    body = {"model": model, "prompt": options.prompt, "max_tokens": options.tokens, "top_p": options.top_p}
    return sum(await asyncio.gather(*(stream(port, {**body, "seed": seed}) for seed in range(count))))


def thread_seconds(process: psutil.Process) -> dict[int, float]:
    return {thread.id: thread.user_time + thread.system_time for thread in process.threads()}


def measure(server: psutil.Process, port: int, model: str, count: int, options: argparse.Namespace) -> Round:
    before, here, began = thread_seconds(server), time.process_time(), time.perf_counter()
    tokens = asyncio.run(streams(port, model, count, options))
    seconds, here = time.perf_counter() - began, time.process_time() - here
    used = {thread: end - before.get(thread, 0.0) for thread, end in thread_seconds(server).items()}
    event_loop = used.pop(server.pid)
    step = max(used.values())  # the thread that calls the model
    scale = 1e6 / tokens
    return Round(tokens / seconds, step * scale, (event_loop + sum(used.values()) - step) * scale, here * scale)


def step_rate(export: Path, rows: int, options: argparse.Namespace) -> float:
    """Tokens a second of the step alone, in this process."""
    from keras_rnn.serving.layout import latest_version
    from keras_rnn.serving.server.decoding_batch import DecodingBatch, Sampling
    from keras_rnn.serving.server.generator import generator_of
    from keras_rnn.serving.server.servable import Servable

    servable = Servable("model", 1, latest_version(export))
    generator = generator_of(servable.signatures)
    read = generator.prefill.run({"text": np.array([options.prompt.encode()] * rows, object)})
    batch = DecodingBatch(generator)
    samplings = [Sampling(2**30, 1.0, 0, options.top_p, seed) for seed in range(rows)]
    batch.add(range(rows), samplings, read["token"], read["state"])
    seconds = []
    for _ in range(STEPS):
        began = time.perf_counter()
        batch.step()
        seconds.append(time.perf_counter() - began)
    servable.close()
    return rows / statistics.median(seconds)


def serve_and_measure(options: argparse.Namespace) -> dict[int, list[Round]]:
    with tempfile.TemporaryDirectory() as folder:
        models = Path(folder) / "models"
        models.mkdir()
        (models / "model").symlink_to(options.export.resolve(), target_is_directory=True)
        command = [sys.executable, "-m", "keras_rnn.cli.main", "serve", str(models), "--no-access-log"]
        command += ["--rest-port", "0", "--grpc-port", "0", "--max-streams", str(options.streams)]
        with subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True) as process:
            try:
                ready = READY.match(process.stdout.readline())
                if ready is None:
                    raise SystemExit(f"keras-rnn serve does not start with {options.export}")
                server, port = psutil.Process(process.pid), int(ready[1])
                asyncio.run(streams(port, "model", options.streams, options))  # a warm-up
                rounds: dict[int, list[Round]] = {1: [], options.streams: []}
                for _ in range(options.rounds):
                    for count, results in rounds.items():
                        results.append(measure(server, port, "model", count, options))
                return rounds
            finally:
                process.terminate()


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("export", type=Path, help="the folder of an exported language model, with its versions")
    parser.add_argument("--streams", type=int, default=32)
    parser.add_argument("--tokens", type=int, default=500, help="of each text")
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--top-p", type=float, default=1.0)
    parser.add_argument("--prompt", default="The import statement")
    options = parser.parse_args()
    os.environ["TF_CPP_MIN_LOG_LEVEL"] = "3"
    rounds = serve_and_measure(options)
    print("| streams | tokens/s, median (each round) | step alone, tokens/s | CPU/token: step, server, client |")
    print("| --- | --- | --- | --- |")
    for count, results in rounds.items():
        rates = ", ".join(f"{one.rate:,.0f}" for one in results)
        median = statistics.median(one.rate for one in results)
        names = ("step_cpu", "server_cpu", "client_cpu")
        cpu = ", ".join(f"{statistics.median(getattr(one, name) for one in results):.0f} us" for name in names)
        print(f"| {count} | {median:,.0f} ({rates}) | {step_rate(options.export, count, options):,.0f} | {cpu} |")
    ratios = [many.rate / one.rate for one, many in zip(*rounds.values(), strict=True)]
    shown = ", ".join(f"{ratio:.1f}" for ratio in ratios)
    print(
        f"\n{options.streams} streams: {statistics.median(ratios):.1f} times one, bar {BAR:.0f} (each round: {shown})"
    )


if __name__ == "__main__":
    main()

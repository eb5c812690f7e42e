"""Overload: ten times the requests a second that the server can answer, at a steady rate that waits for nobody.

Requests carry TEXTS texts each, so that a client that shares two cores with the server can send ten times as many as
it answers. They arrive on kept-alive connections; a request that finds none free opens one more.
"""

import asyncio
import itertools
import statistics
import time
from collections import Counter
from collections.abc import Iterator

from inputs import MODEL, MODELS, short_texts
from memory import sampled
from server import serving

from keras_rnn.serving.bench import bench_serve
from keras_rnn.serving.bench_clients import SUCCESS, HttpClient, parse_target

TEXTS = 64
FACTOR = 10
CLIENTS = 8  # to measure the capacity: a text always waits, and none is refused
TIMEOUT_SECONDS = 5  # the server's limit for a request
BOUND_MIB = 256  # largest growth of memory
RECOVERY_SECONDS = 2
SHED = ("429", "503")


def measure(quick: bool, seed: int) -> Iterator[dict]:
    seconds = 3 if quick else 20
    texts = short_texts()
    with serving(MODELS, "--timeout-seconds", TIMEOUT_SECONDS) as server:
        one_client = {"concurrency": 1, "texts": texts, "model": MODEL}
        capacity = bench_serve(
            server.rest, concurrency=CLIENTS, seconds=seconds / 2, texts=texts, model=MODEL, texts_per_request=TEXTS
        )
        normal = bench_serve(server.rest, seconds=seconds / 2, **one_client)
        answered = capacity.requests_per_second
        with sampled(server.resident_mib) as memory:
            outcomes = asyncio.run(open_loop(server.rest, FACTOR * answered, seconds, texts))
            end_time = time.perf_counter()
            latencies = asyncio.run(one_after_another(server.rest, 2 * RECOVERY_SECONDS, texts))
    statuses = Counter(status for status, _, _ in outcomes)
    accepted_ms = sorted(1e3 * latency for status, _, latency in outcomes if status in SUCCESS)
    shed_ms = [1e3 * latency for status, _, latency in outcomes if status in SHED]
    timely_count = sum(status in SUCCESS and due_time + latency < seconds for status, due_time, latency in outcomes)
    late_ms = [1e3 * latency for start, latency in latencies if start - end_time > RECOVERY_SECONDS]
    yield {
        "texts_per_request": TEXTS,
        "capacity_requests_per_second": round(answered, 1),
        "capacity_statuses": capacity.statuses,
        "offered_requests_per_second": round(len(outcomes) / seconds, 1),
        "statuses": dict(statuses),
        "answered_per_second": round(timely_count / seconds, 1),
        "accepted_p50_ms": round(statistics.median(accepted_ms), 1) if accepted_ms else None,
        "accepted_max_ms": round(accepted_ms[-1], 1) if accepted_ms else None,
        "shed_p50_ms": round(statistics.median(shed_ms), 1) if shed_ms else None,
        "before_mib": round(memory[0]),
        "peak_mib": round(max(memory)),
        "normal_p50_ms": round(normal.p50_ms, 2),
        "p50_ms_after_2_s": round(statistics.median(late_ms), 2) if late_ms else None,
    }


def verdicts(rows: list[dict]) -> dict[str, bool]:
    (row,) = rows
    if not row["accepted_max_ms"]:
        return {"any request answered": False}
    offered = row["offered_requests_per_second"] / row["capacity_requests_per_second"]
    other_statuses = {status: count for status, count in row["statuses"].items() if status not in (*SUCCESS, *SHED)}
    return {
        f"{FACTOR} x the capacity was offered, in fact {offered:.1f} x": offered >= 0.95 * FACTOR,
        f"all requests answered or shed with {' or '.join(SHED)}; others: {other_statuses}": not other_statuses,
        f"accepted requests answered within {TIMEOUT_SECONDS} s": row["accepted_max_ms"] < 1e3 * TIMEOUT_SECONDS,
        f"at most {BOUND_MIB} MiB more": row["peak_mib"] - row["before_mib"] <= BOUND_MIB,
        f"after {RECOVERY_SECONDS} s one client's p50 is at most 1.5 x the normal one": (
            row["p50_ms_after_2_s"] is not None and row["p50_ms_after_2_s"] <= 1.5 * row["normal_p50_ms"]
        ),
    }


async def open_loop(url: str, rate: float, seconds: float, texts: list[str]) -> list[tuple[str, float, float]]:
    """Returns for each of `rate * seconds` requests its status, its due time and its latency after it, in seconds."""
    target = parse_target(url, MODEL)
    idle_clients: list[HttpClient] = [HttpClient(target, token=None, timeout=4 * TIMEOUT_SECONDS)]
    bodies = [idle_clients[0].request(texts[start : start + TEXTS]) for start in range(0, len(texts) - TEXTS, TEXTS)]
    bodies = itertools.cycle(bodies)
    outcomes, open_tasks = [], set()

    async def ask(due_time: float):
        client = idle_clients.pop() if idle_clients else HttpClient(target, token=None, timeout=4 * TIMEOUT_SECONDS)
        status, _ = await client.send(next(bodies))
        outcomes.append((status, due_time - start_time, time.perf_counter() - due_time))
        idle_clients.append(client)

    start_time = time.perf_counter()
    for number in range(round(rate * seconds)):
        due_time = start_time + number / rate
        if (wait_seconds := due_time - time.perf_counter()) > 0:
            await asyncio.sleep(wait_seconds)
        elif number % 16 == 0:
            await asyncio.sleep(0)  # late: the answers must be read all the same
        if time.perf_counter() - start_time > seconds:
            break  # the client cannot send as many; the row has the number sent
        task = asyncio.create_task(ask(due_time))
        open_tasks.add(task)
        task.add_done_callback(open_tasks.discard)
    await asyncio.gather(*open_tasks)
    await asyncio.gather(*(client.close() for client in idle_clients))
    return outcomes


async def one_after_another(url: str, seconds: float, texts: list[str]) -> list[tuple[float, float]]:
    """Returns for each request of one client its start by perf_counter and its latency in seconds."""
    client = HttpClient(parse_target(url, MODEL), token=None, timeout=4 * TIMEOUT_SECONDS)
    bodies = itertools.cycle([client.request([text]) for text in texts])
    end = time.perf_counter() + seconds
    latencies = []
    while (start := time.perf_counter()) < end:
        status, _ = await client.send(next(bodies))
        if status in SUCCESS:
            latencies.append((start, time.perf_counter() - start))
    await client.close()
    return latencies

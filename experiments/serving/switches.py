"""Switches: new versions appear while 64 clients ask; every answer tells the version that it came from.

An answer is outside its version's time if it came before the version was loaded, or if its request was sent after
the version was given up. When that was is seen from polls of the server's status, each of which tells of some moment
between its request and its answer.
"""

import asyncio
import itertools
import json
import shutil
import statistics
import tempfile
import time
from collections import Counter, defaultdict
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path

import small_run
from inputs import short_texts
from server import Server, serving
from tensorflow_serving.apis.predict_pb2 import PredictResponse

from keras_rnn.serving.bench_clients import SUCCESS, GrpcClient, HttpClient, clients, parse_target

MODEL = "switched"
REST_CLIENTS, GRPC_CLIENTS = 60, 4
POLL_SECONDS = 0.02  # between two polls of the status
SERVER_POLL_SECONDS = 0.2
SWITCH_SECONDS = 60  # at most, from a folder's appearance to the end of the version before it
DWELL_SECONDS = 0.5  # of load on a version when no other is loaded


def measure(quick: bool, seed: int) -> Iterator[dict]:
    switches = 3 if quick else 20
    with tempfile.TemporaryDirectory() as folder:
        staged_folder, served_folder = Path(folder, "staged", MODEL), Path(folder, "served", MODEL)
        served_folder.mkdir(parents=True)
        small_run.export_versions(small_run.train(Path(folder, "run")), staged_folder, switches + 1)
        (staged_folder / "1").rename(served_folder / "1")
        with serving(served_folder.parent, "--poll-seconds", SERVER_POLL_SECONDS) as server:
            observed = asyncio.run(switch_under_load(server, staged_folder, served_folder))
    yield from observed.switches
    outside = observed.outside()
    statuses = Counter(answer.status for answer in observed.answers)
    yield {
        "switches": switches,
        "clients": REST_CLIENTS + GRPC_CLIENTS,
        "statuses": dict(statuses),
        "failed": sum(count for status, count in statuses.items() if status not in SUCCESS),
        "slowest_ms": round(1e3 * max(answer.received - answer.sent for answer in observed.answers)),
        "outside": len(outside),
        "examples": [vars(answer) for answer in outside[:5]],
        "median_seconds_to_available": statistics.median(row["seconds_to_available"] for row in observed.switches),
    }


def verdicts(rows: list[dict]) -> dict[str, bool]:
    *switches, total = rows
    return {
        f"no failed request in {total['switches']} switches": total["failed"] == 0,
        "no answer from a version that was not loaded": total["outside"] == 0,
        "every version answered": all(row["answers"] for row in switches),
    }


async def switch_under_load(server: Server, staged_folder: Path, served_folder: Path) -> "Observations":
    observed = Observations()
    texts = itertools.cycle(short_texts())
    pool = [
        client
        for url, number in ((server.rest, REST_CLIENTS), (server.grpc, GRPC_CLIENTS))
        for client in clients(parse_target(url, MODEL), number, token=None, timeout=60)
    ]
    is_over = asyncio.Event()
    polling = asyncio.create_task(poll(server, observed, is_over))
    asking = [asyncio.create_task(ask(client, texts, observed, is_over)) for client in pool]
    try:
        await asyncio.sleep(DWELL_SECONDS)
        for version in range(2, len(list(staged_folder.iterdir())) + 2):
            observed.switches.append(await switch(version, staged_folder, served_folder, observed))
            shutil.rmtree(served_folder / str(version - 1))
    finally:
        is_over.set()
        await asyncio.gather(polling, *asking)
        await asyncio.gather(*(client.close() for client in pool))
    answers = Counter(answer.version for answer in observed.answers)
    for row in observed.switches:
        row["answers"] = answers[row["version"]]
    return observed


async def switch(version: int, staged_folder: Path, served_folder: Path, observed: "Observations") -> dict:
    """Publishes a version and waits until the one before it is unloaded."""
    start_time = time.monotonic()
    (staged_folder / str(version)).rename(served_folder / str(version))
    async with asyncio.timeout(SWITCH_SECONDS):
        while observed.state(version) != "AVAILABLE":
            await asyncio.sleep(POLL_SECONDS)
        available = time.monotonic()
        while observed.state(version - 1) not in (None, "END"):
            await asyncio.sleep(POLL_SECONDS)
    end_time = time.monotonic()
    await asyncio.sleep(DWELL_SECONDS)
    return {
        "version": version,
        "seconds_to_available": round(available - start_time, 2),
        "seconds_to_end_of_the_old": round(end_time - available, 2),
    }


async def ask(
    client: HttpClient | GrpcClient, texts: Iterator[str], observed: "Observations", is_over: asyncio.Event
) -> None:
    while not is_over.is_set():
        request = client.request([next(texts)])
        sent = time.monotonic()
        status, answer = await client.send(request)
        received = time.monotonic()
        version = version_of(answer, isinstance(client, GrpcClient)) if status in SUCCESS else None
        observed.answers.append(Answer(sent, received, status, version))


def version_of(answer: bytes, is_grpc: bool) -> int:
    """Returns the version in the label. The version in a gRPC response must be the same."""
    if not is_grpc:
        return int(json.loads(answer)["predictions"][0]["label"].split("-")[0][1:])
    response = PredictResponse.FromString(answer)
    version = int(response.outputs["label"].string_val[0].decode().split("-")[0][1:])
    if response.model_spec.version.value != version:
        raise RuntimeError(f"an answer of version {version} says {response.model_spec.version.value}")
    return version


async def poll(server: Server, observed: "Observations", is_over: asyncio.Event) -> None:
    while not is_over.is_set():
        asked = time.monotonic()
        states = await asyncio.to_thread(server.states, MODEL)
        observed.polls.append(Poll(asked, time.monotonic(), states))
        await asyncio.sleep(POLL_SECONDS)


@dataclass(frozen=True)
class Answer:
    """`sent` and `received` are seconds of the monotonic clock. `version` is None if the request failed."""

    sent: float
    received: float
    status: str
    version: int | None


@dataclass(frozen=True)
class Poll:
    asked: float
    told: float
    states: dict[int, str]


@dataclass
class Observations:
    answers: list[Answer] = field(default_factory=list)
    polls: list[Poll] = field(default_factory=list)
    switches: list[dict] = field(default_factory=list)

    def state(self, version: int) -> str | None:
        """Returns the state in the newest poll, None for a version that the server does not list."""
        return self.polls[-1].states.get(version) if self.polls else None

    def outside(self) -> list[Answer]:
        """Returns the answers from a version that cannot have been loaded."""
        not_before, not_after, been = defaultdict(float), {}, set()
        for poll in self.polls:
            available = {version for version, state in poll.states.items() if state == "AVAILABLE"}
            been |= available
            for version in been - available:
                not_after.setdefault(version, poll.told)
            for version in {answer.version for answer in self.answers} - been - {None}:
                not_before[version] = poll.asked
        return [
            answer
            for answer in self.answers
            if answer.version is not None
            and (
                answer.received < not_before[answer.version]
                or answer.sent > not_after.get(answer.version, float("inf"))
            )
        ]

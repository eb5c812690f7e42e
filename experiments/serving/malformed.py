"""Malformed: thousands of requests that are wrong in some way; the server refuses them and goes on as before.

Nothing may be answered with 500, INTERNAL or UNKNOWN, or not at all, show a traceback, or keep memory.
"""

from collections import Counter
from collections.abc import Callable, Iterator

import malformed_grpc
import malformed_rest
from hypothesis import HealthCheck, Phase, given, settings
from hypothesis import seed as seeded
from hypothesis.strategies import SearchStrategy
from inputs import MODEL, MODELS, short_texts
from server import Server, serving

FLAT_MIB = 32  # largest growth that counts as none
WARM_UP_SHARE = 0.1  # the share of requests before the first reading of memory


def measure(quick: bool, seed: int) -> Iterator[dict]:
    count = 300 if quick else 5000
    for api in (malformed_rest, malformed_grpc):
        with serving(MODELS) as server:
            yield one(api, server, count, seed)


def one(api, server: Server, count: int, seed: int) -> dict:
    outcomes, bad_outcomes = Counter(), []
    expected = server.predict(MODEL, short_texts()[:3])

    def judge(example):
        outcome = ask(example)
        outcomes[outcome.status] += 1
        if outcome.bad or not server.process.is_running():
            bad_outcomes.append({"status": outcome.status, "sent": outcome.sent[:600], "answer": outcome.answer[:300]})

    with api.asking(server) as ask:
        for_each(api.REQUESTS, int(WARM_UP_SHARE * count), seed + 1, judge)
        start = server.resident_mib()
        for_each(api.REQUESTS, count - int(WARM_UP_SHARE * count), seed, judge)
        end = server.resident_mib()
    log = server.log.read_text(errors="replace")
    return {
        "api": api.__name__.removeprefix("malformed_"),
        "requests": sum(outcomes.values()),
        "outcomes": dict(outcomes.most_common()),
        "bad": len(bad_outcomes),
        "bad_examples": bad_outcomes[:10],
        "errors_in_the_log": sum('"level": "ERROR"' in line or "Traceback" in line for line in log.splitlines()),
        "start_mib": round(start),
        "end_mib": round(end),
        "answers_as_before": server.predict(MODEL, short_texts()[:3]) == expected,
    }


def for_each(strategy: SearchStrategy, count: int, seed: int, check: Callable) -> None:
    """Calls `check` with `count` examples of `strategy`, the same ones for the same seed."""

    @seeded(seed)
    @settings(
        max_examples=count,
        phases=[Phase.generate],
        database=None,
        deadline=None,
        suppress_health_check=list(HealthCheck),
    )
    @given(strategy)
    def each(example):
        check(example)

    each()


def verdicts(rows: list[dict]) -> dict[str, bool]:
    requests = sum(row["requests"] for row in rows)
    return {
        f"{requests:,} malformed requests: no 500, INTERNAL, UNKNOWN, hang or crash": not any(
            row["bad"] for row in rows
        ),
        "nothing logged as an error": not any(row["errors_in_the_log"] for row in rows),
        f"memory grows by at most {FLAT_MIB} MiB": all(row["end_mib"] - row["start_mib"] <= FLAT_MIB for row in rows),
        "a good request is answered as before": all(row["answers_as_before"] for row in rows),
    }

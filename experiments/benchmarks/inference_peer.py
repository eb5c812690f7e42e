"""What the peers of `inference` have in common: ways to ask a model, from strings to probabilities."""

import time
from collections.abc import Callable, Sequence

import numpy as np
from inference_case import InferenceCase
from peer import serve

Way = Callable[[list[str]], np.ndarray]


def serve_ways(make: Callable[[InferenceCase], dict[str, Way]]) -> None:
    """Answers "build", of a case, and "turn", of a way; `make` gives the ways to ask the model of a case, by name."""
    case, ways = None, {}

    def build(checked: int, **fields) -> dict:
        """The probabilities of the first `checked` texts, by each way."""
        nonlocal case, ways
        case = InferenceCase(**fields)
        ways = make(case)
        return {name: np.asarray(way(case.texts(checked))).tolist() for name, way in ways.items()}

    def turn(name: str, batch: int, batches: int, seconds: float, calls: int) -> dict:
        texts = case.texts(batch * batches)
        return times_of_calls(ways[name], [texts[n : n + batch] for n in range(0, len(texts), batch)], seconds, calls)

    serve({"build": build, "turn": turn})


def times_of_calls(way: Way, batches: Sequence[list[str]], seconds: float, calls: int) -> dict:
    """The mean, the median and the 99th percentile of the seconds of a call, the batches in turn.

    As many calls as fill `seconds` and at least `calls`, after one of each batch that does not count.
    """
    for batch in batches:
        way(batch)
    times = []
    end = time.perf_counter() + seconds
    while len(times) < calls or time.perf_counter() < end:
        batch = batches[len(times) % len(batches)]
        start_time = time.perf_counter()
        way(batch)
        times.append(time.perf_counter() - start_time)
    return {"mean": float(np.mean(times)), "p50": float(np.median(times)), "p99": float(np.quantile(times, 0.99))}

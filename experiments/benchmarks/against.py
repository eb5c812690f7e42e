"""Rows of ours beside plain Keras and PyTorch, and the bars that such rows are held against."""

import statistics
from collections.abc import Mapping, Sequence

from part import Bar
from turns import geometric_mean, ratio

KERAS_BAR, TORCH_BAR, WORST_BAR = 2.0, 1.0, 1.0
AGAINST_KERAS, AGAINST_TORCH = "ours against keras", "ours against torch"


def beside(times: Mapping[str, Sequence[float]]) -> dict:
    """The columns of a row: each contender's median in milliseconds, and the ratios against Keras and PyTorch.

    times: seconds by round of "ours", "keras" and whatever begins with "torch", the best of which is what counts.
    """
    medians = {name: statistics.median(seconds) for name, seconds in times.items()}
    best = min((name for name in times if name.startswith("torch")), key=medians.get, default=None)
    return {
        **{f"{name}, ms": 1e3 * median for name, median in medians.items()},
        AGAINST_KERAS: ratio(times["keras"], times["ours"]),
        AGAINST_TORCH: ratio(times[best], times["ours"]) if best else None,
    }


def bars(steps: Sequence[dict], rows: Sequence[dict]) -> list[Bar]:
    """steps: the rows of train steps, for the geometric means. rows: all that must not be slower than Keras."""
    keras = geometric_mean([row[AGAINST_KERAS] for row in steps])
    worst = min(row[AGAINST_KERAS] for row in rows)
    results = [
        Bar(f"train step at least {KERAS_BAR} x plain Keras, geometric mean", keras, keras >= KERAS_BAR),
        Bar(f"no row below {WORST_BAR} x plain Keras", worst, worst >= WORST_BAR),
    ]
    if all(row[AGAINST_TORCH] for row in steps):
        torch = geometric_mean([row[AGAINST_TORCH] for row in steps])
        results.append(
            Bar(f"train step at least {TORCH_BAR} x the best PyTorch, geometric mean", torch, torch >= TORCH_BAR)
        )
    return results

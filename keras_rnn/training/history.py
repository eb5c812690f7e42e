"""A run's history, one dict an epoch; which epoch was best and when to stop follow from it alone."""

import csv
import math
from collections.abc import Mapping, Sequence
from pathlib import Path

from keras_rnn.files import atomic_write
from keras_rnn.tasks import Objective

Epoch = Mapping[str, float]


def best_epoch(history: Sequence[Epoch], objective: Objective) -> int:
    """The index of the best epoch by the objective."""
    return max(range(len(history)), key=lambda i: objective.rank(history[i]))


def should_stop(history: Sequence[Epoch], patience: int, objective: Objective) -> bool:
    """True once the last `patience` epochs brought nothing better."""
    return len(history) - 1 - best_epoch(history, objective) >= patience


def diverged(history: Sequence[Epoch]) -> bool:
    """True if a loss of the last epoch is not finite."""
    return not all(math.isfinite(history[-1][loss]) for loss in ("loss", "val_loss"))


def write_history(history: Sequence[Epoch], path: Path) -> None:
    """The history as CSV, one row an epoch."""
    with atomic_write(path) as temp_path, open(temp_path, "w", newline="", encoding="utf-8") as file:
        rows = csv.DictWriter(file, fieldnames=list(history[0]))
        rows.writeheader()
        rows.writerows(history)

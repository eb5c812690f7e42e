"""A hyperparameter as the side of a grid: one position for each value, or for each bin of many numbers."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from keras_rnn.search.formatting import format_value

INACTIVE = object()  # stands for the value of a hyperparameter that a trial does not have
MAX_VALUES = 8  # more different numbers are put into bins
BINS = 6
LOG_RATIO = 10  # of the largest to the smallest number; from it on the bins have equal widths in the logarithm
MAX_LABEL_LENGTH = 24  # characters of a label


@dataclass(frozen=True)
class Axis:
    """The position of each trial along one hyperparameter.

    Args:
        name: the hyperparameter.
        size: the number of positions.
        ticks: position and text of each label. A bin's middle is its index, so the border of two bins is at a half.
        positions: the index of each trial.
    """

    name: str
    size: int
    ticks: Sequence[tuple[float, str]]
    positions: Sequence[int]


def make_axis(name: str, values: Sequence[Any]) -> Axis:
    """The axis of `values`: one for each trial, INACTIVE where the trial does not have the hyperparameter."""
    active = distinct(values)
    if len(active) > MAX_VALUES and all(_is_number(value) for value in active):
        ticks, size, position_of_value = _make_bins(active)
    else:
        order = {_key(value): index for index, value in enumerate(active)}
        ticks = [(index, _tick_label(value)) for index, value in enumerate(active)]
        size, position_of_value = len(active), lambda value: order[_key(value)]
    positions = [size if value is INACTIVE else position_of_value(value) for value in values]
    if size in positions:
        ticks, size = [*ticks, (size, "inactive")], size + 1
    return Axis(name, size, ticks, positions)


def distinct(values: Sequence[Any]) -> list[Any]:
    """The different values without INACTIVE: numbers by size, then the others by their text."""
    values_by_key = {_key(value): value for value in values if value is not INACTIVE}
    return sorted(values_by_key.values(), key=lambda value: (0, value, "") if _is_number(value) else (1, 0, str(value)))


def _make_bins(values: Sequence[float]):
    low, high = min(values), max(values)
    space = np.geomspace if low > 0 and high / low >= LOG_RATIO else np.linspace
    edges = space(low, high, BINS + 1)
    if all(isinstance(value, int) for value in values):
        edges = np.unique(edges.round().astype(int))
    ticks = [(index - 0.5, format_value(edge)) for index, edge in enumerate(edges.tolist())]
    inner = edges[1:-1]
    return ticks, len(edges) - 1, lambda value: int(np.searchsorted(inner, value, side="right"))


def _is_number(value: Any) -> bool:
    return isinstance(value, int | float) and not isinstance(value, bool)


def _key(value: Any) -> tuple:
    return isinstance(value, bool), value  # True is not 1 here


def _tick_label(value: Any) -> str:
    text = format_value(value)
    return text if len(text) <= MAX_LABEL_LENGTH else f"{text[: MAX_LABEL_LENGTH - 1]}…"

"""Inputs that every export is asked about, and whether a row's answer depends on the rows around it."""

from collections.abc import Callable, Mapping, Sequence
from typing import Any

import numpy as np
import tensorflow as tf

from keras_rnn.tasks.contract import TOLERANCE_ALONE

UNKNOWN_WORDS = "qqqxzj zzzvqk"
SINGLE_ROWS = 4  # asked one by one


def with_edge_cases(texts: Sequence[str]) -> list[str]:
    """The texts, each once; then the empty text and unknown words."""
    return list(dict.fromkeys([*texts, "", UNKNOWN_WORDS]))


def same_alone(
    answers: Sequence[Mapping[str, Any]], ids: str, numbers: str, ask: Callable[[Mapping[str, Any]], np.ndarray]
) -> bool:
    """Whether the shortest rows, asked about one by one, have the numbers that they have in a batch.

    A layer of the user may drop the mask. Padding then changes the numbers more than float16 layers round them.

    Args:
        answers: rows with their ids and their numbers.
        ids, numbers: the names of these two.
        ask: the numbers of one row, asked about alone.
    """
    with tf.device("CPU:0"):
        shortest = sorted(answers, key=lambda row: len(row[ids]))[:SINGLE_ROWS]
        return all(np.abs(ask(row) - np.array(row[numbers])).max(initial=0.0) <= TOLERANCE_ALONE for row in shortest)

"""What an exported version promises: calls of its signatures with the outputs that they must have.

A task's module `contract` makes the calls from the answers that the version carries, without Keras and TensorFlow.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

TOLERANCE = 1e-5  # largest difference of a number, as a share of it where that is above 1
TOLERANCE_ALONE = 1e-3  # float16 layers round one row differently from several

# An input or output of a signature: its dtype, and its shape with None where only a call decides it.
Spec = tuple[str, Sequence[int | None]]


@dataclass(frozen=True)
class Signature:
    """Inputs and outputs of a signature by name."""

    inputs: Mapping[str, Spec]
    outputs: Mapping[str, Spec]


@dataclass(frozen=True)
class Call:
    """One call of a signature.

    Args:
        signature: its name.
        inputs: arrays by name; strings as objects.
        outputs: what must come back, or a part of it: arrays by name, whose first axis is that of the rows; strings as
            objects.
        rows: the name of each row in errors.
        method: "predict", or "classify" for TensorFlow Serving's Classify, whose inputs are features of Examples.
        tolerance: largest difference of a number.
        condition: words about the call, for errors.
    """

    signature: str
    inputs: Mapping[str, Any]
    outputs: Mapping[str, np.ndarray]
    rows: list[str]
    method: str = "predict"
    tolerance: float = TOLERANCE
    condition: str = ""


def padded_ids(rows: list[list[int]]) -> np.ndarray:
    """Int32 `(rows, longest)`, right-padded with 0."""
    ids = np.zeros((len(rows), max(map(len, rows), default=0)), np.int32)
    for row, values in enumerate(rows):
        ids[row, : len(values)] = values
    return ids

"""What an exported version promises: calls of its signatures with the outputs that they must have.

A task's module `contract` makes them of the answers that the version carries. It needs no Keras and no TensorFlow.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

TOLERANCE = 1e-5  # largest difference of a number, as a share of it where that is above 1
TOLERANCE_ALONE = 1e-3  # layers of float16 round otherwise for one row than for several

# An input or output of a signature: its dtype, and its shape with None for what is known only when it is called.
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
        rows: what each row is called in an error.
        method: "predict", or "classify" for TensorFlow Serving's Classify, whose inputs are features of Examples.
        tolerance: largest difference of a number.
        condition: what an error says of the call.
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

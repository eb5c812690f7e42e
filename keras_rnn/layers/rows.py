"""Vectors that are rows of few: what an embedding says of its output to a layer that can make use of it.

A batch of texts has many words more than once. What a recurrent layer multiplies its inputs by, it then multiplies each
row by but once, and the gradient of a row comes summed over its places.
"""

from typing import Any, NamedTuple


class Rows(NamedTuple):
    """vectors `(distinct, features)`, and which of them stands where: places int32 `(batch, time)`."""

    vectors: Any
    places: Any


def say_rows(tensor, rows: Rows) -> None:
    """Notes on a tensor `(batch, time, features)`, as Keras notes its mask, that it is made of these rows."""
    tensor._keras_rnn_rows = rows


def rows_of(tensor) -> Rows | None:
    """The rows that this very tensor, and none that was made of it, is known to be made of."""
    return getattr(tensor, "_keras_rnn_rows", None)

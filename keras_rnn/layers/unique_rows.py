"""The few distinct rows that the output of an embedding consists of, for the layer that reads it.

Most words of a batch of texts come more than once. A recurrent layer can then multiply each distinct row by its kernel
once, and sum the gradients of a row over the steps that took it.
"""

from typing import Any, NamedTuple


class UniqueRows(NamedTuple):
    """`values` `(distinct, features)`, and `indices`, int32 `(batch, time)`, which say the row of each step."""

    values: Any
    indices: Any


def attach_unique_rows(tensor, rows: UniqueRows) -> None:
    """Attaches to a tensor `(batch, time, features)` the rows that it consists of, as Keras attaches masks."""
    tensor._keras_rnn_unique_rows = rows


def unique_rows_of(tensor) -> UniqueRows | None:
    """The rows attached to this very tensor; tensors computed from it have none."""
    return getattr(tensor, "_keras_rnn_unique_rows", None)

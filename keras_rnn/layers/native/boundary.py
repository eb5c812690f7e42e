"""The one way by which arrays reach machine code, which trusts what it is told of their types and sizes."""

from collections.abc import Sequence

import numpy as np

from keras_rnn.layers.native import guards

BOOL, FLOAT32, INT32 = np.dtype(np.bool_), np.dtype(np.float32), np.dtype(np.int32)


def checked(name: str, array, dtype: np.dtype, shape: Sequence[int]) -> np.ndarray:
    """`array` as machine code reads it: of this dtype and shape, in C order.

    Raises:
        ValueError: its dtype or shape is another; the message names the array.
    """
    if (
        type(array) is np.ndarray
        and array.dtype is dtype
        and array.shape == shape
        and array.flags.c_contiguous
        and not guards.ENABLED
    ):
        return array  # as TensorFlow hands them over: the checks of a step are to cost no more than this
    shape = tuple(shape)
    if isinstance(array, np.generic):  # as an array of no axes comes
        array = np.asarray(array)
    if type(array) is not np.ndarray or array.dtype != dtype or array.shape != shape:
        found = f"{array.dtype} {array.shape}" if isinstance(array, np.ndarray) else type(array).__name__
        raise ValueError(f"{name} has to be {dtype} {shape}, got {found}")
    if not (array.flags.c_contiguous and array.flags.aligned):
        array = np.array(array, order="C")
    return guards.guarded_copy(array) if guards.ENABLED else array


def checked_alike(names: Sequence[str], arrays: Sequence, dtype: np.dtype, shape: Sequence[int]) -> list[np.ndarray]:
    """As `checked`, of arrays that are alike."""
    for array in arrays:
        if not (array.shape == shape and array.dtype is dtype and array.flags.c_contiguous) or guards.ENABLED:
            return [checked(name, array, dtype, shape) for name, array in zip(names, arrays, strict=True)]
    return arrays


def checked_rows(name: str, array, dtype: np.dtype, rows: int, shape: Sequence[int]) -> np.ndarray:
    """As `checked`, of `rows` rows of this shape; one row stands for all of them.

    Raises:
        ValueError: the dtype, the shape or the number of rows is another.
    """
    if rows != 1 and isinstance(array, np.ndarray) and array.ndim and len(array) == 1:
        checked(name, array, dtype, (1, *shape))
        array = np.broadcast_to(array, (rows, *shape))
    return checked(name, array, dtype, (rows, *shape))


def checked_mask(mask, rows: int, steps: int, *, last: bool) -> np.ndarray:
    """A mask as bool `(rows, steps)`: of any number type, with steps that a sequence has not, and one row for all.

    Args:
        mask: `(rows or 1, at least steps)`, or with a last axis of 1.
        last: its last steps are those of the sequence, not its first ones.

    Raises:
        ValueError: its shape is another.
    """
    mask = np.asarray(mask)
    if mask.ndim == 3 and mask.shape[2] == 1:
        mask = mask[:, :, 0]
    if mask.ndim != 2 or mask.shape[1] < steps:
        raise ValueError(f"mask has to be (batch, time) of {steps} steps, got {mask.shape}")
    mask = mask[:, mask.shape[1] - steps :] if last else mask[:, :steps]
    return checked_rows("mask", mask if mask.dtype == BOOL else mask != 0, BOOL, rows, (steps,))


def common_rows(arrays: Sequence[np.ndarray]) -> int:
    """The most rows that an array has, one row standing for all: `checked_rows` names those that have others."""
    return max({len(array) for array in arrays} - {1}, default=1)

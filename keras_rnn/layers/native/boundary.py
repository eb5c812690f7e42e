"""Checks of every array that is passed to machine code, which trusts its arguments."""

from collections.abc import Sequence

import numpy as np

from keras_rnn.layers.native import guards

BOOL, FLOAT32, INT32 = np.dtype(np.bool_), np.dtype(np.float32), np.dtype(np.int32)


def checked(name: str, array, dtype: np.dtype, shape: Sequence[int]) -> np.ndarray:
    """`array` in C order, for machine code that takes this dtype and shape.

    Raises:
        ValueError: the array has another dtype or shape; the message names the array.
    """
    if (
        type(array) is np.ndarray
        and array.dtype is dtype
        and array.shape == shape
        and array.flags.c_contiguous
        and not guards.ENABLED
    ):
        return array  # the usual case of arrays from TensorFlow, which must cost little
    shape = tuple(shape)
    if isinstance(array, np.generic):  # TensorFlow's form of an array without axes
        array = np.asarray(array)
    if type(array) is not np.ndarray or array.dtype != dtype or array.shape != shape:
        actual = f"{array.dtype} {array.shape}" if isinstance(array, np.ndarray) else type(array).__name__
        raise ValueError(f"{name} has to be {dtype} {shape}, got {actual}")
    if not (array.flags.c_contiguous and array.flags.aligned):
        array = np.array(array, order="C")
    return guards.guarded_copy(array) if guards.ENABLED else array


def checked_alike(names: Sequence[str], arrays: Sequence, dtype: np.dtype, shape: Sequence[int]) -> list[np.ndarray]:
    """Each array as `checked` returns it; all have one dtype and shape."""
    for array in arrays:
        if not (array.shape == shape and array.dtype is dtype and array.flags.c_contiguous) or guards.ENABLED:
            return [checked(name, array, dtype, shape) for name, array in zip(names, arrays, strict=True)]
    return arrays


def checked_rows(name: str, array, dtype: np.dtype, rows: int, shape: Sequence[int]) -> np.ndarray:
    """`checked` for an array of `rows` rows, each of this shape. An array of one row is repeated for all rows.

    Raises:
        ValueError: the array has another dtype, shape or number of rows.
    """
    if rows != 1 and isinstance(array, np.ndarray) and array.ndim and len(array) == 1:
        checked(name, array, dtype, (1, *shape))
        array = np.broadcast_to(array, (rows, *shape))
    return checked(name, array, dtype, (rows, *shape))


def checked_mask(mask, rows: int, steps: int, *, last: bool) -> np.ndarray:
    """A mask as bool `(rows, steps)`.

    Args:
        mask: any number type, `(rows or 1, at least steps)`, or with another axis of size 1 behind.
        last: of a mask with more steps the last ones count, not the first ones.

    Raises:
        ValueError: the mask has another shape.
    """
    mask = np.asarray(mask)
    if mask.ndim == 3 and mask.shape[2] == 1:
        mask = mask[:, :, 0]
    if mask.ndim != 2 or mask.shape[1] < steps:
        raise ValueError(f"mask has to be (batch, time) of {steps} steps, got {mask.shape}")
    mask = mask[:, mask.shape[1] - steps :] if last else mask[:, :steps]
    return checked_rows("mask", mask if mask.dtype == BOOL else mask != 0, BOOL, rows, (steps,))


def common_rows(arrays: Sequence[np.ndarray]) -> int:
    """The largest number of rows of an array; `checked_rows` then names arrays that have neither that nor one row."""
    return max({len(array) for array in arrays} - {1}, default=1)

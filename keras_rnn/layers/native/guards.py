"""Arrays between pages that may not be touched: machine code that reads or writes past one ends the process at once.

A debugging switch, by `KERAS_RNN_NATIVE_GUARDS=1` in the environment before this package is imported. Every array that
machine code is given is then copied, and every array that it fills is made, right before such a page; what lies in
front of an array has a pattern that is checked when the array is given back.
"""

import ctypes
import math
import mmap
import os
import weakref

import numpy as np

ENABLED = os.environ.get("KERAS_RNN_NATIVE_GUARDS", "0") not in ("", "0")
CANARY = 0xA5
_NO_ACCESS = 0  # PROT_NONE


def guarded(shape: tuple[int, ...], dtype) -> np.ndarray:
    """An array of any content whose last byte is the last that may be read or written."""
    size = math.prod(shape) * np.dtype(dtype).itemsize
    whole = -(-size // mmap.PAGESIZE) * mmap.PAGESIZE + mmap.PAGESIZE
    memory = mmap.mmap(-1, whole)
    end = whole - mmap.PAGESIZE
    start = ctypes.addressof(ctypes.c_char.from_buffer(memory))
    libc = ctypes.CDLL(None, use_errno=True)
    if libc.mprotect(ctypes.c_void_p(start + end), mmap.PAGESIZE, _NO_ACCESS):
        raise OSError(ctypes.get_errno(), "mprotect failed")
    front = np.frombuffer(memory, np.uint8, end - size)
    front[...] = CANARY
    array = np.frombuffer(memory, dtype, math.prod(shape), end - size).reshape(shape)
    weakref.finalize(array, _check, front)
    return array


def _check(front: np.ndarray) -> None:
    if not (front == CANARY).all():
        os.write(2, b"keras_rnn: machine code wrote in front of an array\n")
        os.abort()


def guarded_copy(array: np.ndarray) -> np.ndarray:
    copy = guarded(array.shape, array.dtype)
    copy[...] = array
    return copy

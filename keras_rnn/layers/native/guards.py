"""Arrays in front of protected pages: machine code that reads or writes past one of them ends the process at once.

A debugging switch: set `KERAS_RNN_NATIVE_GUARDS=1` in the environment before this package is imported. Every array that
machine code reads or writes then ends right before a page without access. The memory in front of an array holds a
pattern, which is checked when the array is freed.
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
    """An uninitialized array that ends where a page without access begins."""
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

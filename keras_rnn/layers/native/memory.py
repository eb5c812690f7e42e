"""Arrays whose memory is used again: the pages of fresh memory cost a training step up to a seventh of its time."""

import ctypes
import math
import sys
import threading
from collections.abc import Sequence
from dataclasses import dataclass
from typing import NamedTuple

import numpy as np

from keras_rnn.layers.native import guards

ALIGNMENT = 64  # bytes; TensorFlow copies arrays that begin elsewhere
LINE = ALIGNMENT // 4  # float32
POOL_BYTES = 2**30
# Buffers that so many allocations passed over are given back: a step takes some ten, and batches of like length come
# again within a few dozen steps.
POOL_AGE = 1000
SMALL_BYTES = 2**17  # fresh memory of so little comes without fresh pages
UNUSED_REFERENCES = 3  # to memory that nothing uses: the buffer's, the name's and the call's


@dataclass(eq=False)
class _Buffer:
    memory: np.ndarray
    last_allocation: int = 0

    def is_unused(self) -> bool:
        memory = self.memory
        return sys.getrefcount(memory) == UNUSED_REFERENCES

    def is_old(self) -> bool:
        return self.last_allocation <= _allocations - POOL_AGE


_CHAR = ctypes.c_char.from_buffer
_pool: list[_Buffer] = []
_lock = threading.Lock()
_allocations = 0


class PackedBuffer(NamedTuple):
    """Float32 arrays, and all of them in one, `(lines, LINE)`, in which each begins with a line."""

    arrays: list[np.ndarray]
    lines: np.ndarray


def allocate(*shapes: tuple[int, ...]) -> list[np.ndarray]:
    """Float32 arrays of any content. They may share memory, which is used again when nothing uses any of them."""
    if guards.ENABLED:
        return [guards.guarded(shape, np.float32) for shape in shapes]
    if sum(map(math.prod, shapes)) < SMALL_BYTES // 4:
        return [np.empty(shape, np.float32) for shape in shapes]
    return _allocate_packed(shapes).arrays


def allocate_packed(*shapes: tuple[int, ...]) -> PackedBuffer:
    """Arrays as `allocate` returns them that may be handed on as one; what fills up their last lines is 0."""
    buffer, end = _allocate_packed(shapes), 0
    flat = buffer.lines.reshape(-1)
    for array in buffer.arrays:
        unused = -array.size % LINE
        end += array.size + unused
        if unused:
            flat[end - unused : end] = 0
    return buffer


def _allocate_packed(shapes: Sequence[tuple[int, ...]]) -> PackedBuffer:
    size = ALIGNMENT * sum(map(lines_of, shapes))
    if guards.ENABLED:
        memory = guards.guarded((size,), np.uint8)
    else:
        memory = np.empty(size + ALIGNMENT, np.uint8) if size < SMALL_BYTES else _take(size + ALIGNMENT)
    (address,) = addresses([memory])
    return _unpack(memory, -address % ALIGNMENT, shapes)


def _take(needed: int) -> np.ndarray:
    """At least so many bytes that nothing uses, of the pool's or in it from now on."""
    global _allocations
    with _lock:
        _allocations += 1
        if _allocations % POOL_AGE == 0:
            _pool[:] = [buffer for buffer in _pool if not (buffer.is_old() and buffer.is_unused())]
        for buffer in _pool:
            if needed <= buffer.memory.nbytes <= 2 * needed and buffer.is_unused():
                break
        else:
            # In place of one that was for a batch a little smaller: each length would have its own in the end.
            for buffer in _pool:
                if buffer.memory.nbytes < needed <= 2 * buffer.memory.nbytes and buffer.is_unused():
                    _pool.remove(buffer)
                    break
            buffer = _Buffer(np.empty(needed, np.uint8))
            _pool.append(buffer)
            while sum(kept.memory.nbytes for kept in _pool) > POOL_BYTES:
                del _pool[0]  # what uses it keeps it
        buffer.last_allocation = _allocations
        return buffer.memory


def unpack(lines: np.ndarray, *shapes: tuple[int, ...]) -> list[np.ndarray]:
    """The arrays of a PackedBuffer from its `lines`."""
    return _unpack(lines, 0, shapes).arrays


def _unpack(memory: np.ndarray, start: int, shapes: Sequence[tuple[int, ...]]) -> PackedBuffer:
    arrays, end = [], start
    for shape in shapes:
        arrays.append(np.ndarray(shape, np.float32, memory, end))
        end += ALIGNMENT * lines_of(shape)
    return PackedBuffer(arrays, np.ndarray(((end - start) // ALIGNMENT, LINE), np.float32, memory, start))


def lines_of(shape: Sequence[int]) -> int:
    """How many an array takes."""
    return -(-math.prod(shape) // LINE)


def addresses(arrays) -> list[int]:
    """Where arrays begin. They are C-contiguous."""
    return [
        ctypes.addressof(_CHAR(array))  # a fifth of the time that the interface takes
        if array.size and array.flags.writeable
        else array.__array_interface__["data"][0]
        for array in arrays
    ]

"""Arrays whose memory is reused: fresh pages would cost a training step up to a seventh of its time."""

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
# A buffer is freed after this many allocations without it. A step makes some ten allocations, and batches of similar
# length come again within a few dozen steps.
POOL_AGE = 1000
SMALL_BYTES = 2**17  # the allocator reuses pages for arrays of fewer bytes
UNUSED_REFERENCES = 3  # of memory that no array uses: the buffer's, the local name's and the call's


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
    """Float32 arrays, and `lines`, `(count, LINE)`, which holds all of them; each array begins at a line."""

    arrays: list[np.ndarray]
    lines: np.ndarray


def allocate(*shapes: tuple[int, ...]) -> list[np.ndarray]:
    """Uninitialized float32 arrays. They may share memory, which is reused when none of them is in use any more."""
    if guards.ENABLED:
        return [guards.guarded(shape, np.float32) for shape in shapes]
    if sum(map(math.prod, shapes)) < SMALL_BYTES // 4:
        return [np.empty(shape, np.float32) for shape in shapes]
    return _allocate_packed(shapes).arrays


def allocate_packed(*shapes: tuple[int, ...]) -> PackedBuffer:
    """Uninitialized float32 arrays in one PackedBuffer. The padding of their last lines is 0."""
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
    """Unused memory of at least this many bytes, from the pool or added to it."""
    global _allocations
    with _lock:
        _allocations += 1
        if _allocations % POOL_AGE == 0:
            _pool[:] = [buffer for buffer in _pool if not (buffer.is_old() and buffer.is_unused())]
        for buffer in _pool:
            if needed <= buffer.memory.nbytes <= 2 * needed and buffer.is_unused():
                break
        else:
            # It replaces an unused buffer that is a little too small. Otherwise each length would get one of its own.
            for buffer in _pool:
                if buffer.memory.nbytes < needed <= 2 * buffer.memory.nbytes and buffer.is_unused():
                    _pool.remove(buffer)
                    break
            buffer = _Buffer(np.empty(needed, np.uint8))
            _pool.append(buffer)
            while sum(pooled.memory.nbytes for pooled in _pool) > POOL_BYTES:
                del _pool[0]  # arrays that use it keep its memory
        buffer.last_allocation = _allocations
        return buffer.memory


def unpack(lines: np.ndarray, *shapes: tuple[int, ...]) -> list[np.ndarray]:
    """The arrays of a PackedBuffer, from its `lines` and their shapes."""
    return _unpack(lines, 0, shapes).arrays


def _unpack(memory: np.ndarray, start: int, shapes: Sequence[tuple[int, ...]]) -> PackedBuffer:
    arrays, end = [], start
    for shape in shapes:
        arrays.append(np.ndarray(shape, np.float32, memory, end))
        end += ALIGNMENT * lines_of(shape)
    return PackedBuffer(arrays, np.ndarray(((end - start) // ALIGNMENT, LINE), np.float32, memory, start))


def lines_of(shape: Sequence[int]) -> int:
    """How many lines an array of this shape takes."""
    return -(-math.prod(shape) // LINE)


def addresses(arrays) -> list[int]:
    """The addresses of C-contiguous arrays."""
    return [
        ctypes.addressof(_CHAR(array))  # takes a fifth of the interface's time
        if array.size and array.flags.writeable
        else array.__array_interface__["data"][0]
        for array in arrays
    ]

"""Arrays whose memory is used again: the pages of fresh memory cost a training step up to a seventh of its time."""

import math
import sys
import threading
from collections.abc import Sequence
from typing import NamedTuple

import numpy as np

ALIGNMENT = 64  # bytes; TensorFlow copies arrays that begin elsewhere
LINE = ALIGNMENT // 4  # float32
KEPT_BYTES = 2**30
FREE = 3  # references to memory that nothing uses: the list's, the name's and the call's

_memories: list[np.ndarray] = []
_lock = threading.Lock()


class Pieces(NamedTuple):
    """Float32 arrays, and all of them in one, `(lines, LINE)`, in which each begins with a line."""

    arrays: list[np.ndarray]
    lines: np.ndarray


def empty(*shapes: tuple[int, ...]) -> list[np.ndarray]:
    """Float32 arrays of any content. They share memory, which is used again when nothing uses any of them."""
    return pieces(*shapes).arrays


def pieces(*shapes: tuple[int, ...]) -> Pieces:
    """What `empty` makes, which may be handed on as one array."""
    needed = ALIGNMENT * (1 + sum(lines_of(shape) for shape in shapes))
    with _lock:
        for memory in _memories:
            if needed <= memory.nbytes <= 2 * needed and sys.getrefcount(memory) == FREE:
                break
        else:
            # In place of one that was for a batch a little shorter: each length would have its own in the end.
            for n in range(len(_memories)):
                memory = _memories[n]
                if memory.nbytes < needed <= 2 * memory.nbytes and sys.getrefcount(memory) == FREE:
                    del _memories[n]
                    break
            memory = np.empty(needed, np.uint8)
            _memories.append(memory)
            while sum(kept.nbytes for kept in _memories) > KEPT_BYTES:
                del _memories[0]  # what uses it keeps it
        (address,) = addresses([memory])
        return _cut(memory, -address % ALIGNMENT, shapes)


def cut(lines: np.ndarray, *shapes: tuple[int, ...]) -> list[np.ndarray]:
    """The arrays of a Pieces from its `lines`."""
    return _cut(lines, 0, shapes).arrays


def _cut(memory: np.ndarray, start: int, shapes: Sequence[tuple[int, ...]]) -> Pieces:
    arrays, end = [], start
    for shape in shapes:
        arrays.append(np.ndarray(shape, np.float32, memory, end))
        end += ALIGNMENT * lines_of(shape)
    return Pieces(arrays, np.ndarray(((end - start) // ALIGNMENT, LINE), np.float32, memory, start))


def lines_of(shape: Sequence[int]) -> int:
    """How many an array takes."""
    return -(-math.prod(shape) // LINE)


def addresses(arrays) -> list[int]:
    return [array.__array_interface__["data"][0] for array in arrays]  # quicker than array.ctypes

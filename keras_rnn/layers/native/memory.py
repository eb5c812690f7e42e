"""Arrays whose memory is used again: the pages of fresh memory cost a training step up to a seventh of its time."""

import math
import sys
import threading

import numpy as np

ALIGNMENT = 64  # bytes; TensorFlow copies arrays that begin elsewhere
KEPT_BYTES = 2**30
FREE = 3  # references to memory that nothing uses: the list's, the name's and the call's

_memories: list[np.ndarray] = []
_lock = threading.Lock()


def empty(*shapes: tuple[int, ...]) -> list[np.ndarray]:
    """Float32 arrays of any content. They share memory, which is used again when nothing uses any of them."""
    sizes = [-(-4 * math.prod(shape) // ALIGNMENT) * ALIGNMENT for shape in shapes]
    needed = sum(sizes) + ALIGNMENT
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
        start = -address % ALIGNMENT
        arrays = []
        for size, shape in zip(sizes, shapes, strict=True):
            arrays.append(np.ndarray(shape, np.float32, memory, start))
            start += size
        return arrays


def addresses(arrays) -> list[int]:
    return [array.__array_interface__["data"][0] for array in arrays]  # quicker than array.ctypes

"""The pool of memory."""

import numpy as np
import pytest

from keras_rnn.layers.native import guards, memory


@pytest.fixture
def pool(monkeypatch):
    """An empty pool, which small arrays come from, too."""
    if guards.ENABLED:
        pytest.skip("guarded arrays have no pool")
    monkeypatch.setattr(memory, "_pool", [])
    monkeypatch.setattr(memory, "SMALL_BYTES", 0)
    return monkeypatch


def test_unused_memory_is_reused(pool):
    first, second = memory.allocate((10, 3), (2,))
    address = first.ctypes.data
    assert (first.shape, second.shape) == ((10, 3), (2,))
    assert first.dtype == second.dtype == np.float32
    assert address % 64 == second.ctypes.data % 64 == 0
    first[...], second[...] = 1, 2
    assert first.min() == 1  # they do not overlap
    del first
    assert memory.allocate((10, 3), (2,))[0].ctypes.data != address  # `second` uses it
    del second
    assert memory.allocate((9, 3), (2,))[0].ctypes.data == address
    assert len(memory._pool) == 2


def test_a_buffer_replaces_one_that_is_a_little_too_small(pool):
    for rows in (100, 10, 120, 150, 110):
        memory.allocate((rows, 64))
    assert sorted(buffer.memory.nbytes // 256 for buffer in memory._pool) == [10, 150]
    used_array = memory.allocate((150, 64))
    memory.allocate((200, 64))
    assert sorted(buffer.memory.nbytes // 256 for buffer in memory._pool) == [10, 150, 200]
    assert used_array[0].shape == (150, 64)


def test_the_pool_has_a_bound(pool):
    pool.setattr(memory, "POOL_BYTES", 3000)
    arrays = [memory.allocate((200,))[0] for _ in range(5)]
    assert len({array.ctypes.data for array in arrays}) == 5
    assert sum(buffer.memory.nbytes for buffer in memory._pool) <= 3000


def test_memory_that_is_not_reused_is_freed(pool):
    pool.setattr(memory, "POOL_AGE", 10)
    held_array = memory.allocate((1000,))
    memory.allocate((10,))
    for _ in range(20):
        memory.allocate((100,))
    assert sorted(buffer.memory.nbytes // 400 for buffer in memory._pool) == [1, 10]  # one is in use
    held_array.clear()
    for _ in range(20):
        memory.allocate((100,))
    assert [buffer.memory.nbytes // 400 for buffer in memory._pool] == [1]

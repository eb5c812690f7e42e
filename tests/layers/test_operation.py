import numpy as np
import pytest
import tensorflow as tf

from keras_rnn.layers.native import guards, memory
from keras_rnn.layers.native.operation import operation

SHAPES = [(3, 5), (2, 16), (), (7,), (0, 4)]


pytestmark = pytest.mark.skipif(guards.ENABLED, reason="guarded arrays have no pool")


def numbered(*shapes):
    buffer = memory.allocate_packed(*shapes)
    for n, array in enumerate(buffer.arrays):
        array[...] = n + np.arange(array.size).reshape(array.shape) / 100
    return buffer


def test_arrays_are_unpacked_from_their_lines():
    buffer = numbered(*SHAPES)
    assert buffer.lines.shape == (5, memory.LINE)
    assert buffer.lines.ctypes.data % memory.ALIGNMENT == 0
    for array, unpacked in zip(buffer.arrays, memory.unpack(buffer.lines, *SHAPES), strict=True):
        np.testing.assert_array_equal(array, unpacked)
        assert array.ctypes.data % memory.ALIGNMENT == 0
        assert np.shares_memory(array, unpacked) == bool(array.size)


def test_memory_is_in_use_while_its_lines_are(monkeypatch):
    monkeypatch.setattr(memory, "_pool", [])
    lines = numbered((40, 3)).lines
    address = lines.ctypes.data
    assert memory.allocate_packed((40, 3)).lines.ctypes.data != address
    del lines
    assert memory.allocate_packed((40, 3)).lines.ctypes.data == address


@pytest.mark.parametrize("in_graph", [True, False])
@pytest.mark.parametrize("is_static", [True, False])
def test_tensors_are_the_packed_arrays(is_static, in_graph):
    expected = numbered(*SHAPES).arrays

    def make(sizes):
        shapes = [list(shape) if is_static else [sizes[n], *shape[1:]] for n, shape in enumerate(SHAPES)]
        shapes[2] = []
        return operation(lambda _: numbered(*SHAPES), [sizes], shapes)

    make = tf.function(make) if in_graph else make
    tensors = make(tf.constant([shape[0] if shape else 0 for shape in SHAPES]))
    for tensor, array in zip(tensors, expected, strict=True):
        assert tensor.shape == array.shape
        np.testing.assert_array_equal(tensor, array)

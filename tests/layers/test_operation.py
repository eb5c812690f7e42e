import numpy as np
import pytest
import tensorflow as tf

from keras_rnn.layers.native import guards, memory
from keras_rnn.layers.native.operation import operation

SHAPES = [(3, 5), (2, 16), (), (7,), (0, 4)]


pytestmark = pytest.mark.skipif(guards.ENABLED, reason="arrays between guards are of no pool")


def numbered(*shapes):
    made = memory.allocate_packed(*shapes)
    for n, array in enumerate(made.arrays):
        array[...] = n + np.arange(array.size).reshape(array.shape) / 100
    return made


def test_pieces_are_cut_out_of_their_lines():
    made = numbered(*SHAPES)
    assert made.lines.shape == (5, memory.LINE)
    assert made.lines.ctypes.data % memory.ALIGNMENT == 0
    for piece, again in zip(made.arrays, memory.unpack(made.lines, *SHAPES), strict=True):
        np.testing.assert_array_equal(piece, again)
        assert piece.ctypes.data % memory.ALIGNMENT == 0
        assert np.shares_memory(piece, again) == bool(piece.size)


def test_memory_is_used_while_only_its_lines_are(monkeypatch):
    monkeypatch.setattr(memory, "_pool", [])
    lines = numbered((40, 3)).lines
    address = lines.ctypes.data
    assert memory.allocate_packed((40, 3)).lines.ctypes.data != address
    del lines
    assert memory.allocate_packed((40, 3)).lines.ctypes.data == address


@pytest.mark.parametrize("in_graph", [True, False])
@pytest.mark.parametrize("known", [True, False])
def test_tensors_are_the_pieces(known, in_graph):
    expected = numbered(*SHAPES).arrays

    def make(sizes):
        shapes = [list(shape) if known else [sizes[n], *shape[1:]] for n, shape in enumerate(SHAPES)]
        shapes[2] = []
        return operation(lambda _: numbered(*SHAPES), [sizes], shapes)

    make = tf.function(make) if in_graph else make
    found = make(tf.constant([shape[0] if shape else 0 for shape in SHAPES]))
    for tensor, array in zip(found, expected, strict=True):
        assert tensor.shape == array.shape
        np.testing.assert_array_equal(tensor, array)

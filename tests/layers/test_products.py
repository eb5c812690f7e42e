import numpy as np
import pytest

from keras_rnn.layers.native.memory import addresses
from keras_rnn.layers.native.products import CACHED_ROWS, pack_matrix, products

SIZES = [(1, 1, 1), (2, 3, 65), (7, 64, 64), (CACHED_ROWS + 1, 6, 17), (2 * CACHED_ROWS + 5, 13, 130)]


def matrices(*shapes):
    rng = np.random.default_rng(0)
    return [rng.normal(size=shape).astype(np.float32) for shape in shapes]


@pytest.mark.parametrize(("rows", "size", "columns"), SIZES)
@pytest.mark.parametrize("transposed", [False, True])
def test_matmul(rows, size, columns, transposed):
    left, right = matrices((rows, size), (size, columns))
    product = np.full((rows, columns + 3), 7, np.float32)
    packed = pack_matrix(right.T.copy() if transposed else right, transposed=transposed)
    products().matmul(*addresses([left, packed, product]), rows, size, columns, columns + 3, 0)
    np.testing.assert_allclose(product[:, :columns], left @ right, atol=1e-4)
    assert (product[:, columns:] == 7).all()  # between the rows it writes nothing
    products().matmul(*addresses([left, packed, product]), rows, size, columns, columns + 3, 1)
    np.testing.assert_allclose(product[:, :columns], 2 * (left @ right), atol=2e-4)


@pytest.mark.parametrize(("rows", "size", "columns"), SIZES)
def test_add_transposed_matmul(rows, size, columns):
    left, right, before = matrices((rows, size), (rows, columns), (size, columns))
    total = before.copy()
    products().add_transposed_matmul(*addresses([left, right, total]), rows, size, columns)
    np.testing.assert_allclose(total, before + left.T @ right, atol=1e-4)


def test_packed_has_the_gates_of_a_panel_side_by_side():
    panels = pack_matrix(np.arange(2 * 2 * 20, dtype=np.float32).reshape(2, 40), gates=2, vectors=1)
    _, rows, gates, width = panels.shape
    assert (rows, gates) == (2, 2)
    by_unit = panels.transpose(1, 2, 0, 3).reshape(2, 2, -1)
    np.testing.assert_array_equal(by_unit[:, :, :20].reshape(2, 40), np.arange(80).reshape(2, 40))
    assert not by_unit[:, :, 20:].any()
    assert by_unit.shape[2] % width == 0

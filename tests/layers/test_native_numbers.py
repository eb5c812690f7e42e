"""NaNs, and saturated and closed gates, in machine code."""

import numpy as np
import pytest
import tensorflow as tf

from tests.layers.native_layers import KINDS, in_machine_code, layer_arrays


@pytest.mark.parametrize("kind", KINDS)
def test_a_nan_reaches_the_states_that_depend_on_it_and_no_other(kind):
    inputs, *rest = layer_arrays(kind, 3, 2, 4, 5)
    inputs = tf.tensor_scatter_nd_update(inputs, [[0, 1, 2]], [np.nan])
    h = in_machine_code(kind, inputs, *rest)[0].numpy()
    assert np.isfinite(h[:, 0]).all()
    assert np.isfinite(h[1]).all()
    assert np.isnan(h[0, 1:]).all()


def test_saturated_gates():
    one = tf.ones((1, 1))
    inputs = tf.constant([[[1000.0], [-1000.0]]])
    h, _ = in_machine_code("simple_rnn", inputs, one, one * 0, one[0] * 0, one * 0)
    np.testing.assert_allclose(np.ravel(h), [1, -1], atol=1e-6)


@pytest.mark.parametrize(
    ("bias", "h", "slope"),
    [(20.0, 1.0, 0.0), (-20.0, -1.0, 0.0), (1e5, 1.0, 0.0), (1e25, 1.0, 0.0), (1.0, 0.761594, 0.419974)],
)
def test_the_slope_of_a_saturated_unit(bias, h, slope):
    """1 - tanh(bias)^2, as a float32 has it."""
    arrays = [*layer_arrays("simple_rnn", 1, 1, 1, 1)[:3], tf.constant([bias]), tf.zeros((1, 1))]
    arrays[1:3] = [tf.zeros((1, 1))] * 2
    with tf.GradientTape() as tape:
        tape.watch(arrays)
        outputs, _ = in_machine_code("simple_rnn", *arrays)
    np.testing.assert_allclose(outputs[0, 0], [h], rtol=1e-5)
    np.testing.assert_allclose(tape.gradient(outputs, arrays[3]), [slope], rtol=1e-5, atol=0)


def test_a_closed_gate_has_all_its_digits():
    """An input gate of sigmoid(-20) = 2.0611536e-9, and its slope, which 1 - x would leave none of."""
    bias = tf.constant([-20.0, 0.0, 1.0, 100.0])
    zeros = [tf.zeros(shape) for shape in [(1, 1, 1), (1, 4), (1, 4)]]
    arrays = [*zeros, bias, tf.zeros((1, 1)), tf.zeros((1, 1))]
    with tf.GradientTape() as tape:
        tape.watch(arrays)
        _, states = in_machine_code("lstm", *arrays)
    expected = 2.0611536e-9 * np.tanh(1.0)
    np.testing.assert_allclose(states[1], [[expected]], rtol=1e-5)
    np.testing.assert_allclose(tape.gradient(states[1], arrays[3])[0], expected, rtol=1e-5)

"""Weight dropout: what it drops, when, and in which form the layer inside runs."""

import keras
import numpy as np
import pytest
import tensorflow as tf

import keras_rnn
from keras_rnn import UsageError
from keras_rnn.layers import WeightDropout

X = np.random.default_rng(0).normal(size=(3, 4, 5)).astype("float32")
MASK = np.array([[True] * 4, [True, True, False, False], [True, False, False, False]])


def layer_of(cell="LSTM", rate=0.5, seed=4, **options):
    layer = WeightDropout(getattr(keras_rnn, cell)(6, return_sequences=True, **options), rate, seed=seed)
    layer.build(X.shape)
    return layer


def call_with_kernel(layer, kernel):
    """The outputs of the layer inside, with this recurrent kernel."""
    before = layer.layer.cell.recurrent_kernel.numpy()
    layer.layer.cell.recurrent_kernel.assign(kernel)
    outputs = np.asarray(layer.layer(X))
    layer.layer.cell.recurrent_kernel.assign(before)
    return outputs


def test_predictions_are_those_of_the_layer():
    layer = layer_of()
    np.testing.assert_array_equal(layer(X), layer.layer(X))
    np.testing.assert_array_equal(layer(X, training=False), layer.layer(X))


@pytest.mark.parametrize("cell", ["LSTM", "GRU", "SimpleRNN"])
def test_training_uses_a_masked_recurrent_kernel_and_all_other_weights(cell):
    layer = layer_of(cell)
    kernel = layer.layer.cell.recurrent_kernel
    before = [weight.numpy() for weight in layer.layer.weights]
    seed = keras.random.SeedGenerator(4)
    first, second = (np.asarray(keras.random.dropout(kernel.value, 0.5, seed=seed)) for _ in range(2))
    assert set(np.round(np.unique(first / before[1]), 5)) == {0, 2}
    assert 0.35 < np.mean(first == 0) < 0.65
    np.testing.assert_allclose(layer(X, training=True), call_with_kernel(layer, first), atol=1e-6)
    np.testing.assert_allclose(layer(X, training=True), call_with_kernel(layer, second), atol=1e-6)  # another call
    assert not np.array_equal(first, second)
    for weight, value in zip(layer.layer.weights, before, strict=True):
        np.testing.assert_array_equal(weight, value)


def test_dropped_weights_have_no_gradient():
    layer = layer_of()
    kernel = layer.layer.cell.recurrent_kernel
    masked = np.asarray(keras.random.dropout(kernel.value, 0.5, seed=keras.random.SeedGenerator(4)))
    with tf.GradientTape() as tape:
        outputs = layer(X, training=True)
    gradient = np.asarray(tape.gradient(outputs, kernel.value))
    np.testing.assert_array_equal(gradient == 0, masked == 0)


@pytest.mark.parametrize("cell", ["LSTM", "GRU", "SimpleRNN"])
def test_the_layer_trains_in_machine_code(cell, never_keras_loop):
    layer = layer_of(cell)
    never_keras_loop()

    @tf.function
    def gradients(x):
        with tf.GradientTape() as tape:
            outputs = layer(x, mask=tf.constant(MASK), training=True)
        return tape.gradient(outputs, layer.trainable_variables)

    operations = gradients.get_concrete_function(X).graph.get_operations()
    assert "PyFuncStateless" in {op.type for op in operations}
    for gradient in gradients(X):
        assert np.abs(gradient).max() > 0


def test_seeds_that_the_layer_inside_draws_stay_drawn():
    layer = layer_of(dropout=0.5)
    state = layer.layer.cell.seed_generator.state
    before = state.numpy()
    layer(X, training=True)
    assert not np.array_equal(state.numpy(), before)


def test_a_stateless_call_gets_its_weights_and_returns_its_seeds():
    layer = layer_of()
    other = [np.full(weight.shape, 0.1, "float32") for weight in layer.trainable_variables]
    seeds = [variable.value for variable in layer.non_trainable_variables]
    outputs, after = layer.stateless_call(other, seeds, X, training=True)
    copy = layer_of()
    copy.layer.set_weights(other)
    np.testing.assert_allclose(outputs, copy(X, training=True), atol=1e-6)
    assert any(not np.array_equal(a, b) for a, b in zip(seeds, after, strict=True))


def test_masks_and_states_are_those_of_the_layer():
    layer = layer_of(return_state=True)
    states = [np.full((3, 6), value, "float32") for value in (0.5, -0.5)]
    for actual, expected in zip(
        layer(X, initial_state=states, mask=MASK), layer.layer(X, initial_state=states, mask=MASK), strict=True
    ):
        np.testing.assert_array_equal(actual, expected)


def test_a_file_keeps_the_layer_and_its_weights(tmp_path):
    inputs = keras.Input((None, 5))
    model = keras.Model(inputs, layer_of()(inputs))
    model.save(tmp_path / "model.keras")
    loaded = keras.saving.load_model(tmp_path / "model.keras")
    assert type(loaded.layers[-1].layer) is keras_rnn.LSTM
    assert loaded.layers[-1].rate == 0.5
    np.testing.assert_array_equal(loaded(X), model(X))
    np.testing.assert_array_equal(loaded(X, training=True), model(X, training=True))  # the generator's state, too


class Leaky(keras.layers.Layer):
    """h = tanh(x + leak h)"""

    state_size = output_size = 5

    def build(self, input_shape):
        self.leak = self.add_weight(shape=(5,), name="leak")

    def call(self, x, states):
        h = keras.ops.tanh(x + self.leak * states[0])
        return h, [h]


def test_a_cell_without_recurrent_kernel_is_an_error():
    layer = WeightDropout(keras.layers.RNN(Leaky(), name="leaky"), 0.5)
    with pytest.raises(UsageError, match="takes a cell with a weight called recurrent_kernel; 'leaky' has leak"):
        layer(X)
    with pytest.raises(UsageError, match="weight_dropout takes a number from 0 up to, but not including, 1, got 1"):
        WeightDropout(keras_rnn.LSTM(4), 1)

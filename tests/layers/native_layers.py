"""Layers in machine code, and the reference, as functions of the same arrays."""

import numpy as np
import tensorflow as tf
from hypothesis import strategies as st

from keras_rnn.layers.native import sequence
from tests.layers import native_reference as reference
from tests.layers.native_reference import GATES

KINDS = sorted(GATES)
SIZES = {
    "kind": st.sampled_from(KINDS),
    "time": st.integers(1, 9),
    "batch": st.integers(1, 30),
    "features": st.integers(1, 40),
    "units": st.sampled_from([1, 3, 8, 15, 16, 17, 24, 33, 64, 100]),
}


def layer_arrays(kind, time, batch, features, units, seed=0):
    """Inputs, kernels, biases and states."""
    rng = np.random.default_rng(seed)
    columns = GATES[kind] * units
    shapes = [(batch, time, features), (features, columns), (units, columns), (columns,)]
    shapes += [(columns,)] * (kind == "gru") + [(batch, units)] * (1 + (kind == "lstm"))
    scale = 1 / np.sqrt(units + features)  # of a network in which rounding errors do not grow
    return [tf.constant(rng.normal(0, scale, shape), tf.float32) for shape in shapes]


def direction(kind, inputs, kernel, recurrent_kernel, *biases_and_states, go_backwards=False):
    biases, states = biases_and_states[: 1 + (kind == "gru")], biases_and_states[1 + (kind == "gru") :]
    return sequence.Direction(inputs, kernel, recurrent_kernel, biases, states, go_backwards)


def in_machine_code(kind, *arrays, mask=None, go_backwards=False, **options):
    """Outputs and last states of a layer of one direction; options are those of `sequence.sequence`."""
    directions = [direction(kind, *arrays, go_backwards=go_backwards)]
    outputs, (states,) = sequence.sequence(kind, mask, directions, **options)
    return outputs, states


def with_gradients(function, kind, arrays, **options):
    """Outputs and last states, and the gradients of a loss made of them."""
    with tf.GradientTape() as tape:
        tape.watch(arrays)
        results = tf.nest.flatten(function(kind, *arrays, **options))
        loss = sum(tf.reduce_sum(tf.sin(tensor) * (n + 1)) for n, tensor in enumerate(results))
    return [*results, *tape.gradient(loss, arrays)]


def in_reference(kind, arrays):
    """What `with_gradients` returns, by the reference, of a layer that goes forwards without a mask."""
    inputs, kernel, recurrent_kernel, *rest = (array.numpy() for array in arrays)
    weights, states = (
        reference.Weights(kernel, recurrent_kernel, rest[: 1 + (kind == "gru")]),
        rest[1 + (kind == "gru") :],
    )
    result = reference.forward(kind, inputs, weights, states)
    d_outputs, *d_states = (np.cos(array) * (n + 1) for n, array in enumerate([result.outputs, *result.last_states]))
    gradients = reference.backward(kind, inputs, weights, result, d_outputs, d_states)
    d_weights = gradients.d_weights
    return [
        result.outputs,
        *result.last_states,
        gradients.d_inputs,
        *d_weights[:2],
        *d_weights.biases,
        *gradients.d_initial_states,
    ]


def assert_alike(actual, expected):
    for actual_array, expected_array in zip(actual, expected, strict=True):
        expected_array = np.asarray(expected_array)
        np.testing.assert_allclose(
            actual_array, expected_array, atol=1e-5 * max(1, np.abs(expected_array).max(initial=0))
        )

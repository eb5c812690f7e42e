"""Keras' layers and ours with the same weights, and what is compared of them."""

import functools

import keras
import numpy as np
import tensorflow as tf

from keras_rnn import layers
from keras_rnn.layers import tf_lstm

TIME, FEATURES, BATCH = 5, 3, 5
LENGTHS = np.array([5, 3, 0, 1, 4])
MASKS = {
    "none": None,
    "right padding, one row empty": np.arange(TIME) < LENGTHS[:, np.newaxis],
    "left padding": np.arange(TIME) >= LENGTHS[:, np.newaxis],
    "holes": np.random.default_rng(1).random((BATCH, TIME)) < 0.5,
    "nothing": np.zeros((BATCH, TIME), bool),
    "everything": np.ones((BATCH, TIME), bool),
}
# With the fixture `few_block_rows` an LSTM of this many units predicts in a loop, and one of fewer in TensorFlow's op.
LOOP_UNITS = 40
BLOCK_WORK = tf_lstm.BLOCK_WORK
CELLS = [("SimpleRNN", 4), ("GRU", 4), ("LSTM", 4), ("LSTM", LOOP_UNITS)]


def values(*shape, seed=0):
    return np.random.default_rng(seed).normal(size=shape).astype("float32")


def pair(name, units, bidirectional=False, features=FEATURES, batch=None, **options):
    """Keras' layer and ours of one name, with the same weights, none of them zero."""
    both = []
    for module in (keras.layers, layers):
        layer = getattr(module, name)(units, bias_initializer="uniform", **options)
        layer = module.Bidirectional(layer) if bidirectional else layer
        layer.build((batch, None, features))
        both.append(layer)
    theirs, ours = both
    ours.set_weights(theirs.get_weights())
    return theirs, ours


def graph_of_everything(layer, training=False):
    """A traced function of x, a mask and initial states: all outputs, and the gradients of a loss made of them with
    respect to x, the initial states and the weights.

    Eager calls would run in Keras' loop. One trace serves all masks of a shape.
    """

    @tf.function
    def outputs_and_gradients(x, mask, states):
        with tf.GradientTape() as tape:
            tape.watch([x, *states])
            outputs = tf.nest.flatten(layer(x, mask=mask, initial_state=states or None, training=training))
            loss = sum(tf.reduce_sum(tf.sin(output) * (n + 1)) for n, output in enumerate(outputs))
        watched = [x, *states, *(weight.value for weight in layer.trainable_variables)]
        return outputs, tape.gradient(loss, watched, unconnected_gradients="zero")

    return outputs_and_gradients


def everything(layer, x, mask=None, states=(), training=False):
    """What `graph_of_everything` computes of one call."""
    mask = None if mask is None else tf.convert_to_tensor(mask)
    return graph_of_everything(layer, training)(tf.convert_to_tensor(x), mask, [tf.constant(state) for state in states])


def traced(layer, x, **options):
    """The outputs of a layer in a function."""
    return tf.function(functools.partial(layer, **options), autograph=False)(tf.convert_to_tensor(x))


def assert_alike(theirs, ours, what=""):
    for expected, actual in zip(theirs[0], ours[0], strict=True):
        np.testing.assert_allclose(actual, expected, atol=5e-6, err_msg=what)
    for expected, actual in zip(theirs[1], ours[1], strict=True):
        np.testing.assert_allclose(actual, expected, atol=1e-5 * max(1, np.abs(expected).max()), err_msg=what)

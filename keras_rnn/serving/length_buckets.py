"""A large batch of texts, divided into buckets of similar length that run in parallel with less padding."""

from collections.abc import Callable

import keras
import tensorflow as tf

from keras_rnn.layers.recurrent import LSTM
from keras_rnn.layers.tf_cells import max_block_rows
from keras_rnn.training.device import recurrent_layers

# Measured on two cores, for 64 texts: fewer or more buckets are slower, and so are buckets with over 80 units.
LENGTH_BUCKETS = 8
MIN_ROWS = 64
MAX_UNITS = 80


def gains_from_length_buckets(network: keras.Model) -> bool:
    """Whether each layer runs a bucket in one op, and the output of a row is a vector, as long in every bucket.

    A loop costs hardly less for fewer rows.
    """
    if len(getattr(network, "output_shape", ())) != 2:
        return False
    is_quick = runs_in_one_op(network, MIN_ROWS // LENGTH_BUCKETS)
    return is_quick and all(layer.units <= MAX_UNITS for layer in recurrent_layers(network))


def runs_in_one_op(network: keras.Model, rows: int) -> bool:
    """Whether the network has recurrent layers, and all are LSTMs that run this number of rows in one op."""
    layers = recurrent_layers(network)
    return bool(layers) and all(isinstance(layer, LSTM) and max_block_rows(layer.units) >= rows for layer in layers)


def run_in_length_buckets(network: Callable, token_ids):
    """Returns `network(token_ids)`, where a row's output depends neither on other rows nor on padding.

    Args:
        network: a function of token ids int32 `(rows, time)`, `time` at least 1, that returns a tensor `(rows, ...)`.
        token_ids: int32 `(rows, time)`, 0 for padding, right-padded.
    """

    # Not inlined: inlined ops would cost a little in every call, also in one that takes the other branch.
    @tf.function(input_signature=[tf.TensorSpec((None, None), tf.int32)], experimental_attributes={"_noinline": True})
    def run_buckets(token_ids):
        rows, positions = tf.shape(token_ids)[0], tf.range(1, tf.shape(token_ids)[1] + 1)
        lengths = tf.reduce_max(tf.where(token_ids != 0, positions, 1), axis=1)
        order = tf.argsort(lengths, stable=True)
        outputs = []
        for bucket in range(LENGTH_BUCKETS):
            bucket_rows = order[rows * bucket // LENGTH_BUCKETS : rows * (bucket + 1) // LENGTH_BUCKETS]
            longest = lengths[bucket_rows[-1]]
            outputs.append(network(tf.gather(token_ids[:, :longest], bucket_rows)))
        return tf.gather(tf.concat(outputs, 0), tf.math.invert_permutation(order))

    return tf.cond(tf.shape(token_ids)[0] >= MIN_ROWS, lambda: run_buckets(token_ids), lambda: network(token_ids))

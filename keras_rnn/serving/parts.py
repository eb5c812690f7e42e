"""Many texts at once, in parts of like length that run side by side and are padded no further than they must be."""

from collections.abc import Callable

import keras
import tensorflow as tf

from keras_rnn.layers.recurrent import LSTM
from keras_rnn.layers.tf_cells import max_block_rows
from keras_rnn.training.device import recurrent_layers

# Measured on two cores: of 64 texts fewer or more parts are slower, and so is each part of some more units than 80.
PARTS = 8
LEAST_ROWS = 64
MOST_UNITS = 80


def gains_from_parts(network: keras.Model) -> bool:
    """Whether it runs a part in one op a layer; a loop costs hardly less for fewer rows."""
    of_lstms = in_one_op(network, LEAST_ROWS // PARTS)
    return of_lstms and all(layer.units <= MOST_UNITS for layer in recurrent_layers(network))


def in_one_op(network: keras.Model, rows: int) -> bool:
    """Whether all its recurrent layers are LSTMs that run so many rows in one op each, and there are some."""
    layers = recurrent_layers(network)
    return bool(layers) and all(isinstance(layer, LSTM) and max_block_rows(layer.units) >= rows for layer in layers)


def in_parts(network: Callable, token_ids):
    """`network(token_ids)` for rows that do not depend on each other, nor on the padding behind them.

    Args:
        network: from token ids int32 `(rows, time)`, `time` at least 1, to a tensor `(rows, ...)`.
        token_ids: int32 `(rows, time)`, 0 for padding, right-padded.
    """

    # Not inlined: of a graph that has them, and for few rows runs without, each op of the parts would take a moment.
    @tf.function(input_signature=[tf.TensorSpec((None, None), tf.int32)], experimental_attributes={"_noinline": True})
    def parts(token_ids):
        rows, places = tf.shape(token_ids)[0], tf.range(1, tf.shape(token_ids)[1] + 1)
        lengths = tf.reduce_max(tf.where(token_ids != 0, places, 1), axis=1)
        order = tf.argsort(lengths, stable=True)
        results = []
        for part in range(PARTS):
            of_part = order[rows * part // PARTS : rows * (part + 1) // PARTS]
            longest = lengths[of_part[-1]]
            results.append(network(tf.gather(token_ids[:, :longest], of_part)))
        return tf.gather(tf.concat(results, 0), tf.math.invert_permutation(order))

    return tf.cond(tf.shape(token_ids)[0] >= LEAST_ROWS, lambda: parts(token_ids), lambda: network(token_ids))

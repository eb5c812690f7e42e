"""One text at a time: a network of its own, in which nothing is masked and a row is known to be the only one.

A single text has no padding, so that what puts steps behind a mask in order, and what chooses by the number of rows,
is left out: for a small network that takes as long as one of its layers.
"""

from collections.abc import Callable

import keras
import numpy as np
import tensorflow as tf

from keras_rnn.serving.check import TOLERANCE

ONE_TEXT = tf.TensorSpec((1, None), tf.int32, "token_ids")
PROBED = 32  # ids of the row that tells whether a network masks more than padding


def one_or_many(one: Callable, many: Callable, token_ids):
    """`one(token_ids)` where they are of a single row without padding, else `many(token_ids)`.

    Args:
        one: from token ids int32 `(1, time)`.
        many: from token ids int32 `(rows, time)`, to what `one` gives, for each row.
        token_ids: int32 `(rows, time)`, 0 for padding.
    """
    single = tf.logical_and(tf.shape(token_ids)[0] == 1, tf.reduce_all(token_ids != 0))
    return tf.cond(single, lambda: one(tf.ensure_shape(token_ids, ONE_TEXT.shape)), lambda: many(token_ids))


def without_masks(network: keras.Model, vocabulary_size: int) -> keras.Model | None:
    """The network, of the same layers and weights, for token ids without padding: no layer is given a mask.

    None where it would be another one, since it masks more than padding, or where its layers are in no graph.

    Args:
        network: a token model of ids below `vocabulary_size`.
    """
    if not hasattr(network, "inputs"):  # a class of the user's own
        return None

    def call_unmasked(layer, *args, mask=None, **kwargs):
        # What a layer gives carries the mask of the next; a copy has none, and costs nothing in a graph.
        return keras.tree.map_structure(keras.ops.copy, layer(*args, **kwargs))

    graph = keras.Model(network.inputs[0], network.outputs[0])  # of a Sequential, too
    unmasked = keras.models.clone_model(graph, clone_function=lambda layer: layer, call_function=call_unmasked)
    ids = np.arange(1, min(vocabulary_size, 1 + PROBED))
    token_ids = tf.constant([[*ids, *ids[::-1]]], tf.int32)  # the unknown word, 1, where either direction ends
    both = tf.function(lambda row: (network(row, training=False), unmasked(row, training=False)))  # eagerly slower
    with tf.device("CPU:0"):
        expected, actual = both(token_ids)
    return unmasked if np.allclose(expected, actual, rtol=TOLERANCE, atol=TOLERANCE) else None

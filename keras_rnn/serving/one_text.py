"""A separate network for a single text. It masks nothing, and its number of rows is known to be 1.

A single text has no padding, so this network needs neither the ops that order masked steps nor those that choose by
the number of rows. In a small network these ops take as long as one of its layers.
"""

from collections.abc import Callable, Iterator
from contextlib import contextmanager

import keras
import numpy as np
import tensorflow as tf

from keras_rnn.tasks.contract import TOLERANCE
from keras_rnn.training.device import recurrent_layers

ONE_TEXT = tf.TensorSpec((1, None), tf.int32, "token_ids")
PROBE_IDS = 32  # number of ids in the row that shows whether a network masks more than padding


def single_row_or_batch(single_row: Callable, batch: Callable, token_ids):
    """Returns `single_row(token_ids)` for one row without padding, else `batch(token_ids)`.

    Args:
        single_row: a function of token ids int32 `(1, time)`.
        batch: a function of token ids int32 `(rows, time)` that gives the same for each row.
        token_ids: int32 `(rows, time)`, 0 for padding.
    """
    is_single = tf.logical_and(tf.shape(token_ids)[0] == 1, tf.reduce_all(token_ids != 0))
    return tf.cond(is_single, lambda: single_row(tf.ensure_shape(token_ids, ONE_TEXT.shape)), lambda: batch(token_ids))


def without_masks(network: keras.Model, vocabulary_size: int) -> keras.Model | None:
    """Returns a network of the same layers and weights for token ids without padding: no layer gets a mask.

    Returns None if this network gives other outputs, since the original masks more than padding. Returns None for a
    subclassed model, whose layers are in no graph.

    Args:
        network: a token model of ids below `vocabulary_size`.
    """
    if not hasattr(network, "inputs"):  # a subclassed model
        return None

    def call_unmasked(layer, *args, mask=None, **kwargs):
        # An output carries the mask for the next layer. A copy has none, and costs nothing in a graph.
        return keras.tree.map_structure(keras.ops.copy, layer(*args, **kwargs))

    graph = keras.Model(network.inputs[0], network.outputs[0])  # a Sequential becomes one, too
    unmasked = keras.models.clone_model(graph, clone_function=lambda layer: layer, call_function=call_unmasked)
    ids = np.arange(1, min(vocabulary_size, 1 + PROBE_IDS))
    token_ids = tf.constant([[*ids, *ids[::-1]]], tf.int32)  # the unknown word, 1, is last in both directions
    # A traced function: eager calls step through the ids op by op.
    run_both = tf.function(lambda row: (network(row, training=False), unmasked(row, training=False)))
    with tf.device("CPU:0"), without_cudnn(network):
        expected, actual = run_both(token_ids)
    return unmasked if np.allclose(expected, actual, rtol=TOLERANCE, atol=TOLERANCE) else None


@contextmanager
def without_cudnn(network: keras.Model) -> Iterator[None]:
    """Functions that are traced meanwhile run on a CPU."""
    layers = [layer for layer in recurrent_layers(network) if hasattr(layer, "use_cudnn")]
    settings = [layer.use_cudnn for layer in layers]
    for layer in layers:
        layer.use_cudnn = False
    try:
        yield
    finally:
        for layer, setting in zip(layers, settings, strict=True):
            layer.use_cudnn = setting

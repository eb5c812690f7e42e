import keras
import numpy as np
import pytest
import tensorflow as tf
from keras import ops

from keras_rnn import text_classifier
from keras_rnn.layers import LSTM, POOLINGS, TokenEmbedding, list_cells
from keras_rnn.serving.one_text import ONE_TEXT, single_row_or_batch, without_masks

WORDS = 9


@pytest.mark.parametrize(
    ("token_ids", "branch"),
    [([[1, 2]], "one"), ([[1]], "one"), ([[1, 0]], "many"), ([[0, 1]], "many"), ([[1], [2]], "many")],
)
def test_a_single_row_without_padding_goes_its_own_way(token_ids, branch):
    graph = tf.function(
        lambda ids: single_row_or_batch(lambda row: tf.constant("one"), lambda rows: tf.constant("many"), ids),
        input_signature=[tf.TensorSpec((None, None), tf.int32)],
    )
    assert graph(tf.constant(token_ids)).numpy().decode() == branch


def ops_of(network):
    graph = tf.function(lambda ids: network(ids, training=False), input_signature=[ONE_TEXT]).get_concrete_function()
    library = graph.graph.as_graph_def().library
    return {node.op for node in graph.graph.as_graph_def().node} | {n.op for f in library.function for n in f.node_def}


@pytest.mark.parametrize("pooling", POOLINGS)
@pytest.mark.parametrize("cell", list_cells())
def test_without_masks_the_answers_to_whole_rows_are_the_same(cell, pooling):
    network = text_classifier(
        num_classes=3,
        vocabulary_size=WORDS,
        cell=cell,
        hidden_size=4,
        num_layers=2,
        bidirectional=True,
        pooling=pooling,
    )
    token_ids = tf.constant([[3, 1, 8, 2, 5]])
    unmasked = without_masks(network, WORDS)
    np.testing.assert_allclose(unmasked(token_ids), network(token_ids), atol=1e-6)
    assert {"ScatterNd", "Cumsum"}.isdisjoint(ops_of(unmasked))
    assert {weight.path for weight in unmasked.weights} == {weight.path for weight in network.weights}


def test_a_small_lstm_takes_one_op_a_direction_and_chooses_nothing():
    network = text_classifier(num_classes=2, vocabulary_size=WORDS, cell="lstm", hidden_size=100, bidirectional=True)
    assert "BlockLSTMV2" in ops_of(without_masks(network, WORDS))
    assert {"If", "StatelessIf", "While", "StatelessWhile"}.isdisjoint(ops_of(without_masks(network, WORDS)))


def with_a_mask_of_its_own():
    """A network whose mask leaves out unknown words."""
    token_ids = keras.Input((None,), dtype="int32")
    x = LSTM(4)(TokenEmbedding(WORDS, 4)(token_ids), mask=ops.greater(token_ids, 1))
    return keras.Model(token_ids, keras.layers.Dense(2)(x))


class OfTheUsersOwn(keras.Model):
    def call(self, token_ids):
        return ops.one_hot(token_ids, 2)[:, 0]


@pytest.mark.parametrize("network", [with_a_mask_of_its_own, OfTheUsersOwn])
def test_networks_that_would_answer_otherwise_have_none(network):
    assert without_masks(network(), WORDS) is None


def test_layers_in_a_row_are_a_graph():
    network = keras.Sequential(
        [keras.Input((None,), dtype="int32"), TokenEmbedding(WORDS, 4, mask_zero=True), LSTM(4), keras.layers.Dense(2)]
    )
    token_ids = tf.constant([[3, 1, 8]])
    np.testing.assert_allclose(without_masks(network, WORDS)(token_ids), network(token_ids), atol=1e-6)

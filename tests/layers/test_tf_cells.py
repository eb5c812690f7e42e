"""The graph form: its sizes, and the forms of an LSTM in it."""

import functools

import numpy as np
import pytest
import tensorflow as tf

from keras_rnn.layers import tf_cells, tf_loop, tf_lstm
from tests.layers.recurrent_pairs import (
    BATCH,
    BLOCK_WORK,
    CELLS,
    FEATURES,
    LOOP_UNITS,
    MASKS,
    TIME,
    assert_alike,
    everything,
    pair,
    values,
)

pytestmark = pytest.mark.usefixtures("few_block_rows")


@pytest.mark.parametrize(("name", "units"), CELLS)
def test_one_graph_takes_sequences_of_any_length(name, units, each_way):
    theirs, ours = pair(name, units, return_sequences=True, zero_output_for_mask=True)
    signature = [tf.TensorSpec((None, None, FEATURES)), tf.TensorSpec((None, None), tf.bool)]

    def in_graph(layer, training=False):
        graph = tf.function(functools.partial(everything, layer, training=training), input_signature=signature)
        return [
            graph(values(2, steps, FEATURES), np.arange(steps) < np.array([[steps], [(steps + 1) // 2]]))
            for steps in (1, 2, 200)
        ]

    expected = in_graph(theirs)
    for training in each_way():
        for both in zip(expected, in_graph(ours, training), strict=True):
            assert_alike(*both)


def test_products_of_the_inputs_are_taken_ahead_if_both_kernels_are_large(monkeypatch):
    monkeypatch.setattr(tf_loop, "ONE_PRODUCT_UNITS", LOOP_UNITS - 1)
    x, mask = values(BATCH, TIME, FEATURES), MASKS["holes"]
    theirs, ours = pair("LSTM", LOOP_UNITS, return_sequences=True)
    assert_alike(everything(theirs, x, mask), everything(ours, x, mask))
    graph = tf.function(functools.partial(ours, mask=tf.constant(mask))).get_concrete_function(x).graph
    assert [op.type for op in graph.get_operations()].count("MatMul") == 1  # the others are in the loop


@pytest.mark.parametrize("rows", [32, 33])  # where one form of an LSTM of 64 gives way to the other
def test_few_and_many_rows_of_one_graph(rows, monkeypatch):
    monkeypatch.setattr(tf_lstm, "BLOCK_WORK", BLOCK_WORK)
    theirs, ours = pair("LSTM", 64, return_sequences=True, return_state=True)
    x = values(rows, TIME, FEATURES)
    mask = np.arange(TIME) < np.arange(rows)[:, np.newaxis] % (TIME + 1)
    signature = [tf.TensorSpec((None, None, FEATURES)), tf.TensorSpec((None, None), tf.bool)]
    graph = tf.function(functools.partial(everything, ours), input_signature=signature)
    assert_alike(everything(theirs, x, mask), graph(x, mask))


@pytest.mark.parametrize(
    ("rows", "ops"),
    [
        (32, {"BlockLSTMV2"}),
        (33, {"StatelessWhile"}),
        (None, {"StatelessIf", "BlockLSTMV2", "StatelessWhile"}),
    ],
)
def test_a_graph_holds_only_the_form_of_an_lstm_that_its_rows_take(rows, ops, monkeypatch):
    monkeypatch.setattr(tf_lstm, "BLOCK_WORK", BLOCK_WORK)
    _, ours = pair("LSTM", 64, return_sequences=True)
    graph = tf.function(ours).get_concrete_function(tf.TensorSpec((rows, None, FEATURES))).graph.as_graph_def()
    nodes = [*graph.node, *(node for function in graph.library.function for node in function.node_def)]
    forms = {"StatelessIf", "If", "BlockLSTMV2", "StatelessWhile", "While"}
    assert {node.op for node in nodes} & forms == ops


@pytest.mark.parametrize(("units", "times"), [(4, 1), (LOOP_UNITS, 0)])
def test_constant_kernels_are_concatenated_when_the_graph_is_traced(units, times):
    kernel, recurrent_kernel = values(FEATURES, 4 * units), values(units, 4 * units)
    zeros = np.zeros((BATCH, units), "float32")

    def lstm(steps):
        weights = [tf.constant(weight) for weight in (kernel, recurrent_kernel, values(4 * units))]
        return tf_cells.lstm(steps, *weights, zeros, zeros, return_cells=False, training=False)[0]

    graph = tf.function(lstm).get_concrete_function(tf.TensorSpec((None, BATCH, FEATURES))).graph.as_graph_def()
    nodes = [*graph.node, *(node for function in graph.library.function for node in function.node_def)]
    constants = [tf.make_ndarray(node.attr["value"].tensor) for node in nodes if node.op == "Const"]
    joined = np.concatenate([kernel, recurrent_kernel])
    assert sum(np.array_equal(constant, joined) for constant in constants) == times

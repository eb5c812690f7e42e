"""Which calls of a layer run in which form."""

import functools

import keras
import numpy as np
import pytest
import tensorflow as tf

from keras_rnn.layers import forms, recurrent
from tests.layers.recurrent_pairs import BATCH, FEATURES, MASKS, TIME, pair, traced, values

pytestmark = pytest.mark.usefixtures("few_block_rows")


@pytest.mark.parametrize("name", ["SimpleRNN", "GRU", "LSTM"])
def test_predictions_for_this_process_run_in_machine_code_and_others_in_a_graph(name):
    x, mask = values(BATCH, TIME, FEATURES), tf.constant(MASKS["right padding, one row empty"])
    theirs, ours = pair(name, 4, return_sequences=True)

    def predict():
        graph = tf.function(lambda x: ours(x, mask=mask, training=False), autograph=False)
        kinds = {op.type for op in graph.get_concrete_function(x).graph.get_operations()}
        np.testing.assert_allclose(graph(x), theirs(x, mask=mask), atol=5e-6)
        return "PyFuncStateless" in kinds

    assert not predict()
    with forms.for_this_process():
        assert predict()
    assert not predict()


def test_a_layer_that_is_not_fused_runs_in_keras_loop():
    theirs, ours = pair("GRU", 4)
    x = values(BATCH, TIME, FEATURES)
    ours.fused = False
    np.testing.assert_array_equal(traced(ours, x, training=True), traced(theirs, x))


@pytest.mark.parametrize(
    ("name", "units", "mask", "bidirectional", "theirs"),
    [
        ("LSTM", recurrent.KERAS_LOOP_UNITS + 1, None, False, True),
        ("GRU", recurrent.KERAS_LOOP_UNITS + 1, None, False, True),
        ("SimpleRNN", 4, None, False, True),
        ("SimpleRNN", 4, None, True, False),
        ("GRU", recurrent.KERAS_LOOP_UNITS, None, False, False),
        ("GRU", recurrent.KERAS_LOOP_UNITS + 1, MASKS["holes"], False, False),
        ("GRU", recurrent.KERAS_LOOP_UNITS + 1, MASKS["holes"], True, False),
        ("GRU", recurrent.KERAS_LOOP_UNITS + 1, None, True, True),
        ("LSTM", recurrent.KERAS_LOOP_UNITS + 1, None, True, False),
    ],
)
def test_predictions_take_keras_loop_where_it_is_faster(name, units, mask, bidirectional, theirs, never_keras_loop):
    _, ours = pair(name, units, bidirectional)
    never_keras_loop()
    x = values(BATCH, TIME, FEATURES)
    mask = None if mask is None else tf.constant(mask)
    traced(ours, x, mask=mask, training=True)
    if theirs:
        with pytest.raises(AssertionError, match="Keras' loop ran"):
            traced(ours, x, mask=mask)
    else:
        traced(ours, x, mask=mask)


@pytest.mark.parametrize("name", ["LSTM", "GRU", "SimpleRNN"])
def test_a_prediction_of_one_row_never_takes_keras_loop(name, never_keras_loop):
    theirs, ours = pair(name, recurrent.KERAS_LOOP_UNITS + 1)
    x = values(1, TIME, FEATURES)
    expected = theirs(x)
    never_keras_loop()
    np.testing.assert_allclose(traced(ours, x), expected, atol=1e-6)


@pytest.mark.parametrize("name", ["LSTM", "GRU"])
def test_where_there_is_a_gpu_keras_chooses(name, monkeypatch):
    _, ours = pair(name, 4)
    real = tf.config.list_logical_devices
    monkeypatch.setattr(tf.config, "list_logical_devices", lambda kind=None: ["a GPU"] if kind == "GPU" else real(kind))
    chosen = []
    monkeypatch.setattr(
        getattr(keras.layers, name), "inner_loop", lambda self, *args, **kwargs: chosen.append(self) or 1 / 0
    )
    with pytest.raises(ZeroDivisionError):
        traced(ours, values(BATCH, TIME, FEATURES))
    assert chosen == [ours]


@pytest.mark.parametrize("name", ["SimpleRNN", "GRU", "LSTM"])
def test_a_strategy_has_a_graph_that_runs_on_any_device(name):
    with tf.distribute.MirroredStrategy(["CPU:0"]).scope():
        _, layer = pair(name, 4)
        trained = tf.function(functools.partial(layer, training=True))
        graph = trained.get_concrete_function(tf.TensorSpec((None, None, FEATURES))).graph.as_graph_def()
    assert not any("PyFunc" in node.op for node in graph.node)

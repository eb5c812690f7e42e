"""Both directions of a Bidirectional layer are those of Keras."""

import keras
import numpy as np
import pytest
import tensorflow as tf

from keras_rnn import layers
from keras_rnn.layers import forms
from tests.layers.recurrent_pairs import (
    BATCH,
    CELLS,
    FEATURES,
    MASKS,
    TIME,
    assert_alike,
    everything,
    pair,
    traced,
    values,
)

pytestmark = pytest.mark.usefixtures("few_block_rows")


@pytest.mark.parametrize(("name", "units"), CELLS)
@pytest.mark.parametrize("mask", ["none", "right padding, one row empty", "holes"])
def test_both_directions_are_those_of_keras(name, units, mask, each_way, never_keras_loop):
    x, mask = values(BATCH, TIME, FEATURES), MASKS[mask]
    states = [values(BATCH, units, seed=n + 1) for n in range(4 if name == "LSTM" else 2)]
    theirs, ours = pair(name, units, bidirectional=True, return_sequences=True, return_state=True)
    expected = everything(theirs, x, mask, states)
    never_keras_loop()
    for training in each_way():
        assert_alike(expected, everything(ours, x, mask, states, training))


@pytest.mark.parametrize("name", ["SimpleRNN", "GRU", "LSTM"])
@pytest.mark.parametrize("sequences", [True, False])
def test_both_directions_run_together(name, sequences):
    x, mask = values(BATCH, TIME, FEATURES), MASKS["holes"]
    theirs, ours = pair(name, 4, bidirectional=True, return_sequences=sequences, zero_output_for_mask=not sequences)
    for case_mask in (mask, None):
        assert_alike(everything(theirs, x, case_mask), everything(ours, x, case_mask, training=True))
    with forms.for_this_process():
        graph = tf.function(ours).get_concrete_function(tf.TensorSpec((None, None, FEATURES))).graph
    kinds = [op.type for op in graph.get_operations()]
    assert kinds.count("PyFuncStateless") == 1
    assert "ReverseV2" not in kinds


@pytest.mark.parametrize("name", ["GRU", "LSTM"])  # a SimpleRNN's config leaves the seed out, Keras' too
def test_each_direction_drops_inputs_of_its_own(name):
    x = np.ones((4, TIME, 8), "float32")
    theirs, ours = pair(name, 4, bidirectional=True, features=8, dropout=0.5, seed=3, return_sequences=True)
    for _ in range(2):
        np.testing.assert_allclose(traced(ours, x, training=True), theirs(x, training=True), atol=5e-6)


@pytest.mark.parametrize(
    "options",
    [
        {"merge_mode": "sum"},
        {"merge_mode": None},
        {"backward_layer": {"units": 3, "go_backwards": True}},
        {"layer": {"go_backwards": True}, "backward_layer": {"units": 4}},
        {"layer": {"stateful": True}},
    ],
)
def test_directions_that_cannot_run_together_run_apart(options):
    x, both = values(BATCH, TIME, FEATURES), []
    for module in (keras.layers, layers):
        layer = module.LSTM(4, return_sequences=True, **options.get("layer", {}))
        further = {"merge_mode": options.get("merge_mode", "concat")}
        if "backward_layer" in options:
            further["backward_layer"] = module.LSTM(return_sequences=True, **options["backward_layer"])
        both.append(module.Bidirectional(layer, **further))
        both[-1].build(x.shape)
    theirs, ours = both
    ours.set_weights(theirs.get_weights())
    assert_alike(everything(theirs, x), everything(ours, x, training=True))


def traced_losses(layer, x):
    return tf.function(lambda x: (layer(x, training=True), layer.losses)[1])(x)


def test_each_direction_adds_its_activity_regularizer():
    x = values(BATCH, TIME, FEATURES)
    both = pair("LSTM", 4, bidirectional=True, activity_regularizer="l2")
    theirs, ours = ([*traced_losses(layer, x)] for layer in both)
    assert len(theirs) == 2
    np.testing.assert_allclose(ours, theirs, rtol=1e-5)


def test_directions_in_float32_of_a_layer_in_float16():
    x, both = values(BATCH, TIME, FEATURES), []
    for module in (keras.layers, layers):
        both.append(module.Bidirectional(module.LSTM(4, dtype="float32"), dtype="mixed_float16"))
        both[-1].build(x.shape)
    theirs, ours = both
    ours.set_weights(theirs.get_weights())
    outputs = traced(ours, x, training=True)
    assert outputs.dtype == tf.float16
    np.testing.assert_allclose(outputs, theirs(x, training=True), atol=2e-3)

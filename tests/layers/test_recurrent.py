"""Recurrent layers give the outputs, states and gradients of Keras."""

import numpy as np
import pytest
import tensorflow as tf

from tests.layers.recurrent_pairs import (
    BATCH,
    CELLS,
    FEATURES,
    MASKS,
    TIME,
    assert_alike,
    everything,
    graph_of_everything,
    pair,
    traced,
    values,
)

# Whether there are states to return and to begin with, and options: any two values of two of them meet in some case.
# tests/layers/parity has all combinations.
CASES = [
    (state, states, {"return_sequences": sequences, "go_backwards": backwards, "zero_output_for_mask": zero})
    for state, states, sequences, backwards, zero in [
        (True, True, True, False, True),
        (False, True, True, True, False),
        (True, False, False, True, True),
        (False, False, False, False, False),
        (True, False, True, False, False),
        (False, True, False, False, True),
    ]
]

pytestmark = pytest.mark.usefixtures("few_block_rows")


@pytest.mark.parametrize(("name", "units"), CELLS)
@pytest.mark.parametrize("masks", [["none"], [name for name in MASKS if name != "none"]], ids=["no mask", "masks"])
def test_outputs_states_and_gradients_are_those_of_keras(name, units, masks, each_way, never_keras_loop):
    """One trace of a layer computes with every mask."""
    x = tf.constant(values(BATCH, TIME, FEATURES))
    some_states = [tf.constant(values(BATCH, units, seed=n + 1)) for n in range(2 if name == "LSTM" else 1)]
    tensors = {mask: None if MASKS[mask] is None else tf.constant(MASKS[mask]) for mask in masks}
    pairs = [pair(name, units, return_state=return_state, **options) for return_state, _, options in CASES]
    expected = []
    for (theirs, layer), (_, with_states, _) in zip(pairs, CASES, strict=True):
        layer.runs_alone = False
        graph, states = graph_of_everything(theirs), some_states if with_states else []
        expected.append({mask: graph(x, tensors[mask], states) for mask in masks})
    never_keras_loop()
    for training in each_way():
        for results, (_, layer), (_, with_states, options) in zip(expected, pairs, CASES, strict=True):
            graph, states = graph_of_everything(layer, training), some_states if with_states else []
            for mask in masks:
                what = f"{mask}, {options}, training={training}"
                assert_alike(results[mask], graph(x, tensors[mask], states), what)
            assert graph.experimental_get_tracing_count() == 1


@pytest.mark.parametrize(("name", "units"), CELLS)
def test_without_bias(name, units, each_way):
    x = values(BATCH, TIME, FEATURES)
    theirs, ours = pair(name, units, use_bias=False)
    for training in each_way():
        assert_alike(everything(theirs, x), everything(ours, x, training=training))


@pytest.mark.parametrize(("name", "units"), CELLS)
@pytest.mark.parametrize("training", [True, False])
def test_a_stateful_layer_continues(name, units, training):
    x = values(2, 2 * TIME, FEATURES)
    theirs, ours = pair(name, units, batch=2, stateful=True, return_sequences=True)
    for part in (x[:, :TIME], x[:, TIME:]):
        np.testing.assert_allclose(traced(ours, part, training=training), theirs(part), atol=5e-6)
    ours.reset_states()
    theirs.reset_states()
    np.testing.assert_allclose(traced(ours, x[:, :TIME]), theirs(x[:, :TIME]), atol=5e-6)


@pytest.mark.parametrize("name", ["SimpleRNN", "GRU", "LSTM"])
def test_dropout_of_the_input_is_one_for_all_steps(name):
    x = np.ones((4, TIME, 8), "float32")
    theirs, ours = pair(name, 4, features=8, dropout=0.5, seed=3, return_sequences=True)
    trained = traced(ours, x, training=True)
    np.testing.assert_allclose(trained, theirs(x, training=True), atol=5e-6)
    assert np.abs(trained - ours(x)).max() > 1e-3


@pytest.mark.parametrize("dtype", ["float64", "mixed_float16", "mixed_bfloat16"])
@pytest.mark.parametrize("name", ["SimpleRNN", "GRU", "LSTM"])
def test_other_dtypes_run_in_keras_layer(name, dtype):
    x = values(BATCH, TIME, FEATURES)
    theirs, ours = pair(name, 4, dtype=dtype)
    np.testing.assert_array_equal(traced(ours, x), traced(theirs, x))


@pytest.mark.parametrize(
    ("name", "options"),
    [
        ("SimpleRNN", {"activation": "relu"}),
        ("LSTM", {"recurrent_activation": "hard_sigmoid"}),
        ("GRU", {"reset_after": False}),
        ("LSTM", {"recurrent_dropout": 0.5}),
    ],
)
def test_unusual_options_run_in_keras_layer(name, options):
    x = values(BATCH, TIME, FEATURES)
    theirs, ours = pair(name, 4, **options)
    np.testing.assert_array_equal(traced(ours, x), traced(theirs, x))

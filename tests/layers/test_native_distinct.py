"""Layers in machine code whose steps take few distinct inputs, and arrays that do not fit."""

import numpy as np
import pytest
import tensorflow as tf
from hypothesis import given, settings
from hypothesis import strategies as st

from keras_rnn.layers.native import sequence, threads
from tests.layers.native_layers import (
    KINDS,
    SIZES,
    assert_alike,
    direction,
    in_machine_code,
    layer_arrays,
    with_gradients,
)


def with_indices(kind, values, *rest, indices, go_backwards=False, **options):
    """Outputs and last states of a layer whose steps take rows of `values` `(distinct, features)`."""
    directions = [direction(kind, values, *rest, go_backwards=go_backwards)]
    outputs, (states,) = sequence.sequence(kind, options.pop("mask", None), directions, indices=indices, **options)
    return outputs, states


@settings(max_examples=25, deadline=None)
@given(
    **SIZES,
    distinct=st.integers(1, 300),
    masked=st.booleans(),
    go_backwards=st.booleans(),
)
def test_distinct_inputs_have_the_results_of_gathered_ones(
    kind, time, batch, features, units, distinct, masked, go_backwards
):
    rng = np.random.default_rng(distinct)
    values = tf.constant(rng.normal(0, 1 / np.sqrt(units + features), (distinct, features)), tf.float32)
    indices = tf.constant(rng.integers(0, distinct, (batch, time)), tf.int32)
    arrays = [values, *layer_arrays(kind, time, batch, features, units)[1:]]
    mask = tf.constant(rng.random((batch, time)) < 0.7) if masked else None
    options = {"mask": mask, "go_backwards": go_backwards}

    def gathered(kind, values, *rest, **options):
        return in_machine_code(kind, tf.gather(values, indices), *rest, **options)

    actual = with_gradients(with_indices, kind, arrays, indices=indices, **options)
    expected = with_gradients(gathered, kind, arrays, **options)
    assert_alike(actual, [tf.convert_to_tensor(array) for array in expected])


@pytest.mark.parametrize("kind", KINDS)
def test_two_directions_of_distinct_inputs_on_several_threads(kind, monkeypatch):
    monkeypatch.setattr(threads, "_thread_count", lambda: 3)
    monkeypatch.setattr(threads, "FLOPS_A_THREAD", 1)
    threads._task_queue.cache_clear()
    values, *first = layer_arrays(kind, 6, 13, 7, 20, seed=1)
    second = layer_arrays(kind, 6, 13, 7, 20, seed=2)[1:]
    values = tf.reshape(values, (-1, 7))[:40]
    indices = tf.constant(np.random.default_rng(0).integers(0, 40, (13, 6)), tf.int32)

    def both(indices, values, *flat):
        pair = flat[: len(first)], flat[len(first) :]
        directions = [direction(kind, values, *arrays, go_backwards=n == 1) for n, arrays in enumerate(pair)]
        return sequence.sequence(kind, None, directions, indices=indices)

    def gathered(_, values, *flat):
        return both(None, tf.gather(values, indices), *flat)

    arrays = [values, *first, *second]
    results = [with_gradients(both, indices, arrays) for _ in range(2)]
    expected = with_gradients(gathered, None, arrays)
    threads._task_queue.cache_clear()
    assert_alike(results[0], [tf.convert_to_tensor(array) for array in expected])
    for a, b in zip(*results, strict=True):
        np.testing.assert_array_equal(a, b)


def test_no_rows_of_distinct_inputs():
    arrays = [tf.ones((2, 4)), *layer_arrays("lstm", 3, 0, 4, 5)[1:]]
    outputs, *others = with_gradients(with_indices, "lstm", arrays, indices=tf.zeros((0, 3), tf.int32))
    assert outputs.shape == (0, 3, 5)
    assert not any(np.any(array) for array in others)


@pytest.mark.parametrize(("position", "name"), [(0, "inputs"), (4, "initial_state")])
def test_an_array_with_another_number_of_rows_is_named(position, name):
    arrays = layer_arrays("simple_rnn", 3, 4, 2, 5)
    arrays[position] = arrays[position][:3]
    with pytest.raises(ValueError, match=f"{name} has to be float32"):
        in_machine_code("simple_rnn", *arrays)

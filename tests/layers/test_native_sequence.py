"""Layers in machine code: sizes, masks, directions."""

import numpy as np
import pytest
import tensorflow as tf
from hypothesis import given, settings

from keras_rnn.layers.native import backward_kernel, forward_kernel, kernels, memory, products, sequence, steps, threads
from keras_rnn.layers.native.machine import Machine
from tests.layers.native_layers import (
    KINDS,
    SIZES,
    assert_alike,
    direction,
    in_machine_code,
    in_reference,
    layer_arrays,
    with_gradients,
)


@settings(max_examples=25, deadline=None)
@given(**SIZES)
def test_all_sizes_are_those_of_the_reference(kind, time, batch, features, units):
    arrays = layer_arrays(kind, time, batch, features, units)
    assert_alike(with_gradients(in_machine_code, kind, arrays), in_reference(kind, arrays))


@pytest.mark.parametrize("kind", KINDS)
def test_no_rows(kind):
    outputs, *rest = with_gradients(in_machine_code, kind, layer_arrays(kind, 3, 0, 4, 5))
    assert outputs.shape == (0, 3, 5)
    assert not any(np.any(array) for array in rest)


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("cached", [0, 2**30])
def test_more_rows_than_a_call_takes(kind, cached, monkeypatch):
    monkeypatch.setattr(threads, "CACHED_WEIGHTS", cached)
    arrays = layer_arrays(kind, 2, steps.MAX_ROWS + 3, 4, 5)
    assert_alike(with_gradients(in_machine_code, kind, arrays), in_reference(kind, arrays))


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("units", [5, 8, 21, 40])
def test_machines_with_narrower_vectors(kind, units, monkeypatch):
    for module in (steps, forward_kernel, backward_kernel, products):
        monkeypatch.setattr(module, "this_machine", lambda: Machine(8, (3, 2, 1)))
    kernels.kernels.cache_clear()
    products.products.cache_clear()
    arrays = layer_arrays(kind, 4, 8, 10, units)
    actual = with_gradients(in_machine_code, kind, arrays)
    kernels.kernels.cache_clear()
    products.products.cache_clear()
    assert_alike(actual, in_reference(kind, arrays))


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("go_backwards", [False, True])
def test_a_masked_row_is_the_row_of_its_unmasked_steps(kind, go_backwards):
    """The row of unmasked steps is another call, of fewer steps and without a mask."""
    inputs, *rest = layer_arrays(kind, 7, 1, 4, 5)
    mask = np.array([[False, True, True, False, False, True, False]])
    unmasked = tf.boolean_mask(inputs[0], mask[0])[tf.newaxis]
    for zeros in (False, True):
        options = {"go_backwards": go_backwards, "zero_output_for_mask": zeros}
        outputs, states = in_machine_code(kind, inputs, *rest, mask=tf.constant(mask), **options)
        expected, expected_states = in_machine_code(kind, unmasked, *rest, **options)
        first, second, third = expected[0].numpy()
        zero = 0 * first
        steps_outputs = [zero, first, second, zero, zero, third, zero]
        if not zeros:
            steps_outputs = [zero, first, second, second, second, third, third]
        if go_backwards:  # the three are in the order of the inputs, and the loop begins with the third
            steps_outputs = [zero, first, second, zero, zero, third, zero]
            if not zeros:
                steps_outputs = [first, first, second, third, third, third, zero]
        np.testing.assert_allclose(outputs[0], steps_outputs, atol=1e-6)
        for state, other in zip(states, expected_states, strict=True):
            np.testing.assert_allclose(state, other, atol=1e-6)


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("one_input", [True, False])
def test_directions_together_are_those_of_calls_of_their_own(kind, one_input):
    layers = [layer_arrays(kind, 5, 3, 4, 6, seed) for seed in (1, 2, 3)]
    if one_input:
        layers = [[layers[0][0], *rest] for _, *rest in layers]
    mask = tf.constant(np.random.default_rng(0).random((3, 5)) < 0.7)
    size = len(layers[0])

    def split(flat):
        return zip([flat[n : n + size] for n in range(0, 3 * size, size)], [False, True, True], strict=True)

    def together(*flat):
        directions = [direction(kind, *arrays, go_backwards=back) for arrays, back in split(flat)]
        outputs, states = sequence.sequence(kind, mask, directions)
        return [outputs, *states]

    def apart(*flat):
        results = [in_machine_code(kind, *arrays, mask=mask, go_backwards=back) for arrays, back in split(flat)]
        return [tf.concat([outputs for outputs, _ in results], 2), *(states for _, states in results)]

    flat = [tensor for arrays in layers for tensor in arrays]
    actual, expected = (
        with_gradients(lambda _, *flat, function=function: function(*flat), kind, flat)
        for function in (together, apart)
    )
    assert_alike(actual, expected)


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("indexed", [False, True])
def test_all_of_what_tensorflow_gets_is_written(kind, indexed, monkeypatch):
    """Memory is full of NaN before. TensorFlow may look at masked steps and at the padding of lines, too."""
    allocate, in_process, seen = memory._allocate_packed, sequence.in_process, []

    def allocate_nan(shapes):
        buffer = allocate(shapes)
        buffer.lines[...] = np.nan
        return buffer

    def record_in_process(*args):
        seen.extend(in_process(*args))
        return seen[-len(args[-1]) :]

    monkeypatch.setattr(memory, "_allocate_packed", allocate_nan)
    monkeypatch.setattr(sequence, "in_process", record_in_process)
    inputs, *rest = layer_arrays(kind, 5, 3, 4, 7)
    arrays = [inputs[0] if indexed else inputs, *rest]
    mask = tf.constant([[True] * 5, [False] * 5, [False, True, False, True, False]])
    indices = tf.constant([[0, 1, 2, 2, 1]] * 3, tf.int32) if indexed else None
    with_gradients(in_machine_code, kind, arrays, mask=mask, indices=indices)
    assert len(seen) == 6
    for tensor in seen:
        assert np.isfinite(tensor).all()

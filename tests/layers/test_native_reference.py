"""The NumPy reference of machine code against finite differences, and each compiled function against the reference."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from keras_rnn.layers.native.adam_kernels import adam_code
from keras_rnn.layers.native.batch import Layer
from keras_rnn.layers.native.cells import CELLS
from keras_rnn.layers.native.distinct import distinct_code, distinct_products, write_distinct_gradients
from keras_rnn.layers.native.kernels import kernels
from keras_rnn.layers.native.machine import this_machine
from keras_rnn.layers.native.memory import addresses, allocate
from keras_rnn.layers.native.passes import backward_pass, forward_pass
from keras_rnn.layers.native.products import pack_matrix
from keras_rnn.layers.native.rows import row_code
from tests.layers import native_reference as reference

KINDS = sorted(reference.GATES)
SCALARS = reference.Scalars(0.1, 0.01, 0.5, 1e-3, 0.25, 0.7)


def random_layer(kind, batch, time, features, units, seed=0):
    """Inputs, Weights, initial states and a mask, in which the first row has no unmasked step."""
    rng = np.random.default_rng(seed)
    columns, scale = reference.GATES[kind] * units, 1 / np.sqrt(units + features)

    def normal(*shape):
        return rng.normal(0, scale, shape).astype("float32")

    biases = [normal(columns) for _ in range(1 + (kind == "gru"))]
    weights = reference.Weights(normal(features, columns), normal(units, columns), biases)
    mask = rng.random((batch, time)) < 0.7
    mask[:1] = False
    return normal(batch, time, features), weights, [normal(batch, units) for _ in range(1 + (kind == "lstm"))], mask


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("go_backwards", [False, True])
@pytest.mark.parametrize("zeros", [False, True])
def test_gradients_of_the_reference_are_finite_differences(kind, go_backwards, zeros):
    inputs, weights, states, mask = random_layer(kind, 3, 5, 2, 3)
    options = {"mask": mask, "zero_output_for_mask": zeros}
    rng = np.random.default_rng(1)
    d_outputs, d_last_states = rng.normal(size=(3, 5, 3)), [rng.normal(size=(3, 3)) for _ in states]
    arrays = [np.array(array, "float64") for array in (inputs, *weights[:2], *weights.biases, *states)]

    def split(arrays):
        inputs, kernel, recurrent_kernel, *rest = arrays
        count = len(weights.biases)
        return inputs, reference.Weights(kernel, recurrent_kernel, rest[:count]), rest[count:]

    def loss(arrays):
        result = reference.forward(kind, *split(arrays), go_backwards=go_backwards, **options)
        pairs = zip(result.last_states, d_last_states, strict=True)
        return (result.outputs * d_outputs).sum() + sum((state * d).sum() for state, d in pairs)

    inputs, weights_64, states = split(arrays)
    result = reference.forward(kind, inputs, weights_64, states, go_backwards=go_backwards, **options)
    gradients = reference.backward(kind, inputs, weights_64, result, d_outputs, d_last_states, **options)
    flat = [gradients.d_inputs, *gradients.d_weights[:2], *gradients.d_weights.biases, *gradients.d_initial_states]
    for array, gradient in zip(arrays, flat, strict=True):
        for index in np.ndindex(array.shape):
            original, losses = array[index], []
            for step in (1e-5, -1e-5):
                array[index] = original + step
                losses.append(loss(arrays))
            array[index] = original
            np.testing.assert_allclose(gradient[index], (losses[0] - losses[1]) / 2e-5, atol=1e-8)


def assert_alike(actual, expected):
    assert np.shape(actual) == np.shape(expected)
    np.testing.assert_allclose(actual, expected, atol=1e-5 * max(1, np.abs(expected).max(initial=0)))


@settings(max_examples=40, deadline=None)
@given(
    kind=st.sampled_from(KINDS),
    batch=st.integers(0, 20),
    time=st.integers(0, 9),
    features=st.integers(1, 40),
    units=st.sampled_from([1, 3, 8, 15, 16, 17, 33, 64]),
    masked=st.booleans(),
    go_backwards=st.booleans(),
    zeros=st.booleans(),
    return_sequences=st.booleans(),
)
def test_both_passes(kind, batch, time, features, units, masked, go_backwards, zeros, return_sequences):
    inputs, weights, states, mask = random_layer(kind, batch, time, features, units)
    cell, options = CELLS[kind], {"mask": mask if masked else None, "zero_output_for_mask": zeros}
    count = len(weights.biases)
    layer = Layer(
        cell,
        kernels(cell, units),
        features,
        units,
        (0,),
        (go_backwards,),
        count,
        return_sequences,
        zeros,
        masked,
        False,
    )
    masks, both_kernels = [mask] * masked, weights[:2]
    outputs, last_states, saved = forward_pass(layer, *masks, inputs, *both_kernels, *weights.biases, *states)
    expected = reference.forward(kind, inputs, weights, states, go_backwards=go_backwards, **options)
    last = 0 if go_backwards else -1
    expected_outputs = expected.outputs if return_sequences else np.zeros((batch, units))
    if time and not return_sequences:
        expected_outputs = expected.outputs[:, last]
    assert_alike(outputs, expected_outputs)
    for actual, state in zip(last_states, expected.last_states, strict=True):
        assert_alike(actual, state)

    rng = np.random.default_rng(2)
    d_outputs = rng.normal(size=outputs.shape).astype("float32")
    d_last_states = rng.normal(size=last_states.shape).astype("float32")
    d_all_outputs = d_outputs
    if not return_sequences:
        d_all_outputs = np.zeros((batch, time, units))
        if time:
            d_all_outputs[:, last] = d_outputs
    d_inputs, d_weights, d_states = backward_pass(
        layer, *masks, inputs, *both_kernels, *states, saved, d_outputs, *d_last_states
    )
    gradients = reference.backward(kind, inputs, weights, expected, d_all_outputs, d_last_states, **options)
    assert_alike(d_inputs, gradients.d_inputs)
    flat = [*gradients.d_weights[:2], *gradients.d_weights.biases]
    assert_alike(d_weights, np.concatenate([gradient.ravel() for gradient in flat]))
    for actual, gradient in zip(d_states, gradients.d_initial_states, strict=True):
        assert_alike(actual, gradient)


@pytest.mark.parametrize(
    ("rows", "gates", "units", "vectors"), [(1, 1, 1, 1), (3, 4, 20, 1), (5, 3, 70, 2), (0, 1, 3, 4)]
)
@pytest.mark.parametrize("transposed", [False, True])
def test_pack(rows, gates, units, vectors, transposed):
    matrix = np.random.default_rng(0).normal(size=(rows, gates * units)).astype("float32")
    packed = pack_matrix(matrix.T.copy() if transposed else matrix, gates, vectors, transposed)
    np.testing.assert_array_equal(packed, reference.pack(matrix, gates, vectors * this_machine().lanes))


def indexed_values(count, steps, width):
    rng = np.random.default_rng(count)
    return rng.integers(0, count, steps).astype("int32"), rng.normal(size=(steps, width)).astype("float32")


@pytest.mark.parametrize(("count", "steps", "width"), [(1, 1, 1), (5, 40, 3), (200, 90, 70), (3, 0, 2)])
def test_steps_are_sorted_and_summed_by_index(count, steps, width):
    indices, values = indexed_values(count, steps, width)
    ends, order = np.zeros(count, np.int32), np.zeros(steps, np.int32)
    distinct_code().sort_steps(*addresses([indices, ends, order]), steps, count)
    expected = reference.sort_steps(indices, count)
    np.testing.assert_array_equal(ends, expected[0])
    np.testing.assert_array_equal(order, expected[1])
    for begin, end in ((0, count), (count // 2, count), (count, count)):
        sums = np.full((end - begin, width), np.nan, np.float32)
        distinct_code().sum_steps(*addresses([values, order, ends, sums]), begin, end, width)
        assert_alike(sums, reference.sum_steps(values, order, ends, begin, end).reshape(sums.shape))


@pytest.mark.parametrize(("count", "rows", "width"), [(1, 3, 1), (4, 30, 17), (9, 0, 2)])
def test_add_rows(count, rows, width):
    indices, values = indexed_values(count, rows, width)
    (sums,) = allocate((count, width))
    sums[...] = 1
    row_code().add_rows(*addresses([values, indices, sums]), rows, width)
    assert_alike(sums, reference.add_rows(values, indices, np.ones((count, width))))


@pytest.mark.parametrize("count", [1, 7, 300])  # several blocks of distinct inputs
def test_gradients_of_distinct_inputs(count):
    rng = np.random.default_rng(count)
    indices = rng.integers(0, count, (6, 5)).astype("int32")
    inputs, *both_kernels = (rng.normal(size=shape).astype("float32") for shape in [(count, 4), (4, 9), (4, 9)])
    for product, kernel in zip(distinct_products(inputs, both_kernels), both_kernels, strict=True):
        assert_alike(product, reference.matmul(inputs, kernel))
    d_products = [rng.normal(size=(6, 5, 9)).astype("float32") for _ in both_kernels]
    d_inputs, *d_kernels = allocate(inputs.shape, (4, 9), (4, 9))
    write_distinct_gradients(inputs, indices, both_kernels, d_products, d_inputs, d_kernels)
    expected, expected_kernels = reference.distinct_gradients(inputs, indices, both_kernels, d_products)
    assert_alike(d_inputs, expected)
    for actual, d_kernel in zip(d_kernels, expected_kernels, strict=True):
        assert_alike(actual, d_kernel)


@pytest.mark.parametrize("count", [0, 1, 15, 16, 100])
def test_add_squares(count):
    values = np.random.default_rng(0).normal(size=count).astype("float32")
    sums = np.ones(this_machine().lanes, np.float32)
    adam_code().add_squares(*addresses([values, sums]), count)
    assert_alike(sums, reference.add_squares(values, np.ones(this_machine().lanes)))


def adam_arrays(shape):
    rng = np.random.default_rng(0)
    gradient, m, v, weights = (rng.normal(size=shape).astype("float32") for _ in range(4))
    return gradient, m, np.abs(v), weights


@pytest.mark.parametrize("count", [0, 1, 15, 16, 100])
def test_adam(count):
    arrays, scalars = adam_arrays(count), np.array(SCALARS, np.float32)
    results = allocate((count,), (count,), (count,))
    adam_code().adam(*addresses([scalars, *arrays, *results]), count)
    for actual, expected in zip(results, reference.adam(SCALARS, *arrays), strict=True):
        assert_alike(actual, expected)


@pytest.mark.parametrize(("rows", "width"), [(0, 3), (1, 1), (5, 17), (3, 64)])
def test_adam_rows(rows, width):
    gradient, _, v, weights = adam_arrays((rows, width))
    decay, scalars = np.linspace(0.5, 1, rows, dtype=np.float32), np.array(SCALARS, np.float32)
    results = allocate((rows, width), (rows, width))
    adam_code().adam_rows(*addresses([scalars, gradient, v, weights, decay, *results]), rows, width)
    for actual, expected in zip(results, reference.adam_rows(SCALARS, gradient, v, weights, decay), strict=True):
        assert_alike(actual, expected)

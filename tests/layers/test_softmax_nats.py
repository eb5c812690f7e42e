"""The nats of softmax layers, and their gradients, against NumPy, TensorFlow's op and finite differences."""

import numpy as np
import pytest
import tensorflow as tf

from keras_rnn.layers import AdaptiveSoftmax, softmax_nats, tf_softmax
from keras_rnn.layers.softmax_nats import adaptive_nats

ROWS, WIDTH, TOKENS = 7, 4, 11
TARGETS = np.array([0, 10, 3, 3, 5, 9, 1], "int32")


def weights(dtype="float32", scale=1.0):
    rng = np.random.default_rng(0)
    return [(scale * rng.normal(size=shape)).astype(dtype) for shape in [(ROWS, WIDTH), (WIDTH, TOKENS), (TOKENS,)]]


def numpy_nats(inputs, kernel, bias, targets):
    logits = inputs @ kernel + bias
    return np.log(np.exp(logits).sum(-1)) - logits[np.arange(len(targets)), targets]


def quick_nats(inputs, kernel, bias, transposed):
    if transposed:
        kernel = tf.transpose(kernel)
    return tf_softmax.softmax_nats(inputs, kernel, bias, TARGETS, transposed=transposed)


def plain_nats(inputs, kernel, bias):
    return tf.nn.sparse_softmax_cross_entropy_with_logits(TARGETS, tf.matmul(inputs, kernel) + bias)


@pytest.mark.parametrize("transposed", [False, True])
def test_nats_and_gradients_are_those_of_tensorflows_op(transposed):
    tensors, factors = [tf.constant(array) for array in weights()], np.linspace(-1, 2, ROWS, dtype="float32")

    @tf.function
    def nats_and_gradients(function, *args):
        with tf.GradientTape() as tape:
            tape.watch(tensors)
            nats = function(*tensors, *args)
            loss = tf.reduce_sum(factors * nats)
        return nats, tape.gradient(loss, tensors)

    nats, gradients = nats_and_gradients(quick_nats, transposed)
    expected, expected_gradients = nats_and_gradients(plain_nats)
    np.testing.assert_allclose(nats, expected, atol=1e-6)
    np.testing.assert_allclose(nats, numpy_nats(*weights("float64"), TARGETS), atol=1e-6)
    for gradient, expected_gradient in zip(gradients, expected_gradients, strict=True):
        np.testing.assert_allclose(gradient, expected_gradient, atol=1e-6)


def test_gradients_are_finite_differences():
    arrays, epsilon = weights("float64"), 1e-5
    tensors = [tf.constant(array, tf.float32) for array in arrays]

    @tf.function
    def gradients():
        with tf.GradientTape() as tape:
            tape.watch(tensors)
            loss = tf.reduce_sum(quick_nats(*tensors, True))
        return tape.gradient(loss, tensors)

    for n, gradient in enumerate(gradients()):
        for index in np.ndindex(arrays[n].shape):
            sums = []
            for sign in (1, -1):
                changed = [array.copy() for array in arrays]
                changed[n][index] += sign * epsilon
                sums.append(numpy_nats(*changed, TARGETS).sum())
            np.testing.assert_allclose(gradient[index], (sums[0] - sums[1]) / (2 * epsilon), atol=1e-5)


def test_the_gradient_has_a_gradient():
    inputs, kernel, bias = (tf.constant(array) for array in weights())

    @tf.function
    def second(function, *args):
        with tf.GradientTape() as outer:
            outer.watch(kernel)
            with tf.GradientTape() as tape:
                tape.watch(inputs)
                nats = function(inputs, kernel, bias, *args)
            penalty = tf.reduce_sum(tape.gradient(nats, inputs) ** 2)
        return outer.gradient(penalty, kernel)

    np.testing.assert_allclose(second(quick_nats, True), second(plain_nats), atol=1e-5)


def test_logits_beyond_the_range_of_exp_have_finite_nats():
    inputs, kernel, bias = (tf.constant(array) for array in weights(scale=200.0))
    expected = plain_nats(inputs, kernel, bias)
    assert np.max(expected) > 1e5
    np.testing.assert_allclose(tf.function(quick_nats)(inputs, kernel, bias, False), expected, rtol=1e-6)


def test_no_rows_have_no_nats_and_no_gradient():
    inputs, kernel, bias = (tf.constant(array) for array in weights())

    @tf.function(input_signature=[tf.TensorSpec((None, WIDTH)), tf.TensorSpec((None,), tf.int32)])
    def gradient(inputs, targets):
        with tf.GradientTape() as tape:
            tape.watch(kernel)
            nats = tf_softmax.softmax_nats(inputs, kernel, bias, targets, transposed=False)
        return nats, tape.gradient(nats, kernel)

    nats, d_kernel = gradient(inputs[:0], TARGETS[:0])
    assert nats.shape == (0,)
    np.testing.assert_array_equal(d_kernel, np.zeros((WIDTH, TOKENS)))


def test_a_target_that_is_no_token_is_an_error():
    tensors = [tf.constant(array) for array in weights()]
    for target in (-1, TOKENS):
        targets = tf.constant([target] * ROWS)
        with pytest.raises(tf.errors.InvalidArgumentError):
            tf.function(softmax_nats.softmax_nats)(*tensors, targets)


def has_op(function, kind: str) -> bool:
    return any(op.type == kind for op in tf.function(function).get_concrete_function().graph.get_operations())


def test_the_form_by_hand_is_that_of_traced_functions():
    tensors = [tf.constant(array) for array in weights()]

    def nats():
        return softmax_nats.softmax_nats(*tensors, TARGETS)

    assert not has_op(nats, "SparseSoftmaxCrossEntropyWithLogits")
    np.testing.assert_allclose(tf.function(nats)(), nats(), atol=1e-6)
    np.testing.assert_allclose(tf.function(nats, jit_compile=True)(), nats(), atol=1e-6)


def test_a_saved_model_has_the_nats_and_their_gradient(tmp_path):
    kernel = tf.Variable(weights()[1])
    module = tf.Module()
    module.kernel = kernel

    @tf.function(input_signature=[tf.TensorSpec((None, WIDTH)), tf.TensorSpec((None,), tf.int32)])
    def nats(inputs, targets):
        return softmax_nats.softmax_nats(inputs, tf.convert_to_tensor(module.kernel), tf.zeros(TOKENS), targets)

    module.nats = nats
    tf.saved_model.save(
        module, tmp_path / "saved", options=tf.saved_model.SaveOptions(experimental_custom_gradients=True)
    )
    loaded, inputs = tf.saved_model.load(tmp_path / "saved"), tf.constant(weights()[0])
    with tf.GradientTape() as tape:
        tape.watch(inputs)
        loaded_nats = loaded.nats(inputs, TARGETS)
    with tf.GradientTape() as expected_tape:
        expected_tape.watch(inputs)
        expected = plain_nats(inputs, kernel, tf.zeros(TOKENS))
    np.testing.assert_allclose(loaded_nats, expected, atol=1e-6)
    np.testing.assert_allclose(tape.gradient(loaded_nats, inputs), expected_tape.gradient(expected, inputs), atol=1e-6)


@pytest.fixture
def adaptive():
    layer = AdaptiveSoftmax(TOKENS, [2, 5, 9])
    layer.build((None, WIDTH))
    rng = np.random.default_rng(1)
    layer.set_weights([rng.normal(size=weight.shape) for weight in layer.weights])
    return layer


@pytest.mark.parametrize("run", [lambda f: f, tf.function, tf.function(jit_compile=True)])
def test_adaptive_nats_and_gradients_are_those_of_the_log_probabilities(adaptive, run):
    inputs = tf.constant(weights()[0])

    def nats_and_gradients(function):
        with tf.GradientTape() as tape:
            tape.watch(inputs)
            nats = function()
            loss = tf.reduce_sum(nats * tf.range(1.0, ROWS + 1))
        return nats, tape.gradient(loss, [inputs, *(weight.value for weight in adaptive.weights)])

    nats, gradients = run(lambda: nats_and_gradients(lambda: adaptive_nats(adaptive, inputs, tf.constant(TARGETS))))()
    expected, expected_gradients = nats_and_gradients(lambda: -tf.gather(adaptive(inputs), TARGETS, batch_dims=1))
    np.testing.assert_allclose(nats, expected, atol=1e-6)
    for gradient, expected_gradient in zip(gradients, expected_gradients, strict=True):
        np.testing.assert_allclose(tf.convert_to_tensor(gradient), tf.convert_to_tensor(expected_gradient), atol=1e-5)


def test_clusters_without_targets_get_no_rows(adaptive, monkeypatch):
    rows = []
    cluster_nats = softmax_nats._cluster_nats

    def spy(inputs, *args):
        rows.append(len(inputs))
        return cluster_nats(inputs, *args)

    monkeypatch.setattr(softmax_nats, "_cluster_nats", spy)
    adaptive_nats(adaptive, tf.constant(weights()[0]), tf.constant([0, 10, 1, 1, 9, 9, 1]))
    assert rows == [0, 0, 3]

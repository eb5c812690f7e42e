"""What the optimizer has machine code for."""

import keras
import numpy as np
import pytest
import tensorflow as tf

from keras_rnn import TokenEmbedding
from keras_rnn.layers.native import adam, threads
from keras_rnn.training import lazy_adam

SHAPES = [(3, 5), (16,), (1,), (40, 33), (2, 3, 4)]


def arrays(seed):
    rng = np.random.default_rng(seed)
    return [rng.random(shape, np.float32) - np.float32(0.3) for shape in SHAPES]


@pytest.fixture(params=[1, 3])
def several_threads(request, monkeypatch):
    monkeypatch.setattr(threads, "_thread_count", lambda: request.param)
    monkeypatch.setattr(threads, "FLOPS_A_THREAD", 1)
    threads._task_queue.cache_clear()
    yield
    threads._task_queue.cache_clear()


def in_float64(scale, rates):
    """All of a step, of Dense and of Rows."""
    fresh_m, fresh_v, rate, epsilon, rate_of_rows = rates

    def dense(g, m, v, w):
        g = scale * g.astype("float64")
        m, v = m + fresh_m * (g - m), v + fresh_v * (g**2 - v)
        return m, v, w - rate * m / (np.sqrt(v) + epsilon)

    def rows(g, v, w, decay):
        g, v = scale * g.astype("float64"), v * decay.reshape(-1, *[1] * (v.ndim - 1))
        v = v + fresh_v * (g**2 - v)
        return v, w - rate_of_rows * g / (np.sqrt(v) + epsilon)

    return dense, rows


def step():
    """A step's variables, with gradients of known norm."""
    g, m, v, w = (arrays(seed) for seed in range(4))
    v = [np.abs(array) for array in v]
    dense = [adam.DenseVariable(*of) for of in zip(g, m, v, w, strict=True)]
    g, v, w = g[::3], v[::3], w[::3]
    decay = [np.linspace(0.5, 1, len(array), dtype=np.float32) for array in g]
    rows = [adam.VariableRows(*of) for of in zip(g, v, w, decay, strict=True)]
    norm = np.sqrt(sum(float((of.gradient.astype("float64") ** 2).sum()) for of in (*dense, *rows)))
    return dense, rows, adam.Scalars(0.1, 0.01, 0.5, 1e-3, 0.25), norm


@pytest.mark.parametrize("clip", [None, 0.25, 4.0])
def test_a_step_is_that_in_float64(clip, several_threads):
    dense, rows, rates, norm = step()
    actual = adam.adam(dense, rows, rates, None if clip is None else clip * norm)
    expected = in_float64(1.0 if clip is None else min(1, clip), rates)
    for updates, variables, known in zip(actual, (dense, rows), expected, strict=True):
        for new, of in zip(updates, variables, strict=True):
            for tensor, array in zip(new, known(*of), strict=True):
                np.testing.assert_allclose(tensor, array, rtol=1e-4, atol=1e-5)


@pytest.mark.parametrize("value", [np.nan, np.inf])
def test_one_gradient_that_is_not_finite_makes_all_weights_nan(value):
    dense, rows, rates, _ = step()
    dense[1].gradient[3] = value
    for updates in adam.adam(dense, rows, rates, 1.0):
        assert all(np.isnan(tensor).all() for new in updates for tensor in new)


def test_gradients_that_are_all_zero_are_not_divided_by_their_norm():
    w = np.ones((2, 3), np.float32)
    of = adam.DenseVariable(0 * w, 0 * w, 0 * w, w)
    ((m, v, new),), _ = adam.adam([of], [], adam.Scalars(0.1, 0.01, 0.5, 1e-3, 0.25), 1.0)
    np.testing.assert_array_equal([m, v, new], [0 * w, 0 * w, w])


def test_rows_that_an_embedding_reads_once_are_not_summed_again():
    layer = TokenEmbedding(9, 4)
    layer.build((None, None))
    other = keras.layers.Embedding(9, 4)
    other.build((None, None))
    known = []

    @tf.function
    def step(token_ids):
        with tf.GradientTape() as tape:
            loss = tf.reduce_sum(layer(token_ids, training=True)) + tf.reduce_sum(
                tf.gather(other.embeddings.value, token_ids)
            )
        gradients = tape.gradient(loss, [layer.embeddings.value, other.embeddings.value])
        known.extend(lazy_adam._each_once(gradient.indices) for gradient in gradients)
        return gradients

    unique_rows, repeated_rows = step(tf.constant([[1, 2, 2], [1, 0, 1]]))
    assert known == [True, False]
    assert sorted(unique_rows.indices.numpy()) == [0, 1, 2]
    assert not lazy_adam._each_once(unique_rows.indices)  # of a tensor without a graph nothing is known
    summed_rows = lazy_adam._summed_rows(repeated_rows)
    np.testing.assert_array_equal(tf.convert_to_tensor(summed_rows), tf.convert_to_tensor(unique_rows))

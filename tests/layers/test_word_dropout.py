"""Dropout of whole words by the embedding."""

import keras
import numpy as np
import pytest
import tensorflow as tf

from keras_rnn import TokenEmbedding, UsageError
from keras_rnn.layers import native
from keras_rnn.layers.unique_rows import unique_rows_of

TOKEN_IDS = np.random.default_rng(0).integers(0, 400, (8, 200)).astype("int32")


@pytest.fixture(params=["eager", "graph", "machine code"])
def run(request, monkeypatch):
    if request.param == "graph":
        monkeypatch.setattr(native, "_enabled", False)
    return (lambda function: function) if request.param == "eager" else tf.function


def test_a_word_is_dropped_everywhere_or_nowhere(run):
    layer = TokenEmbedding(400, 3, embeddings_initializer="ones", word_dropout=0.25, seed=1)
    draw = run(lambda: layer(TOKEN_IDS, training=True))
    scales = []
    for _ in range(2):
        vectors = np.asarray(draw())
        assert vectors.shape == (8, 200, 3)
        scales.append(np.zeros(400))
        scales[-1][TOKEN_IDS] = vectors[:, :, 0]
        np.testing.assert_array_equal(vectors, np.repeat(scales[-1][TOKEN_IDS][:, :, None], 3, axis=2))
        assert set(np.unique(vectors)) == {0, np.float32(1 / 0.75)}
        assert 0.15 < np.mean(vectors == 0) < 0.35
    assert not np.array_equal(*scales)


def test_nothing_is_dropped_in_prediction():
    layer = TokenEmbedding(400, 3, word_dropout=0.9)
    np.testing.assert_array_equal(layer(TOKEN_IDS), layer.get_weights()[0][TOKEN_IDS])


def test_dropped_words_have_no_gradient(run):
    layer = TokenEmbedding(400, 3, embeddings_initializer="ones", word_dropout=0.5, seed=1)
    layer.build()

    def step():
        with tf.GradientTape() as tape:
            vectors = layer(TOKEN_IDS, training=True)
        return vectors, tf.convert_to_tensor(tape.gradient(vectors, layer.embeddings.value))

    vectors, gradient = run(step)()
    expected = np.zeros((400, 3))
    np.add.at(expected, TOKEN_IDS, np.asarray(vectors))  # vectors of ones, so that they are the scales
    np.testing.assert_allclose(gradient, expected, rtol=1e-5)


def test_unique_rows_stay_attached():
    layer = TokenEmbedding(400, 3, word_dropout=0.5)

    @tf.function
    def difference():
        vectors = layer(TOKEN_IDS, training=True)
        values, indices = unique_rows_of(vectors)
        return tf.reduce_max(tf.abs(tf.gather(values, indices) - vectors))

    assert difference() == 0


def test_config_and_rate():
    assert "word_dropout" not in TokenEmbedding(4, 3).get_config()
    copy = TokenEmbedding.from_config(TokenEmbedding(4, 3, word_dropout=0.25, seed=3).get_config())
    assert (copy.word_dropout, copy.seed) == (0.25, 3)
    assert isinstance(copy.seed_generator, keras.random.SeedGenerator)
    with pytest.raises(UsageError, match="word_dropout takes a number from 0 up to, but not including, 1, got 1"):
        TokenEmbedding(4, 3, word_dropout=1)

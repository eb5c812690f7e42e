import keras
import numpy as np
import tensorflow as tf

from keras_rnn.layers import TiedEmbedding

TOKEN_IDS = np.array([[1, 4, 0], [2, 2, 3]], "int32")


def random_layer(**options):
    layer = TiedEmbedding(5, 3, **options)
    layer.build((None, None))
    rng = np.random.default_rng(0)
    layer.set_weights([rng.normal(size=weight.shape) for weight in layer.weights])
    return layer


def test_one_matrix_makes_vectors_and_logits():
    layer = random_layer()
    matrix, bias = layer.get_weights()[:2]
    np.testing.assert_array_equal(layer(TOKEN_IDS), matrix[TOKEN_IDS])
    x = np.random.default_rng(1).normal(size=(2, 3, 3)).astype("float32")
    np.testing.assert_allclose(layer(x, reverse=True), x @ matrix.T + bias, atol=1e-6)
    assert layer.count_params() == 5 * 3 + 5


def test_the_gradient_is_the_sum_of_both_uses():
    layer = random_layer()
    matrix = layer.embeddings

    @tf.function
    def gradient():
        with tf.GradientTape() as tape:
            loss = tf.reduce_sum(layer(layer(TOKEN_IDS, training=True), reverse=True)[:, :, 1])
        return tf.convert_to_tensor(tape.gradient(loss, matrix.value))

    values = matrix.numpy()
    counts = np.bincount(TOKEN_IDS.ravel(), minlength=5)
    expected = counts[:, None] * values[1]  # of the vectors
    expected[1] += values[TOKEN_IDS].sum((0, 1))  # of the logits of token 1
    np.testing.assert_allclose(gradient(), expected, rtol=1e-5)


def test_logits_are_float32_under_a_mixed_policy():
    layer, expected = random_layer(dtype="mixed_float16"), random_layer()
    assert layer(TOKEN_IDS).dtype == "float16"
    x = np.random.default_rng(1).normal(size=(2, 3, 3)).astype("float16")
    logits = layer(tf.constant(x), reverse=True)
    assert logits.dtype == "float32"
    np.testing.assert_allclose(logits, expected(x.astype("float32"), reverse=True), atol=1e-6)


def test_a_file_keeps_both_weights(tmp_path):
    layer = random_layer(word_dropout=0.3)
    inputs = keras.Input((None,), dtype="int32")
    model = keras.Model(inputs, layer(layer(inputs), reverse=True))
    model.save(tmp_path / "model.keras")
    loaded = keras.saving.load_model(tmp_path / "model.keras")
    np.testing.assert_array_equal(loaded(TOKEN_IDS), model(TOKEN_IDS))
    assert len(loaded.trainable_variables) == 2
    assert loaded.layers[1].word_dropout == 0.3

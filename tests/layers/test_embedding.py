import keras
import numpy as np
import pytest
import tensorflow as tf

import keras_rnn
from keras_rnn import TokenEmbedding
from keras_rnn.layers.unique_rows import unique_rows_of

LAYERS = {
    "lstm": lambda: keras_rnn.LSTM(5, return_sequences=True),
    "bigru": lambda: keras_rnn.Bidirectional(keras_rnn.GRU(4)),
    "dropout": lambda: keras_rnn.Bidirectional(keras_rnn.SimpleRNN(4, dropout=0.3)),
    "mean": keras.layers.GlobalAveragePooling1D,
    "keras": lambda: keras.layers.LSTM(5),
}


def mask_of(layer, token_ids):
    return np.asarray(layer.compute_mask(np.array(token_ids, "int32")))


def test_the_mask_is_the_real_tokens_and_always_the_first_step():
    layer = TokenEmbedding(5, 2, mask_zero=True)
    expected = [[True, True, False], [True, False, False], [True, False, False]]
    assert mask_of(layer, [[3, 4, 0], [3, 0, 0], [0, 0, 0]]).tolist() == expected


def test_without_masking_there_is_no_mask():
    assert TokenEmbedding(5, 2, mask_zero=False).compute_mask(np.array([[1, 0]], "int32")) is None


@pytest.mark.parametrize("in_graph", [True, False])
@pytest.mark.parametrize("name", LAYERS)
def test_unique_rows_have_the_results_of_keras_embedding(name, in_graph):
    """Outputs in training, and all gradients, of a layer behind either."""
    token_ids = tf.constant([[1, 2, 2, 1, 0], [5, 2, 0, 0, 0], [1, 1, 3, 7, 7]])
    results = []
    for kind in (TokenEmbedding, keras.layers.Embedding):
        keras.utils.set_random_seed(0)  # of dropout
        embedding, layer = kind(9, 4, mask_zero=True), LAYERS[name]()
        for seed, (part, shape) in enumerate(((embedding, (None, None)), (layer, (None, None, 4)))):
            part.build(shape)
            rng = np.random.default_rng(seed)
            part.set_weights([rng.normal(size=weight.shape) for weight in part.weights])

        def step(embedding=embedding, layer=layer):
            with tf.GradientTape() as tape:
                outputs = layer(embedding(token_ids, training=True), training=True)
                loss = tf.reduce_sum(tf.sin(outputs))
            gradients = tape.gradient(loss, [weight.value for weight in (*embedding.weights, *layer.weights)])
            return [outputs, *map(tf.convert_to_tensor, gradients)]

        results.append((tf.function(step) if in_graph else step)())
    for ours, theirs in zip(*results, strict=True):
        np.testing.assert_allclose(ours, theirs, atol=1e-5)


def test_unique_rows_are_attached_in_training_and_to_the_output_alone():
    layer, token_ids = TokenEmbedding(9, 4), tf.constant([[1, 2, 2], [5, 2, 0]])
    layer.build((None, None))
    half = TokenEmbedding(9, 4, dtype="mixed_float16")
    half.build((None, None))
    assert unique_rows_of(layer(token_ids, training=True)) is None  # eagerly

    @tf.function
    def rows(token_ids):
        assert unique_rows_of(layer(token_ids)) is None
        outputs = layer(token_ids, training=True)
        assert unique_rows_of(2 * outputs) is None
        assert unique_rows_of(half(token_ids, training=True)) is None
        return unique_rows_of(outputs)

    values, indices = rows(token_ids)
    assert values.shape == (4, 4)
    np.testing.assert_array_equal(tf.gather(values, indices), layer(token_ids))


@pytest.mark.filterwarnings("error:Converting sparse IndexedSlices")
def test_the_gradient_has_each_row_once():
    layer, token_ids = TokenEmbedding(9, 4), tf.constant([[1, 2, 2], [5, 2, 0]])

    @tf.function
    def gradient():
        with tf.GradientTape() as tape:
            loss = tf.reduce_sum(layer(token_ids, training=True))
        return tape.gradient(loss, layer.embeddings.value)

    layer.build((None, None))
    slices = gradient()
    assert slices.indices.numpy().tolist() == [1, 2, 5, 0]
    np.testing.assert_array_equal(slices.values, np.outer([1, 3, 1, 1], np.ones(4)))


@pytest.mark.parametrize("in_graph", [True, False])
@pytest.mark.parametrize("quantized", [None, "int8"])
@pytest.mark.parametrize("lora_rank", [None, 2])
@pytest.mark.parametrize("policy", ["float32", "float64", "bfloat16", "mixed_float16", "mixed_bfloat16"])
def test_outputs_are_those_of_keras_embedding_to_the_bit(policy, lora_rank, quantized, in_graph):
    if quantized and policy in ("float64", "mixed_float16"):
        pytest.skip("Keras does not quantize it")
    results = []
    for kind in (TokenEmbedding, keras.layers.Embedding):
        layer, rng = kind(9, 4, dtype=policy), np.random.default_rng(0)
        layer.build((None, None))
        layer.embeddings.assign(rng.normal(size=(9, 4)))
        if lora_rank:
            layer.enable_lora(lora_rank)
            for weight in (layer.lora_embeddings_a, layer.lora_embeddings_b):
                weight.assign(rng.normal(size=weight.shape))
        if quantized:
            layer.quantize(quantized)
        call = tf.function(layer) if in_graph else layer
        results.append(call(tf.constant([[1, 2, -1], [-9, 8, 0]])))
    assert results[0].dtype == results[1].dtype
    np.testing.assert_array_equal(*(tf.cast(outputs, "float64") for outputs in results))


def test_the_matrix_is_cast_where_another_layer_multiplies_by_it():
    class Tied(keras.layers.Layer):
        def build(self, shape):
            self.embedding.build(shape)

        def call(self, token_ids):
            return keras.ops.matmul(self.embedding(token_ids), keras.ops.transpose(self.embedding.embeddings))

    results = []
    for kind in (TokenEmbedding, keras.layers.Embedding):
        layer = Tied(dtype="mixed_float16")
        layer.embedding = kind(
            9, 4, dtype="mixed_float16", embeddings_initializer=keras.initializers.RandomNormal(seed=0)
        )
        results.append(layer(tf.constant([[1, 2]])))
    assert results[0].dtype == results[1].dtype == "float16"
    np.testing.assert_array_equal(*results)


@pytest.mark.parametrize("token_id", [9, -10])
@pytest.mark.parametrize("in_graph", [True, False])
def test_an_id_out_of_range_is_an_error(token_id, in_graph):
    layer = TokenEmbedding(9, 4)
    layer.build((None, None))
    with pytest.raises(tf.errors.InvalidArgumentError, match=r"is not in \[0, 9\)"):
        (tf.function(layer) if in_graph else layer)(tf.constant([[0, token_id]]), training=True)


@pytest.mark.parametrize("shape", [(3,), (2, 3, 2)])
def test_the_mask_of_inputs_of_another_rank_is_that_of_keras(shape):
    masks = [
        kind(9, 4, mask_zero=True).compute_mask(np.zeros(shape)) for kind in (TokenEmbedding, keras.layers.Embedding)
    ]
    np.testing.assert_array_equal(*masks)

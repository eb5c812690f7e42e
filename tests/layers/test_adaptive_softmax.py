import keras
import numpy as np
import pytest

from keras_rnn import UsageError
from keras_rnn.layers import AdaptiveSoftmax


def random_layer(cutoffs=(4, 10), tokens=30, width=32):
    layer = AdaptiveSoftmax(tokens, cutoffs)
    layer.build((None, None, width))
    rng = np.random.default_rng(0)
    layer.set_weights([rng.normal(size=weight.shape) for weight in layer.weights])
    return layer


def test_probabilities_sum_to_one():
    inputs = np.random.default_rng(1).normal(size=(3, 5, 32)).astype("float32")
    log_probabilities = np.asarray(random_layer()(inputs), "float64")
    assert log_probabilities.shape == (3, 5, 30)
    np.testing.assert_allclose(np.exp(log_probabilities).sum(-1), 1, atol=1e-6)


def test_a_cluster_has_the_probability_of_its_entry_in_the_head():
    layer, inputs = random_layer(), np.random.default_rng(1).normal(size=(3, 32)).astype("float32")
    probabilities = np.exp(np.asarray(layer(inputs), "float64"))
    head = np.asarray(keras.ops.softmax(inputs @ layer.get_weights()[0] + layer.get_weights()[1]))
    np.testing.assert_allclose(probabilities[:, :4], head[:, :4], atol=1e-6)
    np.testing.assert_allclose(probabilities[:, 4:10].sum(1), head[:, 4], atol=1e-6)
    np.testing.assert_allclose(probabilities[:, 10:].sum(1), head[:, 5], atol=1e-6)


def test_weights_of_rare_tokens_are_narrow():
    shapes = [tuple(weight.shape) for weight in random_layer().weights]
    assert shapes == [(32, 6), (6,), (32, 8), (8, 6), (6,), (32, 2), (2, 20), (20,)]
    assert random_layer(width=3).clusters[1][0].shape == (3, 1)


def test_config_and_weights_make_the_same_layer():
    layer, inputs = random_layer(), np.ones((2, 32), "float32")
    copy = AdaptiveSoftmax.from_config(layer.get_config())
    copy.build((None, 32))
    copy.set_weights(layer.get_weights())
    np.testing.assert_array_equal(copy(inputs), layer(inputs))


@pytest.mark.parametrize(
    ("cutoffs", "message"),
    [
        ([], r"adaptive_cutoffs takes ids below vocabulary_size 30, got \[\]"),
        ([4, 30], r"adaptive_cutoffs takes ids below vocabulary_size 30, got \[4, 30\]"),
        ([4, 4], r"adaptive_cutoffs takes ids that increase, got \[4, 4\]"),
        ([0], "adaptive_cutoffs takes a whole number of at least 1, got 0"),
        ([2.5], "adaptive_cutoffs takes a whole number of at least 1, got 2.5"),
    ],
)
def test_bad_cutoffs_are_named(cutoffs, message):
    with pytest.raises(UsageError, match=message):
        AdaptiveSoftmax(30, cutoffs)

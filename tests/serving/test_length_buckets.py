import numpy as np
import pytest
import tensorflow as tf

from keras_rnn import text_classifier
from keras_rnn.serving.length_buckets import LENGTH_BUCKETS, MIN_ROWS, gains_from_length_buckets, run_in_length_buckets


def answered(rows):
    """Rows of random lengths, some empty. The network returns the sum of a row's ids and the number of its steps."""
    rng = np.random.default_rng(0)
    lengths = rng.integers(0, 50, rows)
    token_ids = rng.integers(1, 9, (rows, 60)) * (np.arange(60) < lengths[:, np.newaxis])

    @tf.function(input_signature=[tf.TensorSpec((None, None), tf.int32)])
    def network(ids):
        sums = tf.reduce_sum(ids, axis=1)
        return tf.stack([sums, tf.fill(tf.shape(sums), tf.shape(ids)[1])], 1)

    graph = tf.function(lambda ids: run_in_length_buckets(network, ids), input_signature=network.input_signature)
    return lengths, token_ids.sum(axis=1), graph(tf.constant(token_ids, tf.int32)).numpy()


def test_many_rows_are_parted_by_length_and_come_back_in_order():
    lengths, sums, answers = answered(MIN_ROWS + 3)
    np.testing.assert_array_equal(answers[:, 0], sums)
    longest = [max(part) for part in np.split(np.sort(lengths), [8, 16, 25, 33, 41, 50, 58])]
    assert len(longest) == LENGTH_BUCKETS
    assert sorted(set(answers[:, 1])) == sorted(set(longest))
    assert (answers[:, 1] >= lengths).all()


def test_few_rows_stay_together():
    _, sums, answers = answered(MIN_ROWS - 1)
    np.testing.assert_array_equal(answers[:, 0], sums)
    assert set(answers[:, 1]) == {60}


def test_rows_of_nothing_have_one_step():
    network = tf.function(lambda ids: tf.shape(ids)[1] * tf.ones_like(ids[:, 0]), autograph=False)
    answers = run_in_length_buckets(network, tf.zeros((MIN_ROWS, 7), tf.int32))
    np.testing.assert_array_equal(answers, np.ones(MIN_ROWS))


@pytest.mark.parametrize(
    ("options", "gains"),
    [
        ({"cell": "lstm", "hidden_size": 80, "bidirectional": True}, True),
        ({"cell": "lstm", "hidden_size": [80, 81], "num_layers": 2}, False),
        ({"cell": "gru", "hidden_size": 4}, False),
        ({"num_layers": 0, "pooling": "mean"}, False),
    ],
)
def test_networks_of_small_lstms_gain(options, gains):
    assert gains_from_length_buckets(text_classifier(num_classes=2, vocabulary_size=5, **options)) == gains

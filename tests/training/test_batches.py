import itertools

import numpy as np
import pytest

from keras_rnn.text.encoded import EncodedTexts
from keras_rnn.training.batches import epoch_batches, training_batches


@pytest.fixture
def lengths():
    return np.random.default_rng(0).integers(1, 100, 1000)


@pytest.mark.parametrize("seed", range(5))
def test_every_row_stands_in_one_batch_and_all_but_the_last_are_full(lengths, seed):
    batches = epoch_batches(lengths, 16, seed, epoch=0)
    assert sorted(np.concatenate(batches)) == list(range(1000))
    assert list(map(len, batches)) == [16] * 62 + [8]


def test_an_epoch_is_a_function_of_seed_and_number(lengths):
    def flat(seed, epoch):
        return np.concatenate(epoch_batches(lengths, 16, seed, epoch)).tolist()

    assert flat(0, 3) == flat(0, 3)
    assert flat(0, 3) != flat(0, 4)
    assert flat(0, 3) != flat(1, 3)


def test_rows_of_like_length_share_a_batch(lengths):
    batches = epoch_batches(lengths, 16, seed=0, epoch=0)
    padded = sum(lengths[rows].max() * len(rows) for rows in batches)
    assert padded < 1.05 * lengths.sum()


def test_batches_do_not_come_sorted_by_length(lengths):
    means = [lengths[rows].mean() for rows in epoch_batches(lengths, 16, seed=0, epoch=0)]
    assert abs(np.corrcoef(means, np.arange(len(means)))[0, 1]) < 0.3


def test_training_batches_go_on_from_an_epoch():
    texts = EncodedTexts(np.arange(1, 31, dtype=np.int32), np.arange(0, 31, 3))
    labels = np.arange(10, dtype=np.int32)

    def batches(first_epoch, count):
        stream = training_batches(texts, labels, 4, seed=0, first_epoch=first_epoch)
        return [(ids.numpy().tolist(), rows.numpy().tolist()) for ids, rows in itertools.islice(stream, count)]

    assert batches(0, 6)[3:] == batches(1, 3)
    ids, rows = batches(0, 1)[0]
    assert ids == [texts.ids[3 * row : 3 * row + 3].tolist() for row in rows]

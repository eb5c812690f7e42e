import itertools

import numpy as np
import psutil
import pytest
from tensorflow.python.framework import config

from keras_rnn.tasks.batches import (
    EpochBatches,
    epoch_batches,
    epoch_token_batches,
    training_batches,
    validation_batches,
)
from keras_rnn.tasks.classification.rows import LabelledSplit
from keras_rnn.text.columns import RowValues
from keras_rnn.text.encoded import EncodedTexts, save
from keras_rnn.training.options import TrainingOptions


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
    padded_tokens = sum(lengths[rows].max() * len(rows) for rows in batches)
    assert padded_tokens < 1.05 * lengths.sum()


def test_batches_do_not_come_sorted_by_length(lengths):
    means = [lengths[rows].mean() for rows in epoch_batches(lengths, 16, seed=0, epoch=0)]
    assert abs(np.corrcoef(means, np.arange(len(means)))[0, 1]) < 0.3


def test_training_batches_go_on_from_an_epoch():
    texts = EncodedTexts(np.arange(1, 31, dtype=np.int32), np.arange(0, 31, 3))
    labels = np.arange(10, dtype=np.int32)

    def batches(first_epoch, count):
        stream = training_batches(labelled(texts, labels), 4, seed=0, first_epoch=first_epoch)
        return [(ids.numpy().tolist(), rows.numpy().tolist()) for ids, rows in itertools.islice(stream, count)]

    assert batches(0, 6)[3:] == batches(1, 3)
    ids, rows = batches(0, 1)[0]
    assert ids == [texts.ids[3 * row : 3 * row + 3].tolist() for row in rows]


@pytest.mark.parametrize("seed", range(5))
def test_token_batches_hold_every_row_once_and_their_budget(lengths, seed):
    batches = epoch_token_batches(lengths, 500, seed, epoch=0)
    assert sorted(np.concatenate(batches)) == list(range(1000))
    assert max(len(rows) * lengths[rows].max() for rows in batches) <= 500
    assert sum(len(rows) * lengths[rows].max() for rows in batches) < 1.02 * lengths.sum()
    # One row more, of those that come next in length, would be too much for any but the one that got the rest.
    assert sum((len(rows) + 1) * lengths[rows].max() <= 500 for rows in batches) <= 1


def test_token_batches_of_known_rows():
    lengths = np.array([1, 7, 2, 9, 2, 1, 3])
    batches = epoch_token_batches(lengths, 6, seed=0, epoch=0)
    # 9 and 7 are over the budget and alone; 3 and 2 fit in 6, the other 2 and both 1 as well.
    assert sorted(sorted(lengths[rows].tolist()) for rows in batches) == [[1, 1, 2], [2, 3], [7], [9]]


def test_token_batches_are_a_function_of_seed_and_epoch_and_as_many_in_each(lengths):
    def made(seed, epoch):
        return [rows.tolist() for rows in epoch_token_batches(lengths, 300, seed, epoch)]

    assert made(0, 3) == made(0, 3)
    assert made(0, 3) != made(0, 4)
    assert made(0, 3) != made(1, 3)
    assert len({len(made(seed, epoch)) for seed in range(3) for epoch in range(3)}) == 1


def labelled(texts: EncodedTexts, labels) -> LabelledSplit:
    return LabelledSplit({"token_ids": texts}, {"label": RowValues(np.asarray(labels, np.int32))})


def split_of(lengths) -> LabelledSplit:
    offsets = np.cumsum([0, *lengths])
    texts = EncodedTexts(np.arange(1, offsets[-1] + 1, dtype=np.int32), offsets)
    return labelled(texts, np.arange(len(lengths)))


@pytest.mark.parametrize("options", [{"batch_size": 4}, {"batch_tokens": 11}])
def test_an_epoch_ends_after_its_steps_and_holds_the_rows_it_says(options):
    split = split_of([3, 1, 4, 1, 5, 9, 2, 6, 5])
    batches = EpochBatches(split, TrainingOptions(seed=3, **options))
    seen_batches = []
    for epoch in (0, 1, 0):
        batches.on_epoch_begin(epoch)
        made = [(ids.numpy(), labels.numpy()) for ids, labels in batches.dataset]
        assert len(made) == batches.steps == len(batches.dataset)
        for (ids, labels), rows in zip(made, batches.batches(), strict=True):
            np.testing.assert_array_equal(labels, rows)
            np.testing.assert_array_equal(ids, split.texts.padded(rows))
        seen_batches.append([labels.tolist() for _, labels in made])
    assert seen_batches[0] == seen_batches[2] != seen_batches[1]


def test_validation_batches_hold_every_row_once():
    split = split_of([3, 1, 4, 1, 5])
    batches = [(ids.numpy(), rows.numpy()) for ids, rows in validation_batches(split, 2)]
    assert [rows.tolist() for _, rows in batches] == [[1, 3], [0, 2], [4]]
    for ids, rows in batches:
        np.testing.assert_array_equal(ids, split.texts.padded(rows))


def test_memory_mapped_texts_give_the_same_batches(tmp_path):
    split = split_of([3, 1, 4, 1, 5])
    save([split.texts], tmp_path, "train")
    mapped_texts = EncodedTexts.open(tmp_path, "train")
    for texts in (split.texts, mapped_texts):
        made = [ids.numpy().tolist() for ids, _ in validation_batches(labelled(texts, split.labels), 2)]
        assert made == [[[4], [9]], [[1, 2, 3, 0], [5, 6, 7, 8]], [[10, 11, 12, 13, 14]]]


@pytest.mark.parametrize("deterministic", [False, True])
def test_token_ids_stay_in_their_file(deterministic, tmp_path):
    if deterministic:
        config.enable_op_determinism()
    else:
        config.disable_op_determinism()
    rows, tokens = 2**13, 2**11
    texts = EncodedTexts(np.ones(rows * tokens, np.int32), np.arange(rows + 1) * tokens)
    save([texts], tmp_path, "train")
    del texts
    batches = training_batches(labelled(EncodedTexts.open(tmp_path, "train"), np.zeros(rows)), 2, seed=0)
    process = psutil.Process()
    before = process.memory_full_info().uss
    for token_ids, _ in batches.take(3):
        assert token_ids.shape == (2, tokens)
    own = process.memory_full_info().uss - before - mapped_bytes(tmp_path)
    assert own < rows * tokens * 4 / 4


@pytest.fixture(autouse=True)
def op_determinism():
    """What there was of it before, again."""
    before = config.is_op_determinism_enabled()
    yield
    if before:
        config.enable_op_determinism()
    else:
        config.disable_op_determinism()


def mapped_bytes(folder):
    """Of files in the folder that this process has mapped, and read."""
    return sum(file.rss for file in psutil.Process().memory_maps() if file.path.startswith(str(folder)))

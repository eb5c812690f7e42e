"""Which tokens a step of a language model reads: every token once an epoch, in order, behind the right state."""

import itertools
import time
from types import SimpleNamespace

import keras
import numpy as np
import pytest
import tensorflow as tf

from keras_rnn.tasks.language_model.chunks import (
    SHORTEST,
    ChunkBatches,
    ChunkOptions,
    count_chunks,
    document_batches,
    epoch_chunks,
)
from keras_rnn.text.encoded import EncodedTexts

CORPORA = {
    "some documents": [7, 40, 3, 12, 25, 9, 31, 2, 18],
    "one text": [300],
    "fewer documents than lanes": [12, 5],
    "as many as lanes": [9, 8, 7, 6],
    "documents of one token": [2, 2, 2, 2, 2, 2, 2, 2, 2],
    "some without any": [1, 5, 1, 1, 8, 1],
    "one far longer than the others": [400, 3, 5, 4, 6, 2],
    "fewer tokens than lanes": [3],
}
LANES = 4


def offsets_of(lengths):
    return np.cumsum([0, *lengths], dtype=np.int64)


def predictions_of(lengths):
    """Where each token that is followed by one of its document stands."""
    return [place for start, end in itertools.pairwise(offsets_of(lengths).tolist()) for place in range(start, end - 1)]


def options(length=6, random=False, by_document=True):
    return ChunkOptions(length, random, by_document)


def lane_runs(chunks, lane):
    """What a lane reads behind each new state: lists of indices."""
    runs = []
    for chunk in chunks:
        if chunk.starts[lane]:
            runs.append([])
        count = chunk.lengths[lane]
        if count:
            runs[-1] += chunk.indices[lane, :count].tolist()
    return runs


def is_same(one, other):
    pairs = itertools.zip_longest(one, other)
    return all(
        left is not None
        and right is not None
        and all(np.array_equal(getattr(left, name), getattr(right, name)) for name in ("indices", "lengths", "starts"))
        for left, right in pairs
    )


@pytest.mark.parametrize("epoch", [0, 1])
@pytest.mark.parametrize("random", [False, True])
@pytest.mark.parametrize("by_document", [True, False])
@pytest.mark.parametrize("corpus", CORPORA)
def test_every_token_is_predicted_once_an_epoch(corpus, by_document, random, epoch):
    lengths = CORPORA[corpus]
    chunks = list(epoch_chunks(offsets_of(lengths), LANES, options(6, random, by_document), 3, epoch))
    read = [
        index
        for chunk in chunks
        for row, count in zip(chunk.indices, chunk.lengths, strict=True)
        for index in row[:count].tolist()
    ]
    assert sorted(read) == predictions_of(lengths)
    assert len(chunks) == count_chunks(offsets_of(lengths), LANES, options(6, random, by_document), 3, epoch)
    for chunk in chunks:
        assert chunk.indices.shape == (LANES, chunk.lengths.max())
        assert chunk.lengths.max() > 0
        is_padding = np.arange(chunk.indices.shape[1]) >= chunk.lengths[:, None]
        assert not chunk.indices[is_padding].any()
        assert not chunk.starts[chunk.lengths == 0].any()
        assert [array.dtype for array in (chunk.indices, chunk.lengths, chunk.starts)] == [np.int64, np.int64, bool]


@pytest.mark.parametrize("random", [False, True])
@pytest.mark.parametrize("corpus", CORPORA)
def test_a_state_begins_anew_with_a_document(corpus, random):
    """Or with a piece of a document that is longer than a lane's share."""
    lengths = CORPORA[corpus]
    offsets, share = offsets_of(lengths), -(-(sum(lengths) - len(lengths)) // LANES)
    chunks = list(epoch_chunks(offsets, LANES, options(5, random), 1, 0))
    for lane in range(LANES):
        for run in lane_runs(chunks, lane):
            document = int(np.searchsorted(offsets, run[0], side="right")) - 1
            start, end = offsets[document : document + 2].tolist()
            assert (run[0] - start) % share == 0
            assert run == list(range(run[0], min(run[0] + share, end - 1)))


@pytest.mark.parametrize("random", [False, True])
@pytest.mark.parametrize("corpus", CORPORA)
def test_a_stream_goes_on_from_document_to_document(corpus, random):
    lengths = CORPORA[corpus]
    offsets = offsets_of(lengths)
    chunks = list(epoch_chunks(offsets, LANES, options(5, random, by_document=False), 1, 0))
    runs = [lane_runs(chunks, lane) for lane in range(LANES)]
    assert all(len(run) <= 1 for run in runs)
    stream = [index for run in runs for index in itertools.chain(*run)]
    documents = [
        int(np.searchsorted(offsets, index, side="right")) - 1
        for index, before in zip(stream, [-2, *stream], strict=False)
        if index != before + 1
    ]
    assert len(documents) == len(set(documents)) == sum(length > 1 for length in lengths)
    assert stream == [place for document in documents for place in range(offsets[document], offsets[document + 1] - 1)]
    sizes = [sum(map(len, run)) for run in runs]
    assert max(sizes) - min(sizes) <= 1


def test_a_chunk_ends_with_its_lanes_document():
    """Documents of 3, 4 and 2 predictions, in two lanes and chunks of 5: the shorter two are in one lane."""
    first, second = epoch_chunks(np.array([0, 4, 9, 12]), 2, options(5), 0, 0)
    assert first.indices.tolist() == [[4, 5, 6, 7], [9, 10, 0, 0]]
    assert first.lengths.tolist() == [4, 2]
    assert first.starts.tolist() == [True, True]
    assert second.indices.tolist() == [[0, 0, 0], [0, 1, 2]]
    assert second.lengths.tolist() == [0, 3]
    assert second.starts.tolist() == [False, True]


@pytest.mark.parametrize("corpus", ["some documents", "one text", "one far longer than the others"])
def test_lanes_are_about_equally_long(corpus):
    lengths = CORPORA[corpus]
    chunks = list(epoch_chunks(offsets_of(lengths), LANES, options(6), 0, 0))
    loads = np.sum([chunk.lengths for chunk in chunks], axis=0)
    share = loads.sum() / LANES
    assert loads.max() <= 4 / 3 * np.ceil(share)  # as Graham 1969 says of the longest first


def test_many_documents_are_spread_evenly():
    lengths = np.random.default_rng(0).integers(2, 60, 3000)
    chunks = list(epoch_chunks(offsets_of(lengths), 16, options(20), 0, 0))
    loads = np.sum([chunk.lengths for chunk in chunks], axis=0)
    assert loads.max() - loads.min() <= 2


@pytest.mark.parametrize("by_document", [True, False])
def test_it_is_a_function_of_seed_and_epoch(by_document):
    def chunks(seed, epoch):
        lengths = CORPORA["some documents"]
        return list(epoch_chunks(offsets_of(lengths), LANES, options(6, True, by_document), seed, epoch))

    assert is_same(chunks(0, 0), chunks(0, 0))
    assert is_same(chunks(5, 3), chunks(5, 3))
    assert not is_same(chunks(0, 0), chunks(0, 1))
    assert not is_same(chunks(0, 0), chunks(1, 0))


def test_equal_chunks_are_of_equal_length():
    chunks = list(epoch_chunks(np.array([0, 4001]), 4, options(70), 0, 0))
    assert [chunk.indices.shape[1] for chunk in chunks] == [70] * 14 + [20]


def test_random_lengths_lie_about_the_mean_and_some_about_its_half():
    """A mean of 70 and a standard deviation of 5; of one chunk in twenty the mean is 35 (arXiv 1708.02182)."""
    chunks = epoch_chunks(np.array([0, 1_000_001]), 1, options(70, True), 0, 0)
    lengths = np.array([chunk.indices.shape[1] for chunk in chunks][:-1])
    is_half = lengths < 52
    assert abs(is_half.mean() - 0.05) < 0.006
    assert abs(lengths[~is_half].mean() - 70) < 0.2
    assert abs(lengths[~is_half].std() - 5) < 0.2
    assert abs(lengths[is_half].mean() - 35) < 0.7
    assert abs(lengths.mean() - 0.95 * 70 - 0.05 * 35) < 0.4


@pytest.mark.parametrize("length", [1, 2, 5, 7])
def test_short_random_chunks_are_never_empty(length):
    chunks = list(epoch_chunks(np.array([0, 2001]), 1, options(length, True), 0, 0))
    assert min(chunk.indices.shape[1] for chunk in chunks[:-1]) >= min(SHORTEST, length)


# What `fit` gets


def batches_of(lengths, chunk_options, *, lanes=LANES, epochs=3, seed=0):
    ids = np.random.default_rng(0).integers(3, 1000, sum(lengths)).astype(np.int32)
    options_of_run = SimpleNamespace(batch_size=lanes, epochs=epochs, seed=seed)
    return ChunkBatches(EncodedTexts(ids, offsets_of(lengths)), chunk_options, options_of_run)


@pytest.mark.parametrize("by_document", [True, False])
@pytest.mark.parametrize("random", [False, True])
def test_the_dataset_has_the_chunks_of_the_epoch_under_way(random, by_document):
    lengths = CORPORA["some documents"]
    batches = batches_of(lengths, options(6, random, by_document))
    ids, offsets = batches.token_ids.ids, batches.token_ids.offsets
    counts = [count_chunks(offsets, LANES, batches.chunks, 0, epoch) for epoch in range(3)]
    assert batches.steps == max(counts)
    assert (batches.examples, batches.unit) == (sum(lengths) - len(lengths), "tokens")
    assert int(batches.dataset.cardinality()) == batches.steps
    for epoch in (0, 2):
        batches.on_epoch_begin(epoch)
        steps = list(batches.dataset)
        assert len(steps) == batches.steps
        plan = list(epoch_chunks(offsets, LANES, batches.chunks, 0, epoch))
        for (inputs, targets), chunk in zip(steps, itertools.cycle(plan), strict=False):
            assert set(inputs) == {"token_ids", "targets", "starts"}
            assert {inputs["token_ids"].dtype, inputs["targets"].dtype, targets.dtype} == {tf.int32}
            np.testing.assert_array_equal(inputs["targets"], targets)
            np.testing.assert_array_equal(inputs["starts"], chunk.starts)
            for lane, count in enumerate(chunk.lengths):
                indices = chunk.indices[lane, :count]
                assert inputs["token_ids"][lane].numpy().tolist() == [*ids[indices], *[0] * (len(targets[0]) - count)]
                assert targets[lane].numpy().tolist() == [*ids[indices + 1], *[0] * (len(targets[0]) - count)]


def test_a_shorter_epoch_begins_again():
    """Keras takes as many steps of each epoch; random chunks are not as many in each."""
    batches = batches_of([2000], options(10, True), lanes=2, epochs=8)
    counts = [count_chunks(batches.token_ids.offsets, 2, batches.chunks, 0, epoch) for epoch in range(8)]
    shortest = int(np.argmin(counts))
    assert counts[shortest] < batches.steps == max(counts)
    batches.on_epoch_begin(shortest)
    steps = [inputs for inputs, _ in batches.dataset]
    assert len(steps) == batches.steps
    assert [bool(inputs["starts"].numpy().all()) for inputs in steps] == [
        step in (0, counts[shortest]) for step in range(batches.steps)
    ]
    np.testing.assert_array_equal(steps[counts[shortest]]["token_ids"], steps[0]["token_ids"])


class Recorder(keras.Model):
    """A model that trains nothing and remembers which tokens it was shown."""

    def __init__(self):
        super().__init__()
        self.scale = self.add_weight(shape=(), initializer="zeros")
        self.built = True
        self.seen = []

    def call(self, inputs):
        tf.py_function(lambda ids: self.seen.append(ids.numpy()), [inputs["token_ids"]], [])
        return tf.cast(inputs["targets"], tf.float32) * self.scale


def test_fit_takes_each_epochs_own_chunks():
    batches = batches_of([500, 300], options(20, True), epochs=3)
    model = Recorder()
    model.compile("sgd", loss=lambda targets, outputs: tf.reduce_sum(outputs), steps_per_execution=8)
    model.fit(batches.dataset, epochs=3, initial_epoch=1, callbacks=[batches], shuffle=False, verbose=0)
    assert len(model.seen) == 2 * batches.steps
    for epoch, seen in ((1, model.seen[: batches.steps]), (2, model.seen[batches.steps :])):
        batches.on_epoch_begin(epoch)
        for actual, (expected, _) in zip(seen, batches.dataset, strict=True):
            np.testing.assert_array_equal(actual, expected["token_ids"])


def test_the_autotuner_is_off():
    """Its thread can hold up the end of each epoch for as long as the epoch took."""
    assert batches_of([50], options()).dataset.options().autotune.enabled is False


def test_ten_million_tokens_are_planned_quickly():
    """Eight epochs take 0.4 s on an idle machine, and 5 s if each lane of a step is a turn of a loop in Python."""
    began = time.perf_counter()
    offsets = np.array([0, 10_000_001])
    run = SimpleNamespace(batch_size=64, epochs=8, seed=0)
    batches = ChunkBatches(EncodedTexts(np.zeros(0, np.int32), offsets), options(70, True), run)
    assert time.perf_counter() - began < 3
    assert 2200 < batches.steps < 2400


def test_documents_of_like_length_are_evaluated_together():
    assert [list(rows) for rows in document_batches(np.array([3, 9, 1, 9, 4]), 2)] == [[1, 3], [4, 0], [2]]

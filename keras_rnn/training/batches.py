"""Batches of rows of like length, so that little of a batch is padding.

Python says which rows a batch holds, once an epoch; TensorFlow puts the batches together, from the memory-mapped file
of token ids. A step thus never waits for Python.
"""

import math
from collections.abc import Callable, Iterator
from functools import cached_property

import keras
import numpy as np
import tensorflow as tf

from keras_rnn.text.encoded import EncodedTexts, length_batches
from keras_rnn.training.config import TrainingConfig
from keras_rnn.training.prepare import EncodedSplit

POOL_BATCHES = 50  # rows are sorted by length within so many batches: random enough, and hardly any padding


def epoch_batches(lengths: np.ndarray, batch_size: int, seed: int, epoch: int) -> list[np.ndarray]:
    """The rows of each batch of one epoch, a function of `seed` and `epoch` alone; every row stands in one.

    All batches hold `batch_size` rows but the last, which has the rest: a strategy builds the model on the first
    batch, and takes only one that its replicas can share evenly.
    """
    rng = np.random.default_rng([seed, epoch])
    order = rng.permutation(np.arange(len(lengths), dtype=np.int32))
    pool = POOL_BATCHES * batch_size
    for start in range(0, len(order), pool):
        rows = order[start : start + pool]
        order[start : start + pool] = rows[np.argsort(lengths[rows], kind="stable")]
    batches = [order[start : start + batch_size] for start in range(0, len(order), batch_size)]
    whole = len(order) // batch_size
    return [*(batches[index] for index in rng.permutation(whole)), *batches[whole:]]


def epoch_token_batches(lengths: np.ndarray, batch_tokens: int, seed: int, epoch: int) -> list[np.ndarray]:
    """The rows of each batch of one epoch: as many of like length as keep rows times the longest in `batch_tokens`.

    A longer row has a batch of its own. Every epoch has the same lengths in its batches, and so as many batches: of
    the rows that are as long as each other, chance says which goes where, and it says the order of the batches.
    """
    rng = np.random.default_rng([seed, epoch])
    order = rng.permutation(np.arange(len(lengths), dtype=np.int32))
    batches = length_batches(lengths[order], batch_tokens)
    return [order[batches[index]] for index in rng.permutation(len(batches))]


class EpochBatches(keras.callbacks.Callback):
    """The batches of a run: `dataset` is for `fit`, and this for its callbacks, which tells it the epoch.

    Args:
        split: the rows.
        config: says how many rows or tokens a batch takes, and the seed.

    Attributes:
        steps: batches of an epoch.
        dataset: (token_ids int32 `(batch, time)`, labels int32 `(batch,)`) of the epoch under way, and then its end,
            so that the last of several steps that are taken at a time are those that are left.
    """

    def __init__(self, split: EncodedSplit, config: TrainingConfig):
        super().__init__()
        self.split, self.config, self.epoch = split, config, 0
        if config.batch_tokens is None:
            self.steps = math.ceil(len(split) / config.batch_size)
        else:
            self.steps = len(length_batches(split.texts.lengths, config.batch_tokens))

    @cached_property
    def dataset(self) -> tf.data.Dataset:
        dataset = _dataset(self.split.texts, self.split.labels, lambda: map(EpochBatches.batches, [self]))
        return dataset.apply(tf.data.experimental.assert_cardinality(self.steps))

    def batches(self) -> list[np.ndarray]:
        """The rows of each batch of the epoch under way."""
        lengths, config = self.split.texts.lengths, self.config
        if config.batch_tokens is None:
            return epoch_batches(lengths, config.batch_size, config.seed, self.epoch)
        return epoch_token_batches(lengths, config.batch_tokens, config.seed, self.epoch)

    def on_epoch_begin(self, epoch, logs=None):
        self.epoch = epoch


def training_batches(
    texts: EncodedTexts, labels: np.ndarray, batch_size: int, seed: int, first_epoch: int = 0
) -> tf.data.Dataset:
    """Epoch after epoch of (token_ids int32 `(batch, time)`, labels int32 `(batch,)`), without end."""

    def epochs() -> Iterator[list[np.ndarray]]:
        epoch = first_epoch
        while True:
            yield epoch_batches(texts.lengths, batch_size, seed, epoch)
            epoch += 1

    return _dataset(texts, labels, epochs)


def validation_batches(texts: EncodedTexts, labels: np.ndarray, batch_size: int) -> tf.data.Dataset:
    """Every row once, rows of like length together: token_ids int32 `(batch, time)`, labels int32 `(batch,)`."""
    order = np.argsort(texts.lengths, kind="stable").astype(np.int32)
    batches = [order[start : start + batch_size] for start in range(0, len(order), batch_size)]
    return _dataset(texts, labels, lambda: iter([batches]))


def _dataset(
    texts: EncodedTexts, labels: np.ndarray, epochs: Callable[[], Iterator[list[np.ndarray]]]
) -> tf.data.Dataset:
    """The batches of these rows, one epoch after the other."""
    ids, offsets, labels = map(_held, (texts.ids, texts.offsets, np.asanyarray(labels, np.int32)))

    def batch(rows: tf.Tensor) -> tuple[tf.Tensor, tf.Tensor]:
        # `value`, since a gather from a variable itself makes a copy first.
        starts = tf.gather(offsets.value(), rows)
        lengths = tf.gather(offsets.value(), rows + 1) - starts
        places = tf.range(tf.reduce_max(lengths))
        real = places < lengths[:, tf.newaxis]
        at = tf.where(real, starts[:, tf.newaxis] + places, 0)
        return tf.where(real, tf.gather(ids.value(), at), 0), tf.gather(labels.value(), rows)

    def epoch(order: tf.Tensor, splits: tf.Tensor) -> tf.data.Dataset:
        batches = tf.data.Dataset.range(tf.size(splits, tf.int64) - 1)
        return batches.map(lambda index: batch(order[splits[index] : splits[index + 1]]))

    signature = (tf.TensorSpec((None,), tf.int32), tf.TensorSpec((None,), tf.int64))
    options = tf.data.Options()
    options.autotune.enabled = False  # its thread can hold up the end of a fit for as long as an epoch took
    options.experimental_distribute.auto_shard_policy = tf.data.experimental.AutoShardPolicy.DATA
    return (
        # Through `map`, which holds nothing while an epoch goes on: the batches of a million rows take 8 MB.
        tf.data.Dataset.from_generator(lambda: map(_order, epochs()), output_signature=signature)
        .flat_map(epoch)
        .prefetch(1)
        .with_options(options)
    )


def _order(batches: list[np.ndarray]) -> tuple[np.ndarray, np.ndarray]:
    """The rows of all batches, and where each batch begins and the last one ends."""
    return np.concatenate(batches), np.cumsum([0, *map(len, batches)])


def _held(array: np.ndarray) -> tf.Variable:
    """The array for use in a dataset; of a file that is memory-mapped no copy is made.

    It is a variable since tf.data copies tensors that a function refers to whenever it rewrites the function.
    """
    with tf.device("CPU:0"):
        if not isinstance(array, np.memmap):
            return tf.Variable(array, trainable=False)
        # DLPack hands over none that is read-only. Nothing writes to this one.
        mapped = np.memmap(array.filename, array.dtype, "c", array.offset, array.shape)
        tensor = tf.experimental.dlpack.from_dlpack(np.asarray(mapped).__dlpack__())
        return tf.Variable(tensor, trainable=False)

"""Batches of rows of like length, so that little of a batch is padding.

Python says which rows a batch holds, once an epoch; TensorFlow puts the batches together, from the memory-mapped file
of token ids. A step thus never waits for Python.
"""

import math
from collections.abc import Callable, Iterator
from functools import cached_property
from typing import Any

import keras
import numpy as np
import tensorflow as tf

from keras_rnn.tasks.prepared import EncodedSplit
from keras_rnn.text.encoded import length_batches
from keras_rnn.text.gather import gather_function

POOL_BATCHES = 50  # rows are sorted by length within this many batches: random enough, and hardly any padding


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
    full_batches = len(order) // batch_size
    return [*(batches[index] for index in rng.permutation(full_batches)), *batches[full_batches:]]


def epoch_token_batches(lengths: np.ndarray, batch_tokens: int, seed: int, epoch: int) -> list[np.ndarray]:
    """The rows of each batch of one epoch: as many of like length as keep rows times the longest in `batch_tokens`.

    A longer row has a batch of its own. Every epoch has batches of the same lengths, and so the same number of them.
    Chance orders the batches, and the rows of equal length among them.
    """
    rng = np.random.default_rng([seed, epoch])
    order = rng.permutation(np.arange(len(lengths), dtype=np.int32))
    batches = length_batches(lengths[order], batch_tokens)
    return [order[batches[index]] for index in rng.permutation(len(batches))]


def training_model(token_model: keras.Model, options: Any) -> keras.Model:
    """The token model itself, which learns from batches of rows."""
    return token_model


def batches(split: EncodedSplit, model: keras.Model, options: Any) -> "EpochBatches":
    """The batches of rows that a model is trained on; the options are a run's TrainingOptions."""
    return EpochBatches(split.for_model(model), options)


class EpochBatches(keras.callbacks.Callback):
    """The batches of a run: `dataset` is for `fit`, and this for its callbacks, which tells it the epoch.

    Args:
        split: the rows.
        options: a run's TrainingOptions, which say how many rows or tokens a batch takes, and the seed.

    Attributes:
        steps: batches of an epoch.
        examples, unit: what an epoch reads, as progress counts it.
        dataset: the inputs and the targets of each batch of the epoch under way (see `encoded_batches`), and then its
            end, so that Keras stops there when it takes several steps at a time.
    """

    unit = "examples"

    def __init__(self, split: EncodedSplit, options: Any):
        super().__init__()
        self.examples = len(split)
        self.split, self.options, self.epoch = split, options, 0
        if options.batch_tokens is None:
            self.steps = math.ceil(len(split) / options.batch_size)
        else:
            self.steps = len(length_batches(split.lengths, options.batch_tokens))

    @cached_property
    def dataset(self) -> tf.data.Dataset:
        dataset = encoded_batches(self.split, lambda: map(EpochBatches.batches, [self]))
        return dataset.apply(tf.data.experimental.assert_cardinality(self.steps))

    def batches(self) -> list[np.ndarray]:
        """The rows of each batch of the epoch under way."""
        lengths, options = self.split.lengths, self.options
        if options.batch_tokens is None:
            return epoch_batches(lengths, options.batch_size, options.seed, self.epoch)
        return epoch_token_batches(lengths, options.batch_tokens, options.seed, self.epoch)

    def on_epoch_begin(self, epoch, logs=None):
        self.epoch = epoch


def training_batches(split: EncodedSplit, batch_size: int, seed: int, first_epoch: int = 0) -> tf.data.Dataset:
    """Epoch after epoch of a split's batches (see `encoded_batches`), without end."""

    def epochs() -> Iterator[list[np.ndarray]]:
        epoch = first_epoch
        while True:
            yield epoch_batches(split.lengths, batch_size, seed, epoch)
            epoch += 1

    return encoded_batches(split, epochs)


def validation_batches(split: EncodedSplit, batch_size: int) -> tf.data.Dataset:
    """Every row once, rows of like length together (see `encoded_batches`)."""
    order = np.argsort(split.lengths, kind="stable").astype(np.int32)
    batches = [order[start : start + batch_size] for start in range(0, len(order), batch_size)]
    return encoded_batches(split, lambda: iter([batches]))


def encoded_batches(split: EncodedSplit, epochs: Callable[[], Iterator[list[np.ndarray]]]) -> tf.data.Dataset:
    """The batches of these rows, one epoch after the other.

    Each is a pair of inputs and targets: an int32 tensor, or a dict of them by name where there are several columns.
    Ids are `(batch, time)`, right-padded; a classifier's labels are `(batch,)`.
    """
    input_columns, target_columns = (
        {name: gather_function(column) for name, column in columns.items()} for columns in (split.inputs, split.targets)
    )

    def gather(columns: dict[str, Callable], rows: tf.Tensor):
        batch = {name: column(rows) for name, column in columns.items()}
        return batch if len(batch) > 1 else next(iter(batch.values()))

    def batch(rows: tf.Tensor) -> tuple:
        return gather(input_columns, rows), gather(target_columns, rows)

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

"""Batches of rows of like length, so that little of a batch is padding."""

from collections.abc import Callable, Iterator

import numpy as np
import tensorflow as tf

from keras_rnn.text.encoded import EncodedTexts

POOL_BATCHES = 50  # rows are sorted by length within so many batches: random enough, and hardly any padding


def epoch_batches(lengths: np.ndarray, batch_size: int, seed: int, epoch: int) -> list[np.ndarray]:
    """The rows of each batch of one epoch, a function of `seed` and `epoch` alone; every row stands in one.

    All batches hold `batch_size` rows but the last, which has the rest: a strategy builds the model on the first
    batch, and takes only one that its replicas can share evenly.
    """
    rng = np.random.default_rng([seed, epoch])
    order = rng.permutation(len(lengths))
    pool = POOL_BATCHES * batch_size
    for start in range(0, len(order), pool):
        rows = order[start : start + pool]
        order[start : start + pool] = rows[np.argsort(lengths[rows], kind="stable")]
    batches = [order[start : start + batch_size] for start in range(0, len(order), batch_size)]
    whole = len(order) // batch_size
    return [*(batches[index] for index in rng.permutation(whole)), *batches[whole:]]


def training_batches(
    texts: EncodedTexts, labels: np.ndarray, batch_size: int, seed: int, first_epoch: int = 0
) -> tf.data.Dataset:
    """Epoch after epoch of (token_ids int32 `(batch, time)`, labels int32 `(batch,)`), without end."""
    lengths = texts.lengths

    def batches() -> Iterator[tuple[np.ndarray, np.ndarray]]:
        epoch = first_epoch
        while True:
            for rows in epoch_batches(lengths, batch_size, seed, epoch):
                yield texts.padded(rows), labels[rows]
            epoch += 1

    return _dataset(batches)


def validation_batches(texts: EncodedTexts, labels: np.ndarray, batch_size: int) -> tf.data.Dataset:
    """Every row once, rows of like length together: token_ids int32 `(batch, time)`, labels int32 `(batch,)`."""
    order = np.argsort(texts.lengths, kind="stable")

    def batches() -> Iterator[tuple[np.ndarray, np.ndarray]]:
        for start in range(0, len(order), batch_size):
            rows = order[start : start + batch_size]
            yield texts.padded(rows), labels[rows]

    return _dataset(batches)


def _dataset(batches: Callable[[], Iterator[tuple[np.ndarray, np.ndarray]]]) -> tf.data.Dataset:
    signature = (tf.TensorSpec((None, None), tf.int32), tf.TensorSpec((None,), tf.int32))
    options = tf.data.Options()
    options.autotune.enabled = False  # its thread can hold up the end of a fit for as long as an epoch took
    options.experimental_distribute.auto_shard_policy = tf.data.experimental.AutoShardPolicy.DATA
    return tf.data.Dataset.from_generator(batches, output_signature=signature).prefetch(8).with_options(options)

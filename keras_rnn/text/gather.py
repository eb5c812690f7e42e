"""Batches of encoded columns, put together by TensorFlow, from memory-mapped files."""

from collections.abc import Callable

import numpy as np
import tensorflow as tf

from keras_rnn.text.columns import Column, RowValues, TableRows
from keras_rnn.text.encoded import EncodedTexts


def gather_function(column: Column) -> Callable[[tf.Tensor], tf.Tensor]:
    """A function from row numbers, int32 `(batch,)`, to what `column.padded` gives for them, for use in tf.data."""
    if isinstance(column, RowValues):
        values = _variable(np.asanyarray(column.values, column.dtype))
        return lambda rows: tf.gather(values.value(), rows)
    if isinstance(column, TableRows):
        ids, table = _gather_ids(column.ids), _variable(np.asanyarray(column.table, np.int32))
        return lambda rows: tf.gather(table.value(), ids(rows))
    return _gather_ids(column)


def _gather_ids(column: EncodedTexts) -> Callable[[tf.Tensor], tf.Tensor]:
    ids, offsets = _variable(column.ids), _variable(column.offsets)

    def gather(rows: tf.Tensor) -> tf.Tensor:
        # `value`, since a gather from a variable itself makes a copy first.
        starts = tf.gather(offsets.value(), rows)
        lengths = tf.gather(offsets.value(), rows + 1) - starts
        steps = tf.range(tf.reduce_max(lengths))
        is_real = steps < lengths[:, tf.newaxis]
        indices = tf.where(is_real, starts[:, tf.newaxis] + steps, 0)
        return tf.where(is_real, tf.gather(ids.value(), indices), column.padding)

    return gather


def _variable(array: np.ndarray) -> tf.Variable:
    """The array for use in a dataset, without a copy if it is memory-mapped.

    It is a variable: tf.data copies the tensors that a function refers to whenever it rewrites the function.
    """
    with tf.device("CPU:0"):
        if not isinstance(array, np.memmap):
            return tf.Variable(array, trainable=False)
        # DLPack refuses read-only arrays. Nothing writes to this one.
        writable_map = np.memmap(str(array.filename), array.dtype, "c", array.offset, array.shape)
        tensor = tf.experimental.dlpack.from_dlpack(np.asarray(writable_map).__dlpack__())
        return tf.Variable(tensor, trainable=False)

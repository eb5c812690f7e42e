"""Functions of NumPy arrays as TensorFlow operations of this process.

A graph with such an operation cannot be saved, since another process would not find the function.
"""

import math
from collections.abc import Callable, Sequence
from functools import cache

import numpy as np
import tensorflow as tf

from keras_rnn.layers.native.memory import LINE, PackedBuffer, lines_of

# The name of a resource that no SavedModel can hold. TensorFlow's error shows it.
_REFUSAL = (
    "machine code of keras_rnn, which runs in this process only: save a tf.function and not its concrete function, "
    "or trace it after keras_rnn.layers.native.set_enabled(False)"
)


@cache
def _resource() -> tf.Tensor:
    with tf.init_scope():
        return tf.raw_ops.VarHandleOp(dtype=tf.int32, shape=[], shared_name=_REFUSAL)


def forbid_saving() -> None:
    """Makes `tf.saved_model.save` refuse the function that is being traced."""
    graph = tf.compat.v1.get_default_graph()
    if hasattr(graph, "capture"):
        graph.capture(_resource())


def in_process(run: Callable, args: Sequence, dtypes: Sequence) -> list[tf.Tensor]:
    """The tensors that `run` returns for the arrays of `args`. They have no gradient.

    The caller calls `forbid_saving` first. Gradients need not, since their forward operation has done so.

    Args:
        run: a function of arrays that returns arrays, the same ones for the same arguments.
        args: tensors.
        dtypes: for each array that `run` returns its dtype.
    """
    return tf.nest.flatten(tf.numpy_function(run, args, list(dtypes), stateful=False))


def operation(run: Callable[..., PackedBuffer], args: Sequence, shapes: Sequence) -> list[tf.Tensor]:
    """The float32 tensors that `run` packs for the arrays of `args`.

    They pass through TensorFlow as one array, since each array costs 7 us.

    Args:
        run: a function of arrays that returns a PackedBuffer, the same one for the same arguments.
        args: tensors.
        shapes: for each tensor its shape, of ints and scalar tensors.
    """
    forbid_saving()
    is_static = all(isinstance(size, int) for shape in shapes for size in shape)

    def lines(*arrays):
        buffer = run(*arrays)
        if is_static:
            return [buffer.lines]
        return [buffer.lines, np.array([lines_of(array.shape) for array in buffer.arrays], np.int32)]

    packed, *sizes = in_process(lines, args, [tf.float32] if is_static else [tf.float32, tf.int32])
    sizes = [*map(lines_of, shapes)] if is_static else sizes[0]
    packed.set_shape((None, LINE))
    return [_shaped(part, shape) for part, shape in zip(tf.split(packed, sizes, num=len(shapes)), shapes, strict=True)]


def _shaped(lines: tf.Tensor, shape: Sequence) -> tf.Tensor:
    aligned = math.prod(size for size in shape if isinstance(size, int)) % LINE == 0
    shape = tf.convert_to_tensor(shape, tf.int32)
    if not aligned:
        lines = tf.reshape(lines, [-1])[: tf.reduce_prod(shape)]  # without the padding of the last line
    return tf.reshape(lines, shape)

"""Functions of arrays as TensorFlow operations of this process.

A graph that holds one cannot be saved, since another process would not find the function: saving it is refused.
"""

import math
from collections.abc import Callable, Sequence
from functools import cache

import numpy as np
import tensorflow as tf

from keras_rnn.layers.native.memory import LINE, PackedBuffer, lines_of

# The name of a resource that no SavedModel can hold: TensorFlow's refusal shows it.
_REFUSAL = (
    "machine code of keras_rnn, which runs in this process only: save a tf.function and not its concrete function, "
    "or trace it after keras_rnn.layers.native.set_enabled(False)"
)


@cache
def _resource() -> tf.Tensor:
    with tf.init_scope():
        return tf.raw_ops.VarHandleOp(dtype=tf.int32, shape=[], shared_name=_REFUSAL)


def forbid_saving() -> None:
    """Lets the function that is being traced be refused by `tf.saved_model.save`."""
    graph = tf.compat.v1.get_default_graph()
    if hasattr(graph, "capture"):
        graph.capture(_resource())


def in_process(run: Callable, args: Sequence, dtypes: Sequence) -> list[tf.Tensor]:
    """Tensors of the arrays that `run(*arrays)` returns for those of `args`; their gradient is not known.

    Whoever traces it into a function first calls `forbid_saving`, but for gradients, whose forward operation did.

    Args:
        run: makes the same of the same arrays.
        args: tensors.
        dtypes: of the arrays, which are as many.
    """
    return tf.nest.flatten(tf.numpy_function(run, args, list(dtypes), stateful=False))


def operation(run: Callable[..., PackedBuffer], args: Sequence, shapes: Sequence) -> list[tf.Tensor]:
    """Float32 tensors of what `run(*arrays)` packs, in one piece: an array that is handed on costs 7 us.

    Args:
        run: as in `in_process`.
        args: tensors.
        shapes: of each array, of whole numbers and scalar tensors.
    """
    forbid_saving()
    known = all(isinstance(size, int) for shape in shapes for size in shape)

    def lines(*arrays):
        buffer = run(*arrays)
        if known:
            return [buffer.lines]
        return [buffer.lines, np.array([lines_of(array.shape) for array in buffer.arrays], np.int32)]

    whole, *sizes = in_process(lines, args, [tf.float32] if known else [tf.float32, tf.int32])
    sizes = [*map(lines_of, shapes)] if known else sizes[0]
    whole.set_shape((None, LINE))
    return [_shaped(part, shape) for part, shape in zip(tf.split(whole, sizes, num=len(shapes)), shapes, strict=True)]


def _shaped(lines: tf.Tensor, shape: Sequence) -> tf.Tensor:
    aligned = math.prod(size for size in shape if isinstance(size, int)) % LINE == 0
    shape = tf.convert_to_tensor(shape, tf.int32)
    if not aligned:
        lines = tf.reshape(lines, [-1])[: tf.reduce_prod(shape)]  # without what fills the last line up
    return tf.reshape(lines, shape)

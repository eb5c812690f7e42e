"""Functions of arrays as TensorFlow operations that hand over all they make in one piece.

What `tf.numpy_function` spends on each array that it hands on, 7 us, many of them are not worth.
"""

import math
from collections.abc import Callable, Sequence

import numpy as np
import tensorflow as tf

from keras_rnn.layers.native.memory import LINE, Pieces, lines_of


def operation(run: Callable[..., Pieces], given: Sequence, shapes: Sequence) -> list[tf.Tensor]:
    """Float32 tensors of what `run(*arrays)` makes of those `given`; its gradient is not known.

    Args:
        run: of the same arrays it makes the same.
        given: tensors.
        shapes: of each piece, of whole numbers and scalar tensors; or None for a piece, or several at the end, as lines
            `(lines, LINE)`.
    """
    known = all(shape is not None and all(isinstance(size, int) for size in shape) for shape in shapes)

    def lines(*arrays):
        made = run(*arrays)
        if known:
            return made.lines
        sizes = [lines_of(array.shape) for array in made.arrays[: len(shapes)]]
        sizes[-1] = len(made.lines) - sum(sizes[:-1])
        return made.lines, np.array(sizes, np.int32)

    made = tf.numpy_function(lines, given, tf.float32 if known else [tf.float32, tf.int32], stateful=False)
    whole, sizes = (made, [*map(lines_of, shapes)]) if known else made
    whole.set_shape((None, LINE))
    return [_shaped(part, shape) for part, shape in zip(tf.split(whole, sizes, num=len(shapes)), shapes, strict=True)]


def _shaped(lines: tf.Tensor, shape: Sequence | None) -> tf.Tensor:
    if shape is None:
        return lines
    aligned = math.prod(size for size in shape if isinstance(size, int)) % LINE == 0
    shape = tf.convert_to_tensor(shape, tf.int32)
    if not aligned:
        lines = tf.reshape(lines, [-1])[: tf.reduce_prod(shape)]  # without what fills the last line up
    return tf.reshape(lines, shape)

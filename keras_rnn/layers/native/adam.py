"""A step of Adam as one TensorFlow operation in machine code, for dense variables and for the rows in use of others.

TensorFlow takes a handful of operations for each dense variable and a dozen for rows, and each of them goes through
memory once more.
"""

from collections.abc import Sequence
from functools import partial
from typing import NamedTuple

import numpy as np
import tensorflow as tf

from keras_rnn.layers.native.adam_kernels import SCALARS, adam_code
from keras_rnn.layers.native.boundary import FLOAT32, checked, checked_alike
from keras_rnn.layers.native.machine import this_machine
from keras_rnn.layers.native.memory import PackedBuffer, addresses, allocate_packed
from keras_rnn.layers.native.operation import operation
from keras_rnn.layers.native.threads import parallel_for

FLOPS_PER_NUMBER = 100  # which a core could do while it reads and writes one number of a step


class DenseVariable(NamedTuple):
    """The gradient of a variable, Adam's m and v, and the weights: float32 tensors of one shape."""

    gradient: tf.Tensor
    momentum: tf.Tensor
    velocity: tf.Tensor
    weights: tf.Tensor


class VariableRows(NamedTuple):
    """Rows of a variable: their gradient, v and weights, float32 `(rows, ...)`; `(rows,)` factors that v decays by."""

    gradient: tf.Tensor
    velocity: tf.Tensor
    weights: tf.Tensor
    decay: tf.Tensor


class Scalars(NamedTuple):
    """Scalars of a step. `learning_rate` includes the corrections of both biases, `row_learning_rate` that of v."""

    one_minus_beta_1: float
    one_minus_beta_2: float
    learning_rate: tf.Tensor
    epsilon: float
    row_learning_rate: tf.Tensor


def adam(
    dense: Sequence[DenseVariable], rows: Sequence[VariableRows], scalars: Scalars, clip_norm: float | None = None
):
    """New (momentum, velocity, weights) of each of `dense`, and new (velocity, weights) of each of `rows`.

    With `clip_norm` all gradients are first scaled so that their global norm is at most `clip_norm`. If the norm is not
    finite, all results are NaN, as those of `tf.clip_by_global_norm` are. Then, g being a gradient,

        m = m + (1 - beta_1) (g - m), v = v + (1 - beta_2) (g^2 - v),
        w = w - learning_rate m / (sqrt(v) + epsilon)

    and for rows

        v = decay v + (1 - beta_2) (g^2 - decay v), w = w - row_learning_rate g / (sqrt(v) + epsilon)
    """
    tensors = [tensor for variable in (*dense, *rows) for tensor in variable]
    shapes = [_shape(variable.weights) for variable in dense for _ in range(3)]
    shapes += [_shape(variable.weights) for variable in rows for _ in range(2)]
    adam_code()  # compiled while the graph is made, unless `compile_ahead` has done so
    step = partial(_step, len(dense), clip_norm)
    results = iter(operation(step, [tf.stack(scalars), *tensors], shapes))
    new_dense = [(next(results), next(results), next(results)) for _ in dense]
    return new_dense, [(next(results), next(results)) for _ in rows]


def _shape(tensor: tf.Tensor) -> list:
    """Its sizes: ints where they are known, and scalar tensors elsewhere."""
    sizes = tf.TensorShape(tensor.shape).as_list()
    return [tf.shape(tensor)[axis] if size is None else size for axis, size in enumerate(sizes)]


def _step(dense_count: int, clip_norm: float | None, scalars: np.ndarray, *arrays: np.ndarray) -> PackedBuffer:
    variables = _checked(dense_count, arrays)
    result_counts = [2 if n >= dense_count else 3 for n in range(len(variables))]
    results = allocate_packed(
        *(variable[0].shape for variable, count in zip(variables, result_counts, strict=True) for _ in range(count))
    )
    result_ends = np.cumsum(result_counts)
    gradients = [variable[0] for variable in variables]
    work = np.cumsum([gradient.size for gradient in gradients])
    scale = 1.0 if clip_norm is None else _scale(gradients, work, clip_norm)
    scalars = checked("scalars", np.append(scalars, np.float32(scale)), FLOAT32, (SCALARS,))

    def update(begin, end):
        for n in range(begin, end):
            new = results.arrays[result_ends[n] - result_counts[n] : result_ends[n]]
            pointers = addresses([scalars, *variables[n], *new])
            size = gradients[n].size
            if n < dense_count:
                adam_code().adam(*pointers, size)
            else:
                adam_code().adam_rows(*pointers, len(gradients[n]), size // max(1, len(gradients[n])))

    parallel_for(update, work, FLOPS_PER_NUMBER)
    return results


def _checked(dense_count: int, arrays: Sequence[np.ndarray]) -> list[list[np.ndarray]]:
    """The checked arrays of each variable. The first `dense_count` are DenseVariables, the others VariableRows."""
    dense_fields, row_fields = len(DenseVariable._fields), len(VariableRows._fields)
    dense_end, variables = dense_count * dense_fields, []
    for n in range(0, dense_end, dense_fields):
        tensors = DenseVariable(*arrays[n : n + dense_fields])
        variables.append(checked_alike(DenseVariable._fields, tensors, FLOAT32, tensors.weights.shape))
    for n in range(dense_end, len(arrays), row_fields):
        *tensors, decay = VariableRows(*arrays[n : n + row_fields])
        shape = tensors[-1].shape
        decay = checked("decay", decay, FLOAT32, shape[:1])
        variables.append([*checked_alike(VariableRows._fields[:-1], tensors, FLOAT32, shape), decay])
    return variables


def _scale(gradients: Sequence[np.ndarray], work: np.ndarray, clip_norm: float) -> float:
    squares = parallel_for(lambda *part: _sum_of_squares(gradients[slice(*part)]), work, FLOPS_PER_NUMBER / 4)
    norm = np.sqrt(sum(squares))
    return clip_norm / max(clip_norm, norm) if np.isfinite(norm) else np.nan


def _sum_of_squares(arrays: Sequence[np.ndarray]) -> float:
    total = 0.0
    for array in arrays:
        sums = np.zeros(this_machine().lanes, np.float32)
        adam_code().add_squares(*addresses([array, sums]), array.size)
        total += float(sums.sum(dtype=np.float64))
    return total

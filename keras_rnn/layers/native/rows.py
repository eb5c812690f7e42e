"""Sums of rows by their index, as a TensorFlow operation in machine code that reads each row once."""

import numpy as np
import tensorflow as tf
from llvmlite import ir

from keras_rnn.layers.native.ahead import compiled_once
from keras_rnn.layers.native.boundary import FLOAT32, INT32, checked
from keras_rnn.layers.native.function_builder import FunctionBuilder
from keras_rnn.layers.native.machine import Compiled, this_machine
from keras_rnn.layers.native.memory import addresses, allocate
from keras_rnn.layers.native.operation import forbid_saving, in_process
from keras_rnn.layers.tf_gradients import differentiable


@compiled_once
def row_code() -> Compiled:
    """`add_rows`, compiled. README.md of this folder has a table of its arguments."""
    module = ir.Module("rows")
    _add_add_rows(module)
    return Compiled(module)


def gather_rows(values, indices):
    """`tf.gather` of float32 rows `(count, width)` by int32 indices of any shape. Its gradient is `sum_rows`."""
    forbid_saving()

    def forward(constants, values):
        (indices,) = constants

        def gradient(d_gathered):
            d_rows = tf.reshape(d_gathered, [-1, tf.shape(values)[1]])
            return [_sum_rows(d_rows, tf.reshape(indices, [-1]), tf.shape(values)[0])]

        return [tf.gather(values, indices)], gradient

    function = differentiable(forward, lambda constants, values: [tf.gather(values, *constants)], [indices])
    (gathered,) = function(values)
    return gathered


def sum_rows(values, indices, count):
    """For each index from 0 to `count` - 1 the sum of its rows: float32 `(count, ...)`.

    Args:
        values: float32 `(rows, ...)`.
        indices: int32 `(rows,)`.
    """
    forbid_saving()
    return _sum_rows(values, indices, count)


def _sum_rows(values, indices, count):
    (sums,) = in_process(_run, [values, indices, count], [tf.float32])
    sums.set_shape([None, *values.shape[1:]])
    return sums


def _run(values, indices, count):
    shape, width = values.shape[1:], int(np.prod(values.shape[1:]))
    values = checked("values of rows", values, FLOAT32, values.shape)
    indices = checked("indices of rows", indices, INT32, (len(values),))
    if indices.size and not 0 <= indices.min() <= indices.max() < count:
        raise ValueError(f"indices of rows have to be below {count}, got {indices.min()} to {indices.max()}")
    (sums,) = allocate((int(count), *shape))
    sums[...] = 0
    row_code().add_rows(*addresses([values, indices, sums]), len(values), width)
    return [sums]


def _add_add_rows(module: ir.Module) -> None:
    code = FunctionBuilder(module, "add_rows", ["values", "indices", "sums"], ["rows", "width"], this_machine().lanes)
    args, width = code.args, code.args["width"]
    with code.loop(0, args["rows"]) as row:
        index = code.load_index(args["indices"], row)
        with code.vector_loop(width) as (first, count):
            target = code.address(args["sums"], code.mul(index, width), first)
            value = code.load(code.address(args["values"], code.mul(row, width), first), count)
            code.store(code.fadd(code.load(target, count), value), target, count)
    code.finish()

"""The sums of rows as a TensorFlow operation in machine code, which goes through them but once."""

import numpy as np
import tensorflow as tf
from llvmlite import ir

from keras_rnn.layers.native.ahead import compiled_once
from keras_rnn.layers.native.boundary import FLOAT32, INT32, checked
from keras_rnn.layers.native.code import Code
from keras_rnn.layers.native.machine import Compiled, this_machine
from keras_rnn.layers.native.memory import addresses, allocate
from keras_rnn.layers.native.operation import forbid_saving, in_process
from keras_rnn.layers.tf_gradients import differentiable


@compiled_once
def row_code() -> Compiled:
    """A function of float32 `(rows, width)` in C order, compiled.

    add_rows(values, places int32 `(rows,)`, sums, rows, width): adds each row to the one of `sums` that is its place.
    """
    module = ir.Module()
    _add_rows(module)
    return Compiled(module)


def placed_rows(rows, places):
    """`tf.gather` of float32 rows `(count, width)` by int32 places of any shape, whose gradient is `summed_rows`."""

    forbid_saving()

    def forward(constants, rows):
        (places,) = constants

        def gradient(d_placed):
            d_flat, flat = tf.reshape(d_placed, [-1, tf.shape(rows)[1]]), tf.reshape(places, [-1])
            return [_row_sums(d_flat, flat, tf.shape(rows)[0])]

        return [tf.gather(rows, places)], gradient

    (placed,) = differentiable(forward, lambda places, rows: [tf.gather(rows, *places)], [places])(rows)
    return placed


def summed_rows(values, places, count):
    """The sums `(count, width)` of those of the float32 rows `values` that have the same place, int32 `(rows,)`."""
    forbid_saving()
    return _row_sums(values, places, count)


def _row_sums(values, places, count):
    (sums,) = in_process(_summed, [values, places, count], [tf.float32])
    sums.set_shape([None, *values.shape[1:]])
    return sums


def _summed(values, places, count):
    shape, width = values.shape[1:], int(np.prod(values.shape[1:]))
    values = checked("rows", values, FLOAT32, values.shape)
    places = checked("places of rows", places, INT32, (len(values),))
    if places.size and not 0 <= places.min() <= places.max() < count:
        raise ValueError(f"places of rows have to be below {count}, got {places.min()} to {places.max()}")
    (sums,) = allocate((int(count), *shape))
    sums[...] = 0
    row_code().add_rows(*addresses([values, places, sums]), len(values), width)
    return [sums]


def _add_rows(module: ir.Module) -> None:
    code = Code(module, "add_rows", ["values", "places", "sums"], ["rows", "width"], this_machine().lanes)
    given, width = code.arguments, code.arguments["width"]
    with code.loop(0, given["rows"]) as row:
        place = code.place(given["places"], row)
        with code.vectors(width) as (first, count):
            to = code.at(given["sums"], code.mul(place, width), first)
            value = code.load(code.at(given["values"], code.mul(row, width), first), count)
            code.store(code.plus(code.load(to, count), value), to, count)
    code.finish()

"""Rows of an embedding as TensorFlow operations in machine code: their sums, and Adam's step of those in use.

TensorFlow has a dozen operations for them, each of which goes through all rows once more.
"""

import numpy as np
import tensorflow as tf
from llvmlite import ir

from keras_rnn.layers.native.ahead import compiled_once
from keras_rnn.layers.native.code import INT, Code
from keras_rnn.layers.native.machine import Compiled, this_machine
from keras_rnn.layers.native.memory import addresses, empty

PLACE = ir.IntType(32)


@compiled_once
def row_code() -> Compiled:
    """Functions of float32 `(rows, width)` in C order, compiled.

    add_rows(values, places int32 `(rows,)`, sums, rows, width): adds each row to the one of `sums` that is its place.

    adam(gradients, v, weights, kept `(rows,)`, scalars [1 - beta_2, rate, epsilon], new v, new weights, rows, width):
    v = kept v, then v = v + (1 - beta_2) (g^2 - v), w = w - rate g / (sqrt(v) + epsilon).
    """
    module = ir.Module()
    _add_rows(module)
    _adam(module)
    return Compiled(module)


def summed_rows(values, places, count):
    """The sums `(count, width)` of those of the float32 rows `values` that have the same place, int32 `(rows,)`."""
    sums = tf.numpy_function(_summed, [values, places, count], tf.float32, stateful=False)
    sums.set_shape([None, *values.shape[1:]])
    return sums


def adam_rows(gradients, v, weights, kept, fresh, rate, epsilon):
    """`row_code`'s adam: new v and new weights; `fresh`: 1 - beta_2. All float32."""
    scalars = tf.stack([fresh, rate, epsilon])
    made = tf.numpy_function(_stepped, [gradients, v, weights, kept, scalars], [tf.float32] * 2, stateful=False)
    for new in made:
        new.set_shape(v.shape)
    return made


def _summed(values, places, count):
    width = int(np.prod(values.shape[1:]))
    (sums,) = empty((int(count), *values.shape[1:]))
    sums[...] = 0
    row_code().add_rows(*addresses([values, places, sums]), len(values), width)
    return sums


def _stepped(*given):
    v = given[1]
    made = empty(v.shape, v.shape)
    row_code().adam(*addresses([*given, *made]), len(v), int(np.prod(v.shape[1:])))
    return made


def _add_rows(module: ir.Module) -> None:
    code = Code(module, "add_rows", ["values", "places", "sums"], ["rows", "width"], this_machine().lanes)
    given, build, width = code.arguments, code.build, code.arguments["width"]
    with code.loop(0, given["rows"]) as row:
        place = build.load(build.gep(given["places"], [row], source_etype=PLACE), typ=PLACE)
        place = build.sext(place, INT)
        with code.loop(0, code.add(width, code.lanes - 1), code.lanes) as first:
            count = build.sub(width, first)
            to = code.at(given["sums"], code.mul(place, width), first)
            value = code.load(code.at(given["values"], code.mul(row, width), first), count)
            code.store(code.plus(code.load(to, count), value), to, count)
    code.finish()


def _adam(module: ir.Module) -> None:
    pointers = ["gradients", "v", "weights", "kept", "scalars", "new_v", "new_weights"]
    code = Code(module, "adam", pointers, ["rows", "width"], this_machine().lanes)
    given, build, width = code.arguments, code.build, code.arguments["width"]
    fresh, rate, epsilon = (code.broadcast(code.at(given["scalars"], n)) for n in range(3))
    with code.loop(0, given["rows"]) as row:
        kept = code.broadcast(code.at(given["kept"], row))
        with code.loop(0, code.add(width, code.lanes - 1), code.lanes) as first:
            count = build.sub(width, first)

            def at(name, row=row, first=first):
                return code.at(given[name], code.mul(row, width), first)

            gradient, v, weights = (code.load(at(name), count) for name in ("gradients", "v", "weights"))
            v = code.times(kept, v)
            v = code.plus(v, code.times(code.minus(code.times(gradient, gradient), v), fresh))
            change = build.fdiv(code.times(rate, gradient), code.plus(code.sqrt(v), epsilon))
            code.store(v, at("new_v"), count)
            code.store(code.minus(weights, change), at("new_weights"), count)
    code.finish()

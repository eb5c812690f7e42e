"""A step of Adam as one TensorFlow operation in machine code: of all dense weights, and of the rows in use of others.

TensorFlow has a handful of operations for each weight, and a dozen for rows, which all go through memory once more.
"""

from collections.abc import Sequence
from functools import partial
from typing import NamedTuple

import numpy as np
import tensorflow as tf
from llvmlite import ir

from keras_rnn.layers.native.ahead import compiled_once
from keras_rnn.layers.native.boundary import FLOAT32, checked, checked_alike
from keras_rnn.layers.native.code import Code
from keras_rnn.layers.native.machine import Compiled, this_machine
from keras_rnn.layers.native.memory import PackedBuffer, addresses, allocate_packed
from keras_rnn.layers.native.operation import operation
from keras_rnn.layers.native.threads import in_parts

FLOPS_OF_A_NUMBER = 100  # that could be done while it is read and written


class Dense(NamedTuple):
    """A variable's gradient, and what Adam keeps of it: float32 tensors of one shape."""

    gradient: tf.Tensor
    momentum: tf.Tensor
    velocity: tf.Tensor
    weights: tf.Tensor


class Rows(NamedTuple):
    """The gradient of rows, and what Adam keeps of them: float32 `(rows, ...)`; and `(rows,)` what v is to be times."""

    gradient: tf.Tensor
    velocity: tf.Tensor
    weights: tf.Tensor
    kept: tf.Tensor


class Rates(NamedTuple):
    """Scalars of a step: 1 - beta_1, 1 - beta_2, Adam's rate, which corrects both biases, epsilon, the rate of rows."""

    fresh_momentum: float
    fresh_velocity: float
    rate: tf.Tensor
    epsilon: float
    rate_of_rows: tf.Tensor


def adam(dense: Sequence[Dense], rows: Sequence[Rows], rates: Rates, clip_norm: float | None = None):
    """New (momentum, velocity, weights) of each of `dense`, and new (velocity, weights) of each of `rows`.

    All gradients are first multiplied by what keeps their global norm at `clip_norm`, if there is one; as in
    `tf.clip_by_global_norm` all are NaN where it is not finite. Then, g being a gradient,

        m = m + (1 - beta_1) (g - m), v = v + (1 - beta_2) (g^2 - v), w = w - rate m / (sqrt(v) + epsilon)

    and of rows, with their own rate, v = kept v + (1 - beta_2) (g^2 - kept v), w = w - rate g / (sqrt(v) + epsilon).
    """
    given = [tensor for of_variable in (*dense, *rows) for tensor in of_variable]
    shapes = [_shape(of.weights) for of in dense for _ in range(3)] + [
        _shape(of.weights) for of in rows for _ in range(2)
    ]
    adam_code()  # compiled while the graph is made, if not ahead
    run = partial(_step, len(dense), clip_norm)
    made = iter(operation(run, [tf.stack(rates), *given], shapes))
    return [(next(made), next(made), next(made)) for _ in dense], [(next(made), next(made)) for _ in rows]


def _shape(tensor: tf.Tensor) -> list:
    """Its sizes, in whole numbers where they are known."""
    known = tf.TensorShape(tensor.shape).as_list()
    return [tf.shape(tensor)[n] if size is None else size for n, size in enumerate(known)]


@compiled_once
def adam_code() -> Compiled:
    """Functions of float32 in C order, compiled.

    add_squares(values, sums `(lanes,)`, count): adds the squares of the values to the sums.

    adam(scalars, gradients, m, v, weights, new m, new v, new weights, count): see `adam`.

    adam_rows(scalars, gradients `(rows, width)`, v, weights, kept `(rows,)`, new v, new weights, rows, width): too.

    Scalars are those of Rates, and what gradients are to be multiplied by.
    """
    module = ir.Module()
    _add_squares(module)
    _adam(module)
    _adam_rows(module)
    return Compiled(module)


def _step(count: int, clip_norm: float | None, rates: np.ndarray, *arrays: np.ndarray) -> PackedBuffer:
    variables = _checked(count, arrays)
    new = [2 if n >= count else 3 for n in range(len(variables))]
    made = allocate_packed(
        *(of_variable[0].shape for of_variable, size in zip(variables, new, strict=True) for _ in range(size))
    )
    ends = np.cumsum(new)
    gradients = [of_variable[0] for of_variable in variables]
    work = np.cumsum([gradient.size for gradient in gradients])
    scale = 1.0 if clip_norm is None else _scale(gradients, work, clip_norm)
    scalars = checked("rates", np.append(rates, np.float32(scale)), FLOAT32, (len(Rates._fields) + 1,))

    def of_part(begin, end):
        for n in range(begin, end):
            given = addresses([scalars, *variables[n], *made.arrays[ends[n] - new[n] : ends[n]]])
            size = gradients[n].size
            if n < count:
                adam_code().adam(*given, size)
            else:
                adam_code().adam_rows(*given, len(gradients[n]), size // max(1, len(gradients[n])))

    in_parts(of_part, work, FLOPS_OF_A_NUMBER)
    return made


def _checked(count: int, arrays: Sequence[np.ndarray]) -> list[list[np.ndarray]]:
    """The arrays of each variable, of which the first `count` are Dense and the others Rows."""
    of_dense, of_rows = len(Dense._fields), len(Rows._fields)
    size, variables = count * of_dense, []
    for n in range(0, size, of_dense):
        tensors = Dense(*arrays[n : n + of_dense])
        variables.append(checked_alike(Dense._fields, tensors, FLOAT32, tensors.weights.shape))
    for n in range(size, len(arrays), of_rows):
        *tensors, kept = Rows(*arrays[n : n + of_rows])
        shape = tensors[-1].shape
        kept = checked("kept", kept, FLOAT32, shape[:1])
        variables.append([*checked_alike(Rows._fields[:-1], tensors, FLOAT32, shape), kept])
    return variables


def _scale(gradients: Sequence[np.ndarray], work: np.ndarray, clip_norm: float) -> float:
    norm = np.sqrt(sum(in_parts(lambda *part: _squares(gradients[slice(*part)]), work, FLOPS_OF_A_NUMBER / 4)))
    return clip_norm / max(clip_norm, norm) if np.isfinite(norm) else np.nan


def _squares(arrays: Sequence[np.ndarray]) -> float:
    """Their sum."""
    total = 0.0
    for array in arrays:
        sums = np.zeros(this_machine().lanes, np.float32)
        adam_code().add_squares(*addresses([array, sums]), array.size)
        total += float(sums.sum(dtype=np.float64))
    return total


def _add_squares(module: ir.Module) -> None:
    code = Code(module, "add_squares", ["values", "sums"], ["count"], this_machine().lanes)
    given, sums = code.arguments, code.variable(code.vector)
    code.build.store(code.load(given["sums"]), sums)
    with code.vectors(given["count"]) as (first, count):
        value = code.load(code.at(given["values"], first), count)
        code.build.store(code.times_plus(value, value, code.build.load(sums, typ=code.vector)), sums)
    code.store(code.build.load(sums, typ=code.vector), given["sums"])
    code.finish()


def _adam(module: ir.Module) -> None:
    pointers = ["scalars", "gradients", "m", "v", "weights", "new_m", "new_v", "new_weights"]
    code = Code(module, "adam", pointers, ["count"], this_machine().lanes)
    given = code.arguments
    fresh_m, fresh_v, rate, epsilon, _, scale = _scalars(code)
    with code.vectors(given["count"]) as (first, count):

        def at(name, first=first):
            return code.at(given[name], first)

        gradient, m, v, weights = (code.load(at(name), count) for name in ("gradients", "m", "v", "weights"))
        gradient = code.times(scale, gradient)
        m = code.times_plus(code.minus(gradient, m), fresh_m, m)
        v = code.times_plus(code.minus(code.times(gradient, gradient), v), fresh_v, v)
        code.store(m, at("new_m"), count)
        code.store(v, at("new_v"), count)
        code.store(_moved(code, weights, code.times(rate, m), v, epsilon), at("new_weights"), count)
    code.finish()


def _adam_rows(module: ir.Module) -> None:
    pointers = ["scalars", "gradients", "v", "weights", "kept", "new_v", "new_weights"]
    code = Code(module, "adam_rows", pointers, ["rows", "width"], this_machine().lanes)
    given, width = code.arguments, code.arguments["width"]
    _, fresh, _, epsilon, rate, scale = _scalars(code)
    with code.loop(0, given["rows"]) as row:
        kept = code.broadcast(code.at(given["kept"], row))
        with code.vectors(width) as (first, count):

            def at(name, row=row, first=first):
                return code.at(given[name], code.mul(row, width), first)

            gradient, v, weights = (code.load(at(name), count) for name in ("gradients", "v", "weights"))
            gradient = code.times(scale, gradient)
            v = code.times(kept, v)
            v = code.times_plus(code.minus(code.times(gradient, gradient), v), fresh, v)
            code.store(v, at("new_v"), count)
            code.store(_moved(code, weights, code.times(rate, gradient), v, epsilon), at("new_weights"), count)
    code.finish()


def _scalars(code: Code) -> list:
    return [code.broadcast(code.at(code.arguments["scalars"], n)) for n in range(len(Rates._fields) + 1)]


def _moved(code: Code, weights, step, v, epsilon):
    return code.minus(weights, code.build.fdiv(step, code.plus(code.sqrt(v), epsilon)))

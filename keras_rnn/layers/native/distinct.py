"""Inputs of which many steps take the same one, as words of a text do: each is multiplied by a kernel but once.

A step's place says which of the distinct inputs it takes.
"""

from collections.abc import Sequence

import numpy as np
from llvmlite import ir

from keras_rnn.layers.native.ahead import compiled_once
from keras_rnn.layers.native.boundary import INT32, checked
from keras_rnn.layers.native.code import INT, PLACE, Code
from keras_rnn.layers.native.machine import Compiled, this_machine
from keras_rnn.layers.native.memory import addresses, allocate
from keras_rnn.layers.native.products import REGISTERS, packed, products
from keras_rnn.layers.native.threads import in_parts, total

BLOCK = 96  # distinct inputs whose sums stay in the cache until they are multiplied
STEPS_OF_A_PRODUCT = 16  # whose gradients take as long to add up as a distinct input's products do: a rough one


def products_of(inputs: np.ndarray, kernels: Sequence[np.ndarray]) -> list[np.ndarray]:
    """The products of all `inputs` `(distinct, features)` with each kernel `(features, columns)`."""
    (count, features), columns = inputs.shape, kernels[0].shape[1]
    made = allocate(*[(count, columns)] * len(kernels))
    panels = [packed(kernel) for kernel in kernels]

    def of_part(begin, end):
        for panel, product in zip(panels, made, strict=True):
            from_, to = inputs[begin:end], product[begin:end]
            products().times(*addresses([from_, panel, to]), end - begin, features, columns, columns, 0)

    in_parts(of_part, np.arange(1, count + 1), 2 * features * columns * len(kernels))
    return made


def find_gradients(
    inputs: np.ndarray,
    places: np.ndarray,
    kernels: Sequence[np.ndarray],
    d_products: Sequence[np.ndarray],
    d_inputs: np.ndarray,
    d_kernels: Sequence[np.ndarray],
) -> None:
    """Writes the gradients of `inputs` and of each kernel, as `products_of` takes them.

    Args:
        places: int32 `(batch, time)`.
        d_products: for each kernel, the gradients of what each step took, `(batch, time, columns)`.
        d_inputs, d_kernels: to be written.
    """
    (count, features), columns = inputs.shape, kernels[0].shape[1]
    panels = [packed(kernel, transposed=True) for kernel in kernels]
    ends = checked("ends", np.zeros(count, np.int32), INT32, (count,))
    steps = checked("steps", np.empty(places.size, np.int32), INT32, (places.size,))
    distinct_code().sort(*addresses([places, ends, steps]), places.size, count)

    def of_part(begin, end):
        found = allocate(*[(features, columns)] * len(kernels)) if begin else d_kernels
        (sums,) = allocate((BLOCK, columns))
        for d_kernel in found:
            d_kernel[...] = 0
        for first in range(begin, end, BLOCK):
            last = min(first + BLOCK, end)
            rows = last - first
            for n, d_kernel in enumerate(found):
                distinct_code().add_up(*addresses([d_products[n], steps, ends, sums]), first, last, columns)
                of_block = addresses([sums, panels[n], d_inputs[first:last]])
                products().times(*of_block, rows, columns, features, features, n > 0)
                of_block = addresses([inputs[first:last], sums, d_kernel])
                products().add_transposed_times(*of_block, rows, features, columns)
        return found

    work = STEPS_OF_A_PRODUCT * np.arange(1, count + 1) + ends
    total(in_parts(of_part, work, 4 * features * columns * len(kernels) / STEPS_OF_A_PRODUCT))


@compiled_once
def distinct_code() -> Compiled:
    """Functions of places and float32 in C order, compiled.

    sort(places int32 `(steps,)`, ends int32 `(count,)`, zeros, steps int32 `(steps,)`, steps, count): the steps of each
    place one after the other in their order, those of a place up to its end.

    add_up(values `(steps, width)`, steps, ends, sums `(end - begin, width)`, begin, end, width): the sums of the values
    of the steps of the places from `begin` to `end`.
    """
    module = ir.Module()
    _sort(module)
    _add_up(module)
    return Compiled(module)


def _sort(module: ir.Module) -> None:
    code = Code(module, "sort", ["places", "ends", "steps"], ["number", "count"], this_machine().lanes)
    given, build = code.arguments, code.build

    def put(value, name, offset):
        build.store(build.trunc(value, PLACE), build.gep(given[name], [offset], source_etype=PLACE))

    with code.loop(0, given["number"]) as step:
        place = code.place(given["places"], step)
        put(code.add(code.place(given["ends"], place), 1), "ends", place)
    begin = code.variable(INT, code.number(0))
    with code.loop(0, given["count"]) as place:
        of_place, first = code.place(given["ends"], place), build.load(begin, typ=INT)
        put(first, "ends", place)
        build.store(code.add(first, of_place), begin)
    with code.loop(0, given["number"]) as step:
        place = code.place(given["places"], step)
        at = code.place(given["ends"], place)
        put(step, "steps", at)
        put(code.add(at, 1), "ends", place)
    code.finish()


def _add_up(module: ir.Module) -> None:
    names = ["values", "steps", "ends", "sums"], ["begin", "end", "width"]
    code = Code(module, "add_up", *names, this_machine().lanes)
    given, build, width = code.arguments, code.build, code.arguments["width"]
    first = code.variable(INT, code.number(0))
    with build.if_then(code.flag(given["begin"])):
        build.store(code.place(given["ends"], code.add(given["begin"], -1)), first)
    with code.loop(given["begin"], given["end"]) as place:
        end = code.place(given["ends"], place)
        row = code.mul(build.sub(place, given["begin"]), width)
        with code.loop(0, code.add(width, REGISTERS * code.lanes - 1), REGISTERS * code.lanes) as column:
            columns = [code.add(column, v * code.lanes) for v in range(REGISTERS)]
            counts = [build.sub(width, of_vector) for of_vector in columns]
            sums = [code.variable(code.vector) for _ in columns]
            for sum_ in sums:
                build.store(code.constant(0), sum_)
            with code.loop(build.load(first, typ=INT), end) as n:
                step = code.mul(code.place(given["steps"], n), width)
                for sum_, of_vector, count in zip(sums, columns, counts, strict=True):
                    value = code.load(code.at(given["values"], step, of_vector), count)
                    build.store(code.plus(build.load(sum_, typ=code.vector), value), sum_)
            for sum_, of_vector, count in zip(sums, columns, counts, strict=True):
                code.store(build.load(sum_, typ=code.vector), code.at(given["sums"], row, of_vector), count)
        build.store(end, first)
    code.finish()

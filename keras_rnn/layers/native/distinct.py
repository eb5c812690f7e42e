"""Inputs of which many steps take the same one, as the words of texts are: each is multiplied by a kernel once.

`indices` says which of the distinct inputs each step takes.
"""

from collections.abc import Sequence

import numpy as np
from llvmlite import ir

from keras_rnn.layers.native.ahead import compiled_once
from keras_rnn.layers.native.boundary import INT32, checked
from keras_rnn.layers.native.function_builder import INDEX, INT, FunctionBuilder
from keras_rnn.layers.native.machine import Compiled, this_machine
from keras_rnn.layers.native.memory import addresses, allocate
from keras_rnn.layers.native.products import REGISTERS, pack_matrix, products
from keras_rnn.layers.native.threads import add_to_first, parallel_for

BLOCK = 96  # distinct inputs whose sums stay in the cache until they are multiplied
STEPS_PER_PRODUCT = 16  # whose gradients take about as long to add up as the products of one distinct input


def distinct_products(inputs: np.ndarray, kernels: Sequence[np.ndarray]) -> list[np.ndarray]:
    """The products of `inputs` `(distinct, features)` with each kernel `(features, columns)`: `(distinct, columns)`."""
    (count, features), columns = inputs.shape, kernels[0].shape[1]
    results = allocate(*[(count, columns)] * len(kernels))
    packed_kernels = [pack_matrix(kernel) for kernel in kernels]

    def multiply(begin, end):
        for kernel, product in zip(packed_kernels, results, strict=True):
            pointers = addresses([inputs[begin:end], kernel, product[begin:end]])
            products().matmul(*pointers, end - begin, features, columns, columns, 0)

    parallel_for(multiply, np.arange(1, count + 1), 2 * features * columns * len(kernels))
    return results


def write_distinct_gradients(
    inputs: np.ndarray,
    indices: np.ndarray,
    kernels: Sequence[np.ndarray],
    d_products: Sequence[np.ndarray],
    d_inputs: np.ndarray,
    d_kernels: Sequence[np.ndarray],
) -> None:
    """Writes the gradients of `inputs` and of each kernel, which are those of `distinct_products`.

    Args:
        indices: int32 `(batch, time)`.
        d_products: for each kernel the gradients of the product that each step took, `(batch, time, columns)`.
        d_inputs, d_kernels: the arrays to write, of the shapes of `inputs` and of each kernel.
    """
    (count, features), columns = inputs.shape, kernels[0].shape[1]
    packed_kernels = [pack_matrix(kernel, transposed=True) for kernel in kernels]
    ends = checked("ends", np.zeros(count, np.int32), INT32, (count,))
    steps = checked("steps", np.empty(indices.size, np.int32), INT32, (indices.size,))
    distinct_code().sort_steps(*addresses([indices, ends, steps]), indices.size, count)

    def differentiate(begin, end):
        part_d_kernels = allocate(*[(features, columns)] * len(kernels)) if begin else d_kernels
        (sums,) = allocate((BLOCK, columns))
        for d_kernel in part_d_kernels:
            d_kernel[...] = 0
        for first in range(begin, end, BLOCK):
            last = min(first + BLOCK, end)
            rows = last - first
            for n, d_kernel in enumerate(part_d_kernels):
                distinct_code().sum_steps(*addresses([d_products[n], steps, ends, sums]), first, last, columns)
                pointers = addresses([sums, packed_kernels[n], d_inputs[first:last]])
                products().matmul(*pointers, rows, columns, features, features, n > 0)
                pointers = addresses([inputs[first:last], sums, d_kernel])
                products().add_transposed_matmul(*pointers, rows, features, columns)
        return part_d_kernels

    work = STEPS_PER_PRODUCT * np.arange(1, count + 1) + ends
    add_to_first(parallel_for(differentiate, work, 4 * features * columns * len(kernels) / STEPS_PER_PRODUCT))


@compiled_once
def distinct_code() -> Compiled:
    """`sort_steps` and `sum_steps`, compiled. README.md of this folder has tables of their arguments."""
    module = ir.Module("distinct")
    _add_sort_steps(module)
    _add_sum_steps(module)
    return Compiled(module)


def _add_sort_steps(module: ir.Module) -> None:
    """A counting sort: steps by their index, those of one index in their order."""
    names = ["indices", "ends", "steps"], ["step_count", "count"]
    code = FunctionBuilder(module, "sort_steps", *names, this_machine().lanes)
    args, builder = code.args, code.builder

    def store(value, name, offset):
        builder.store(builder.trunc(value, INDEX), builder.gep(args[name], [offset], source_etype=INDEX))

    with code.loop(0, args["step_count"]) as step:
        index = code.load_index(args["indices"], step)
        store(code.add(code.load_index(args["ends"], index), 1), "ends", index)
    begin = code.variable(INT, code.as_int(0))
    with code.loop(0, args["count"]) as index:
        size, first = code.load_index(args["ends"], index), builder.load(begin, typ=INT)
        store(first, "ends", index)
        builder.store(code.add(first, size), begin)
    with code.loop(0, args["step_count"]) as step:
        index = code.load_index(args["indices"], step)
        position = code.load_index(args["ends"], index)
        store(step, "steps", position)
        store(code.add(position, 1), "ends", index)
    code.finish()


def _add_sum_steps(module: ir.Module) -> None:
    names = ["values", "steps", "ends", "sums"], ["begin", "end", "width"]
    code = FunctionBuilder(module, "sum_steps", *names, this_machine().lanes)
    args, builder, width = code.args, code.builder, code.args["width"]
    first = code.variable(INT, code.as_int(0))
    with builder.if_then(code.is_nonzero(args["begin"])):
        builder.store(code.load_index(args["ends"], code.add(args["begin"], -1)), first)
    with code.loop(args["begin"], args["end"]) as index:
        end = code.load_index(args["ends"], index)
        row = code.mul(builder.sub(index, args["begin"]), width)
        with code.loop(0, code.add(width, REGISTERS * code.lanes - 1), REGISTERS * code.lanes) as column:
            columns = [code.add(column, v * code.lanes) for v in range(REGISTERS)]
            counts = [builder.sub(width, offset) for offset in columns]
            sums = [code.variable(code.vector_type) for _ in columns]
            for variable in sums:
                builder.store(code.constant(0), variable)
            with code.loop(builder.load(first, typ=INT), end) as n:
                step = code.mul(code.load_index(args["steps"], n), width)
                for variable, offset, count in zip(sums, columns, counts, strict=True):
                    value = code.load(code.address(args["values"], step, offset), count)
                    builder.store(code.fadd(code.read(variable), value), variable)
            for variable, offset, count in zip(sums, columns, counts, strict=True):
                code.store(code.read(variable), code.address(args["sums"], row, offset), count)
        builder.store(end, first)
    code.finish()

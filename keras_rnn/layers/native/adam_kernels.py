"""The kernels of Adam. README.md of this folder has tables of their arguments, and their loops."""

from llvmlite import ir

from keras_rnn.layers.native.ahead import compiled_once
from keras_rnn.layers.native.function_builder import FunctionBuilder
from keras_rnn.layers.native.machine import Compiled, this_machine

SCALARS = 6  # 1 - beta_1, 1 - beta_2, learning rate, epsilon, learning rate of rows, scale of gradients


@compiled_once
def adam_code() -> Compiled:
    """`add_squares`, `adam` and `adam_rows`, compiled, for float32 arrays in C order."""
    module = ir.Module("adam")
    _add_squares(module)
    _add_adam(module)
    _add_adam_rows(module)
    return Compiled(module)


def _add_squares(module: ir.Module) -> None:
    code = FunctionBuilder(module, "add_squares", ["values", "sums"], ["count"], this_machine().lanes)
    args, sums = code.args, code.variable(code.vector_type)
    code.builder.store(code.load(args["sums"]), sums)
    with code.vector_loop(args["count"]) as (first, count):
        value = code.load(code.address(args["values"], first), count)
        code.builder.store(code.fma(value, value, code.read(sums)), sums)
    code.store(code.read(sums), args["sums"])
    code.finish()


def _add_adam(module: ir.Module) -> None:
    pointers = ["scalars", "gradients", "m", "v", "weights", "new_m", "new_v", "new_weights"]
    code = FunctionBuilder(module, "adam", pointers, ["count"], this_machine().lanes)
    one_minus_beta_1, one_minus_beta_2, learning_rate, epsilon, _, scale = _load_scalars(code)
    with code.vector_loop(code.args["count"]) as (first, count):

        def address(name, first=first):
            return code.address(code.args[name], first)

        gradient, m, v, weights = (code.load(address(name), count) for name in ("gradients", "m", "v", "weights"))
        gradient = code.fmul(scale, gradient)
        m = code.fma(code.fsub(gradient, m), one_minus_beta_1, m)
        v = code.fma(code.fsub(code.fmul(gradient, gradient), v), one_minus_beta_2, v)
        code.store(m, address("new_m"), count)
        code.store(v, address("new_v"), count)
        new_weights = _new_weights(code, weights, code.fmul(learning_rate, m), v, epsilon)
        code.store(new_weights, address("new_weights"), count)
    code.finish()


def _add_adam_rows(module: ir.Module) -> None:
    pointers = ["scalars", "gradients", "v", "weights", "decay", "new_v", "new_weights"]
    code = FunctionBuilder(module, "adam_rows", pointers, ["rows", "width"], this_machine().lanes)
    width = code.args["width"]
    _, one_minus_beta_2, _, epsilon, learning_rate, scale = _load_scalars(code)
    with code.loop(0, code.args["rows"]) as row:
        decay = code.load_splat(code.address(code.args["decay"], row))
        with code.vector_loop(width) as (first, count):

            def address(name, row=row, first=first):
                return code.address(code.args[name], code.mul(row, width), first)

            gradient, v, weights = (code.load(address(name), count) for name in ("gradients", "v", "weights"))
            gradient = code.fmul(scale, gradient)
            v = code.fmul(decay, v)
            v = code.fma(code.fsub(code.fmul(gradient, gradient), v), one_minus_beta_2, v)
            code.store(v, address("new_v"), count)
            new_weights = _new_weights(code, weights, code.fmul(learning_rate, gradient), v, epsilon)
            code.store(new_weights, address("new_weights"), count)
    code.finish()


def _load_scalars(code: FunctionBuilder) -> list:
    return [code.load_splat(code.address(code.args["scalars"], n)) for n in range(SCALARS)]


def _new_weights(code: FunctionBuilder, weights, step, v, epsilon):
    return code.fsub(weights, code.builder.fdiv(step, code.fadd(code.sqrt(v), epsilon)))

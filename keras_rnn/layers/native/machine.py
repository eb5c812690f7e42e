"""The machine's vectors, and compilation of modules for it."""

import ctypes
from dataclasses import dataclass
from functools import cache

from llvmlite import binding, ir

from keras_rnn.layers.native.dump import write_ir
from keras_rnn.layers.native.function_builder import POINTER, SYMBOL


@dataclass(frozen=True)
class Machine:
    """The machine's registers.

    Attributes:
        lanes: float32 in a vector.
        rows: sizes of a block of rows whose products with four vectors stay in registers, largest first.
    """

    lanes: int
    rows: tuple[int, ...]


@cache
def this_machine() -> Machine:
    has_avx512 = binding.get_host_cpu_features().get("avx512f", False)
    return Machine(16, (6, 4, 2, 1)) if has_avx512 else Machine(8, (3, 2, 1))


class Compiled:
    """The compiled functions of a module, as methods that take addresses of arrays and integers.

    They release Python's lock. Modules that are compiled later may call them (`FunctionBuilder.call`).
    """

    def __init__(self, module: ir.Module):
        target = _target()
        write_ir(module.name, str(module))
        parsed = binding.parse_assembly(str(module))
        parsed.verify()
        builder = binding.create_pass_builder(target, binding.create_pipeline_tuning_options(speed_level=2))
        builder.getModulePassManager().run(parsed, builder)
        write_ir(f"{module.name}.optimized", str(parsed))
        self._engine = binding.create_mcjit_compiler(parsed, target)  # owns the code
        self._engine.finalize_object()
        for function in module.functions:
            if function.blocks:
                types = [ctypes.c_void_p if argument.type == POINTER else ctypes.c_int64 for argument in function.args]
                address = self._engine.get_function_address(function.name)
                setattr(self, function.name, ctypes.CFUNCTYPE(None, *types)(address))
                binding.add_symbol(SYMBOL.format(function.name), address)


def _target() -> binding.TargetMachine:
    binding.initialize_native_target()
    binding.initialize_native_asmprinter()
    return binding.Target.from_default_triple().create_target_machine(
        cpu=binding.get_host_cpu_name(),
        features=binding.get_host_cpu_features().flatten(),
        opt=3,
        codemodel="jitdefault",
        jit=True,
    )

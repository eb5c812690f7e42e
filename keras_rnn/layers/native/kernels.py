"""The two kernels of a recurrent layer: a cell's loop over whole sequences, and the loop of its gradients.

A call goes through the rows `begin` to `end` of a batch. Arrays are float32 in C order, batch first. The values of a
step stand at the index of its input, whichever end the loop begins at. A masked step changes no state. Its output is
that of the step before, or zeros: where no step before was unmasked, and everywhere with `zero_masked_outputs`.
"""

from llvmlite import ir

from keras_rnn.layers.native.ahead import compiled_once
from keras_rnn.layers.native.backward_kernel import add_backward
from keras_rnn.layers.native.cells import Cell
from keras_rnn.layers.native.forward_kernel import add_forward
from keras_rnn.layers.native.machine import Compiled
from keras_rnn.layers.native.products import products


@compiled_once
def kernels(cell: Cell, units: int) -> Compiled:
    """`forward` and `backward` of a cell of `units` units, compiled.

    README.md of this folder has tables of their arguments.
    """
    products()  # which both call
    module = ir.Module(f"{cell.name}_{units}")
    add_forward(module, cell, units)
    add_backward(module, cell, units)
    return Compiled(module)

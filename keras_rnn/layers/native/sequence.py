"""Whole sequences of SimpleRNN, LSTM and GRU as TensorFlow operations that run the kernels of this machine.

They are for use in this process: a graph with them cannot be saved, nor compiled by XLA. The equations are those of
`keras_rnn.layers.tf_cells`.
"""

import threading
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from functools import partial
from itertools import islice

import numpy as np
import tensorflow as tf

from keras_rnn.layers.native import ahead
from keras_rnn.layers.native.cells import CELLS, Cell
from keras_rnn.layers.native.kernels import kernels, panel_vectors
from keras_rnn.layers.native.machine import Compiled
from keras_rnn.layers.native.memory import addresses, empty
from keras_rnn.layers.native.products import packed
from keras_rnn.layers.native.threads import over_rows


@dataclass(frozen=True)
class Direction:
    """One loop over the steps.

    Attributes:
        inputs: float32 `(batch, time, features)`.
        kernel, recurrent_kernel: float32 `(features, gates * units)` and `(units, gates * units)`.
        biases: that of the kernel's gates, `(gates * units,)`, and where a cell has one that of the recurrent kernel's.
        states: those before the first step, each `(batch, units)`.
        go_backwards: begins with the last step.
    """

    inputs: tf.Tensor
    kernel: tf.Tensor
    recurrent_kernel: tf.Tensor
    biases: Sequence[tf.Tensor]
    states: Sequence[tf.Tensor]
    go_backwards: bool = False


def sequence(
    name: str,
    mask,
    directions: Sequence[Direction],
    *,
    return_sequences: bool = True,
    zero_output_for_mask: bool = False,
):
    """A recurrent layer, of one direction or more, which all have as many features and units.

    Args:
        name: the cell's, of CELLS.
        mask: bool `(batch, time)`, False where a step is passed over; or None.
        directions: their inputs may be one tensor, which is then read and its gradient written but once.
        return_sequences: whether outputs are wanted.
        zero_output_for_mask: outputs of masked steps are zeros, not those of the step before.

    Returns:
        Outputs `(batch, time, directions * units)`, a step's where its input stands, or None; and for each direction
        the states after its last step.
    """
    cell, units = CELLS[name], directions[0].recurrent_kernel.shape[0]
    inputs = {id(direction.inputs): direction.inputs for direction in directions}
    places = tuple(list(inputs).index(id(direction.inputs)) for direction in directions)
    inputs = list(inputs.values())
    layer = _Layer(
        cell,
        kernels(cell, units),  # compiled while the graph is made, if not ahead
        places,
        tuple(direction.go_backwards for direction in directions),
        len(directions[0].biases),
        return_sequences,
        zero_output_for_mask,
    )
    if mask is None:
        mask = tf.ones(tf.shape(inputs[0])[:2], tf.bool)
    count, of_states = len(directions), len(directions) * cell.states

    @tf.custom_gradient
    def outputs_and_states(*given):
        made = tf.numpy_function(
            partial(_forward, layer),
            [mask, *given],
            [tf.float32] * (count + 2 * of_states + return_sequences),
            stateful=False,
        )
        kept_and_before, after, outputs = _parts(made, count + of_states, of_states, return_sequences)
        for state, first in zip(after, given[-of_states:], strict=True):
            state.set_shape(first.shape)
        for together in outputs:
            together.set_shape([*given[0].shape[:2], count * units])

        def gradient(*d_after):
            gradients = tf.numpy_function(
                partial(_backward, layer),
                [mask, *given[: len(inputs) + 2 * count], *kept_and_before, *after, *d_after],
                [tf.float32] * len(given),
                stateful=False,
            )
            for d, of in zip(gradients, given, strict=True):
                d.set_shape(of.shape)
            return gradients

        return (*after, *outputs), gradient

    made = outputs_and_states(
        *inputs,
        *(direction.kernel for direction in directions),
        *(direction.recurrent_kernel for direction in directions),
        *(bias for direction in directions for bias in direction.biases),
        *(state for direction in directions for state in direction.states),
    )
    *states, outputs = _parts(made, *[cell.states] * count, return_sequences)
    return (outputs[0] if outputs else None), states


def compile_ahead(forms: Iterable[tuple[str, int]]) -> threading.Thread:
    """Begins to compile, in the thread that it returns, what layers take that have these cells and units."""
    return ahead.compile_ahead([partial(kernels, CELLS[name], units) for name, units in forms])


@dataclass(frozen=True)
class _Layer:
    """What tensors do not say. inputs: which of them each direction takes; biases: how many a direction has."""

    cell: Cell
    run: Compiled
    inputs: tuple[int, ...]
    backwards: tuple[bool, ...]
    biases: int
    sequences: bool
    zeros: bool

    def of(self, direction: int, arrays: Sequence) -> Sequence:
        """The direction's part."""
        size = len(arrays) // len(self.inputs)
        return arrays[direction * size : (direction + 1) * size]

    def outputs(self, direction: int, units: int, arrays: Sequence) -> list[int]:
        """Where a direction's outputs, or their gradients, begin: beside those of the direction before."""
        return [begin + 4 * direction * units for begin in addresses(arrays)] or [0]  # no array

    def how(self, direction: int, features: int, units: int, time: int) -> list[int]:
        """As the kernels take it, without the rows."""
        stride = len(self.inputs) * units
        return [features, stride, time, self.backwards[direction], self.sequences, self.zeros]


def _parts(items: Sequence, *sizes: int) -> list[list]:
    """The items in order, so many at a time."""
    rest = iter(items)
    return [list(islice(rest, size)) for size in sizes]


def _forward(layer: _Layer, mask, *arrays):
    """What is kept for `_backward`, the states before each step and after the last, and outputs if they are wanted."""
    cell, count = layer.cell, len(layer.inputs)
    number, of_states = len(set(layer.inputs)), count * cell.states
    inputs, kernels, recurrent_kernels, biases, states = _parts(
        arrays, number, count, count, count * layer.biases, of_states
    )
    (batch, time, features), units = inputs[0].shape, states[0].shape[1]
    made = empty(
        *[(batch, time, cell.kept * units)] * count,
        *[(batch, time, units)] * of_states,
        *[(batch, units)] * of_states,
        *[(batch, time, count * units)] * layer.sequences,
    )
    kept, before, after, outputs = _parts(made, count, of_states, of_states, layer.sequences)
    held, calls = [], []  # arrays, and calls that know them by their addresses
    for n in range(count):
        for first, state in zip(layer.of(n, before), layer.of(n, states), strict=True):
            first[:, -1 if layer.backwards[n] else 0] = state
        bias = np.zeros((cell.sums, units), np.float32)
        for summand, to in zip(layer.of(n, biases), (cell.from_inputs, cell.from_state), strict=False):
            bias[list(to)] += summand.reshape(cell.gates, units)
        vectors = panel_vectors(units, cell.sums)
        weights = [packed(kernels[n]), packed(recurrent_kernels[n], cell.gates, vectors), bias]
        held.append(weights)
        given = addresses([inputs[layer.inputs[n]], mask, *weights, *layer.of(n, before), *layer.of(n, after)])
        to = [*layer.outputs(n, units, outputs), *addresses([kept[n]])]
        calls.append(partial(layer.run.forward, *given, *to, *layer.how(n, features, units, time)))

    def of_rows(begin, end):
        for call in calls:
            call(begin, end)

    size = kernels[0].size + recurrent_kernels[0].size
    over_rows(of_rows, batch, time, 2 * time * size * count, size)
    return made


def _backward(layer: _Layer, mask, *arrays):
    """The gradients of all that `_forward` was given but the mask."""
    cell, count = layer.cell, len(layer.inputs)
    number, of_states = len(set(layer.inputs)), count * cell.states
    inputs, kernels, recurrent_kernels, kept, before, after, d_after, d_outputs = _parts(
        arrays, number, count, count, count, of_states, of_states, of_states, layer.sequences
    )
    (batch, time, units), features, columns = before[0].shape, inputs[0].shape[2], cell.gates * before[0].shape[2]
    made = empty(*(x.shape for x in inputs), *[(batch, units)] * of_states)
    d_inputs, d_states = _parts(made, number, of_states)
    for d, given in zip(d_states, d_after, strict=True):
        d[...] = given
    held, calls = [], []  # arrays, and calls that know them by their addresses
    for n, of in enumerate(layer.inputs):
        vectors = panel_vectors(units, 1)
        weights = [packed(kernels[n], transposed=True), packed(recurrent_kernels[n], 1, vectors, transposed=True)]
        held.append(weights)
        given = addresses([mask, *weights, *layer.of(n, before), *layer.of(n, after), kept[n]])
        given = [*addresses([inputs[of]]), *layer.outputs(n, units, d_outputs), *given]
        to = addresses([d_inputs[of], *layer.of(n, d_states)])
        calls.append((given, to, [of in layer.inputs[:n], *layer.how(n, features, units, time)]))

    def of_rows(begin, end):
        found = empty(*[(features, columns)] * count, *[(units, columns)] * count, *[(cell.sums, units)] * count)
        for array in found:
            array[...] = 0
        # Used up as soon as they are made, while they are in the cache; this name keeps them.
        d_sums = empty(*[(end - begin, time, columns)] * (1 + cell.apart))
        of_batch = [address - 4 * begin * time * columns for address in addresses(d_sums)]
        for n, (given, to, how) in enumerate(calls):
            layer.run.backward(*given, *of_batch, *to, *addresses(found[n::count]), *how, begin, end)
        return found

    size = kernels[0].size + recurrent_kernels[0].size
    found = over_rows(of_rows, batch, time, 4 * time * size * count, size)
    for total, *others in zip(*found, strict=True):
        for other in others:
            total += other
    d_weights, d_sums = _parts(found[0], 2 * count, count)
    of_biases = (cell.from_inputs, cell.from_state)[: layer.biases]
    d_biases = [d[list(to)].reshape(columns) for d in d_sums for to in of_biases]
    return *d_inputs, *d_weights, *d_biases, *d_states

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
from keras_rnn.layers.native.adam import adam_code
from keras_rnn.layers.native.cells import CELLS, Cell
from keras_rnn.layers.native.distinct import distinct_code, find_gradients, products_of
from keras_rnn.layers.native.kernels import kernels, panel_vectors
from keras_rnn.layers.native.machine import Compiled
from keras_rnn.layers.native.memory import Pieces, addresses, cut, empty, pieces
from keras_rnn.layers.native.operation import operation
from keras_rnn.layers.native.products import packed
from keras_rnn.layers.native.threads import over_rows, total


@dataclass(frozen=True)
class Direction:
    """One loop over the steps.

    Attributes:
        inputs: float32 `(batch, time, features)`, or `(distinct, features)` of which each step takes one.
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
    places=None,
    return_sequences: bool = True,
    zero_output_for_mask: bool = False,
):
    """A recurrent layer, of one direction or more, which all have as many features and units.

    Args:
        name: the cell's, of CELLS.
        mask: bool `(batch, time)`, False where a step is passed over; or None.
        directions: their inputs may be one tensor, which is then read and its gradient written but once.
        places: which of its distinct inputs each step takes, int32 `(batch, time)`, in all directions; then their
            inputs are one tensor. None where each step has an input of its own.
        return_sequences: whether outputs are wanted.
        zero_output_for_mask: outputs of masked steps are zeros, not those of the step before.

    Returns:
        Outputs `(batch, time, directions * units)`, a step's where its input stands, or None; and for each direction
        the states after its last step.
    """
    cell, units = CELLS[name], directions[0].recurrent_kernel.shape[0]
    inputs = {id(direction.inputs): direction.inputs for direction in directions}
    taken = tuple(list(inputs).index(id(direction.inputs)) for direction in directions)
    inputs = list(inputs.values())
    if places is not None:
        distinct_code()
    layer = _Layer(
        cell,
        kernels(cell, units),  # compiled while the graph is made, if not ahead
        taken,
        tuple(direction.go_backwards for direction in directions),
        len(directions[0].biases),
        return_sequences,
        zero_output_for_mask,
        places is not None,
    )
    of_steps = inputs[0] if places is None else places
    if mask is None:
        mask = tf.ones(tf.shape(of_steps)[:2], tf.bool)
    about = [mask] if places is None else [mask, places]
    batch, time = tf.unstack(tf.shape(mask))
    count, of_states = len(directions), len(directions) * cell.states
    shape_of_states, shape_of_outputs = [of_states, batch, units], [batch, time, count * units]
    features = directions[0].kernel.shape[0]
    shape_of_inputs = [batch, time, features] if places is None else [tf.shape(inputs[0])[0], features]

    @tf.custom_gradient
    def outputs_and_states(*given):
        shapes = [*[shape_of_outputs] * return_sequences, shape_of_states, None]
        *made, kept = operation(partial(_forward, layer), [*about, *given], shapes)
        made[-1].set_shape(given[-1].shape)
        for outputs in made[:-1]:
            outputs.set_shape([*of_steps.shape[:2], count * units])

        def gradient(*d_made):
            given_again = given[: len(inputs) + 2 * count]
            shapes = [shape_of_inputs] * len(inputs)
            shapes += [weights.shape.as_list() for weights in given[len(inputs) : -1]]
            gradients = operation(
                partial(_backward, layer), [*about, *given_again, kept, made[-1], *d_made], [*shapes, shape_of_states]
            )
            for d, of in zip(gradients, given, strict=True):
                d.set_shape(of.shape)
            return gradients

        return made, gradient

    *outputs, states = outputs_and_states(
        *inputs,
        *(direction.kernel for direction in directions),
        *(direction.recurrent_kernel for direction in directions),
        *(bias for direction in directions for bias in direction.biases),
        tf.stack([tf.convert_to_tensor(state) for direction in directions for state in direction.states]),
    )
    return (outputs[0] if outputs else None), _parts(tf.unstack(states, of_states), *[cell.states] * count)


def compile_ahead(forms: Iterable[tuple[str, int]]) -> threading.Thread:
    """Begins to compile, in the thread that it returns, what a step takes whose layers have these cells and units."""
    layers = [partial(kernels, CELLS[name], units) for name, units in forms]
    return ahead.compile_ahead([*layers, distinct_code, adam_code])


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
    placed: bool

    def of(self, direction: int, arrays: Sequence) -> Sequence:
        """The direction's part."""
        size = len(arrays) // len(self.inputs)
        return arrays[direction * size : (direction + 1) * size]

    def outputs(self, direction: int, units: int, arrays: Sequence) -> list[int]:
        """Where a direction's outputs, or their gradients, begin: beside those of the direction before."""
        return [begin + 4 * direction * units for begin in addresses(arrays)] or [0]  # no array

    def kept(self, batch: int, time: int, units: int) -> list[tuple[int, ...]]:
        """Shapes of what is kept for the gradients: of each direction what its cell keeps, then the states before."""
        count = len(self.inputs)
        of_states = [(batch, time, units)] * count * self.cell.states
        return [*[(batch, time, self.cell.kept * units)] * count, *of_states]

    def weights(self, features: int, units: int) -> int:
        """Numbers that each step of a loop multiplies by."""
        return (units if self.placed else features + units) * self.cell.gates * units

    def how(self, direction: int, features: int, units: int, time: int) -> list[int]:
        """As the kernels take it, without the rows."""
        stride = len(self.inputs) * units
        return [features, stride, time, self.backwards[direction], self.sequences, self.zeros, self.placed]


def _parts(items: Sequence, *sizes: int) -> list[list]:
    """The items in order, so many at a time."""
    rest = iter(items)
    return [list(islice(rest, size)) for size in sizes]


def _forward(layer: _Layer, mask, *arrays) -> Pieces:
    """Outputs if they are wanted, the states after the last step, and what is kept for `_backward`."""
    cell, count = layer.cell, len(layer.inputs)
    places, inputs, kernels, recurrent_kernels, biases, (states,) = _parts(
        arrays, layer.placed, len(set(layer.inputs)), count, count, count * layer.biases, 1
    )
    (batch, time), features, (of_states, _, units) = mask.shape, inputs[0].shape[-1], states.shape
    shape_of_outputs, shapes_kept = (batch, time, count * units), layer.kept(batch, time, units)
    made = pieces(*[shape_of_outputs] * layer.sequences, states.shape, *shapes_kept)
    outputs, (after,), kept, before = _parts(made.arrays, layer.sequences, 1, count, of_states)
    read = products_of(inputs[0], kernels) if layer.placed else [inputs[of] for of in layer.inputs]
    held, calls = [], []  # arrays, and calls that know them by their addresses
    for n in range(count):
        for first, state in zip(layer.of(n, before), layer.of(n, states), strict=True):
            first[:, -1 if layer.backwards[n] else 0] = state
        bias = np.zeros((cell.sums, units), np.float32)
        for summand, to in zip(layer.of(n, biases), (cell.from_inputs, cell.from_state), strict=False):
            bias[list(to)] += summand.reshape(cell.gates, units)
        kernel = [] if layer.placed else [packed(kernels[n])]
        recurrent_kernel = packed(recurrent_kernels[n], cell.gates, panel_vectors(units, cell.sums))
        held.append([kernel, recurrent_kernel, bias])
        given = [*addresses([read[n]]), *_address(places), *addresses([mask]), *_address(kernel)]
        given += addresses([recurrent_kernel, bias, *layer.of(n, before), *layer.of(n, after)])
        to = [*layer.outputs(n, units, outputs), *addresses([kept[n]])]
        calls.append(partial(layer.run.forward, *given, *to, *layer.how(n, features, units, time)))

    def of_rows(chunks):
        for chunk in chunks:
            for call in calls:
                call(*chunk)

    size = layer.weights(features, units)
    over_rows(of_rows, batch, time, 2 * time * size * count, size)
    return made


def _backward(layer: _Layer, mask, *arrays) -> Pieces:
    """The gradients of all that `_forward` was given but the mask and the places."""
    cell, count = layer.cell, len(layer.inputs)
    number, biases = len(set(layer.inputs)), count * layer.biases
    places, inputs, kernels, recurrent_kernels, (kept, after), d_outputs, (d_after,) = _parts(
        arrays, layer.placed, number, count, count, 2, layer.sequences, 1
    )
    (batch, time), features, (of_states, _, units) = mask.shape, inputs[0].shape[-1], after.shape
    kept, before = _parts(cut(kept, *layer.kept(batch, time, units)), count, of_states)
    columns = cell.gates * units
    of_weights = [*[(features, columns)] * count, *[(units, columns)] * count]
    made = pieces(*(x.shape for x in inputs), *of_weights, *[(columns,)] * biases, after.shape)
    d_inputs, d_kernels, d_recurrent_kernels, d_biases, (d_states,) = _parts(
        made.arrays, number, count, count, biases, 1
    )
    d_states[...] = d_after
    d_products = empty(*[(batch, time, columns)] * count) if layer.placed else []
    first = [*([] if layer.placed else d_kernels), *d_recurrent_kernels, *empty(*[(cell.sums, units)] * count)]
    held, calls = [], []  # arrays, and calls that know them by their addresses
    for n, of in enumerate(layer.inputs):
        kernel = [] if layer.placed else [packed(kernels[n], transposed=True)]
        recurrent_kernel = packed(recurrent_kernels[n], 1, panel_vectors(units, 1), transposed=True)
        held.append([kernel, recurrent_kernel])
        given = [*addresses([inputs[of]]), *layer.outputs(n, units, d_outputs), *addresses([mask]), *_address(kernel)]
        given += addresses([recurrent_kernel, *layer.of(n, before), *layer.of(n, after), kept[n]])
        to = addresses([d_inputs[of], *layer.of(n, d_states)])
        calls.append((given, to, [of in layer.inputs[:n], *layer.how(n, features, units, time)]))

    def of_rows(chunks):
        # What the threads find is added up in the end, in the first one's arrays.
        found = first if chunks[0][0] == 0 else empty(*(array.shape for array in first))
        for array in found:
            array[...] = 0
        d_kernels, others = found[: -2 * count], found[-2 * count :]
        # Used up as soon as they are made, while they are in the cache; this name keeps them.
        d_sums = empty(*[(max(end - begin for begin, end in chunks), time, columns)] * (1 + cell.apart))
        for begin, end in chunks:
            of_chunk = [address - 4 * begin * time * columns for address in addresses(d_sums)]
            for n, (given, to, how) in enumerate(calls):
                if layer.placed:
                    of_chunk[:1] = addresses([d_products[n]])
                sums = [*_address(d_kernels[n : n + 1]), *addresses(others[n::count])]
                layer.run.backward(*given, *of_chunk, *to, *sums, *how, begin, end)
        return found

    size = layer.weights(features, units)
    total(over_rows(of_rows, batch, time, 4 * time * size * count, size))
    if layer.placed:
        find_gradients(inputs[0], places[0], kernels, d_products, d_inputs[0], d_kernels)
    for n, d_sums in enumerate(first[-count:]):
        for d_bias, to in zip(layer.of(n, d_biases), (cell.from_inputs, cell.from_state), strict=False):
            d_bias.reshape(cell.gates, units)[...] = d_sums[list(to)]
    return made


def _address(arrays: Sequence) -> list[int]:
    """Of the array, or of none."""
    return addresses(arrays) or [0]

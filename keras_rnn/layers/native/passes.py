"""A recurrent layer's pass over the arrays of a batch, and the pass back: checks, memory, and calls of the kernels."""

import math
from collections.abc import Sequence
from dataclasses import dataclass
from functools import partial
from itertools import islice

import numpy as np

from keras_rnn.layers.native.boundary import FLOAT32, INT32, checked, checked_mask, checked_rows, common_rows
from keras_rnn.layers.native.cells import Cell
from keras_rnn.layers.native.distinct import find_gradients, products_of
from keras_rnn.layers.native.kernels import panel_vectors
from keras_rnn.layers.native.machine import Compiled
from keras_rnn.layers.native.memory import LINE, addresses, allocate, allocate_packed, lines_of, unpack
from keras_rnn.layers.native.products import packed
from keras_rnn.layers.native.threads import over_rows, total


@dataclass(frozen=True)
class Layer:
    """What arrays do not say, and what they are checked against.

    Attributes:
        inputs_of: which of the inputs each direction takes.
        biases: how many a direction has.
        masked, indexed: whether there are a mask, and indices.
    """

    cell: Cell
    code: Compiled
    features: int
    units: int
    inputs_of: tuple[int, ...]
    go_backwards: tuple[bool, ...]
    biases: int
    return_sequences: bool
    zero_output_for_mask: bool
    masked: bool
    indexed: bool

    @property
    def columns(self) -> int:
        return self.cell.gates * self.units

    def part(self, direction: int, items: Sequence) -> Sequence:
        """The direction's part."""
        size = len(items) // len(self.inputs_of)
        return items[direction * size : (direction + 1) * size]

    def outputs(self, direction: int, arrays: Sequence) -> list[int]:
        """Where a direction's outputs, or their gradients, begin: beside those of the direction before."""
        return [begin + 4 * direction * self.units for begin in addresses(arrays)] or [0]  # no array

    def saved(self, batch: int, time: int) -> list[tuple[int, ...]]:
        """Shapes of what is saved for the gradients: of each direction what its cell saves, states before and after."""
        count, cell = len(self.inputs_of), self.cell
        width = cell.saved if self.indexed else cell.kept
        of_steps = [(batch, time, self.units)] * count * cell.states
        return [*[(batch, time, width * self.units)] * count, *of_steps, (count * cell.states, batch, self.units)]

    def weights(self) -> int:
        """Numbers that each step of a loop multiplies by."""
        return (self.units if self.indexed else self.features + self.units) * self.columns

    def scalar_args(self, direction: int, time: int) -> list[int]:
        """As the kernels take them, without the rows."""
        stride = len(self.inputs_of) * self.units
        flags = self.go_backwards[direction], self.return_sequences, self.zero_output_for_mask, self.indexed
        return [self.features, stride, time, *flags]


@dataclass(frozen=True)
class _Batch:
    """Arrays of a call, checked.

    Attributes:
        rows, time: of the batch.
        masks: bool `(rows, time)` of each direction.
        indices: None or of one array, int32 `(rows, time)`.
        inputs: of each direction, one for all rows repeated, or the distinct ones.
        states: those before the first step.
    """

    rows: int
    time: int
    masks: list[np.ndarray]
    indices: list[np.ndarray]
    inputs: list[np.ndarray]
    kernels: list[np.ndarray]
    recurrent_kernels: list[np.ndarray]
    states: list[np.ndarray]

    def last_is_real(self, layer: Layer, direction: int) -> np.ndarray:
        """Bool `(rows,)`: where the last output is that of a step, and not zeros."""
        mask = self.masks[direction]
        if layer.zero_output_for_mask and self.time:
            return mask[:, 0 if layer.go_backwards[direction] else -1]
        return mask.any(axis=1)


def _checked_batch(layer: Layer, masks, indices, inputs, kernels, recurrent_kernels, states) -> _Batch:
    rows = common_rows([*(indices if layer.indexed else inputs), *masks, *states])
    time = (indices if layer.indexed else inputs)[0].shape[1]
    if layer.indexed:
        indices = [checked_rows("indices", indices[0], INT32, rows, (time,))]
        inputs = [checked("inputs", inputs[0], FLOAT32, (len(inputs[0]), layer.features))]
        if indices[0].size and indices[0].view(np.uint32).max() >= len(inputs[0]):  # as which negative ones are large
            raise ValueError(f"indices have to be from 0 to {len(inputs[0]) - 1}, got others")
    else:
        inputs = [checked_rows("inputs", array, FLOAT32, rows, (time, layer.features)) for array in inputs]
    if not layer.masked:
        every = [np.ones((rows, time), np.bool_)] * len(layer.inputs_of)
    elif masks[0].shape[1] == time:
        every = [checked_mask(masks[0], rows, time, last=False)] * len(layer.inputs_of)
    else:
        every = [checked_mask(masks[0], rows, time, last=backwards) for backwards in layer.go_backwards]
    return _Batch(
        rows,
        time,
        every,
        indices,
        inputs,
        [checked("kernel", array, FLOAT32, (layer.features, layer.columns)) for array in kernels],
        [checked("recurrent_kernel", array, FLOAT32, (layer.units, layer.columns)) for array in recurrent_kernels],
        [checked_rows("initial_state", array, FLOAT32, rows, (layer.units,)) for array in states],
    )


def parts(items: Sequence, *sizes: int) -> list[list]:
    """The items in order, so many at a time."""
    rest = iter(items)
    return [list(islice(rest, size)) for size in sizes]


def forward_pass(layer: Layer, *arrays) -> list[np.ndarray]:
    """Outputs, states after the last step `(directions * states, batch, units)`, and what `backward_pass` takes."""
    cell, units, count = layer.cell, layer.units, len(layer.inputs_of)
    masks, indices, inputs, kernels, recurrent_kernels, biases, states = parts(
        arrays,
        layer.masked,
        layer.indexed,
        len(set(layer.inputs_of)),
        count,
        count,
        count * layer.biases,
        count * cell.states,
    )
    batch = _checked_batch(layer, masks, indices, inputs, kernels, recurrent_kernels, states)
    biases = [checked("bias", bias, FLOAT32, (layer.columns,)) for bias in biases]
    rows, time = batch.rows, batch.time
    saved = allocate_packed(*layer.saved(rows, time))
    kept, before, (after,) = parts(saved.arrays, count, count * cell.states, 1)
    outputs = allocate((rows, time, count * units)) if layer.return_sequences else []
    read = products_of(batch.inputs[0], batch.kernels) if layer.indexed else [batch.inputs[n] for n in layer.inputs_of]
    held, calls = [], []  # arrays, and calls that know them by their addresses
    for n in range(count):
        for first, last, state in zip(*(layer.part(n, each) for each in (before, after, batch.states)), strict=True):
            if time:
                first[:, -1 if layer.go_backwards[n] else 0] = state
            else:
                last[...] = state
        bias = np.zeros((cell.sums, units), np.float32)
        for summand, to in zip(layer.part(n, biases), (cell.from_inputs, cell.from_state), strict=False):
            bias[list(to)] += summand.reshape(cell.gates, units)
        kernel = [] if layer.indexed else [packed(batch.kernels[n])]
        recurrent_kernel = packed(batch.recurrent_kernels[n], cell.gates, panel_vectors(units, cell.sums))
        bias = checked("bias", bias, FLOAT32, (cell.sums, units))
        held.append([kernel, recurrent_kernel, bias])
        pointers = [*addresses([read[n]]), *_address(batch.indices), *addresses([batch.masks[n]]), *_address(kernel)]
        pointers += addresses([recurrent_kernel, bias, *layer.part(n, before), *layer.part(n, after)])
        pointers += [*layer.outputs(n, outputs), *addresses([kept[n]])]
        calls.append(partial(layer.code.forward, *pointers, *layer.scalar_args(n, time)))

    def run(chunks):
        for chunk in chunks:
            for call in calls:
                call(*chunk)

    size = layer.weights()
    over_rows(run, rows, time, 2 * time * size * count, size)
    if not layer.return_sequences:
        outputs = [np.concatenate([layer.part(n, after)[0] for n in range(count)], 1)]
        for n in range(count):
            outputs[0][~batch.last_is_real(layer, n), n * units : (n + 1) * units] = 0
    return [outputs[0], after.copy(), saved.lines]


def backward_pass(layer: Layer, *arrays) -> list[np.ndarray]:
    """The gradients of the inputs, those of all weights one after the other, and those of the states."""
    cell, units, count = layer.cell, layer.units, len(layer.inputs_of)
    number, biases, columns = len(set(layer.inputs_of)), count * layer.biases, layer.columns
    masks, indices, inputs, kernels, recurrent_kernels, states, (saved, d_outputs), d_after = parts(
        arrays, layer.masked, layer.indexed, number, count, count, *[count * cell.states, 2, count * cell.states]
    )
    batch = _checked_batch(layer, masks, indices, inputs, kernels, recurrent_kernels, states)
    rows, time, features = batch.rows, batch.time, layer.features
    shape = (rows, time, count * units) if layer.return_sequences else (rows, count * units)
    d_outputs = [checked("the gradient of the outputs", d_outputs, FLOAT32, shape)]
    shapes = layer.saved(rows, time)
    saved = checked("saved", saved, FLOAT32, (sum(map(lines_of, shapes)), LINE))
    kept, before, (after,) = parts(unpack(saved, *shapes), count, count * cell.states, 1)
    d_inputs = allocate(*(array.shape for array in batch.inputs))
    of_weights = [*[(features, columns)] * count, *[(units, columns)] * count, *[(columns,)] * biases]
    d_weights, pieces = _flat(of_weights)
    d_kernels, d_recurrent_kernels, d_biases = parts(pieces, count, count, biases)
    (d_states,) = allocate((count * cell.states, rows, units))
    for d_state, d in zip(d_states, d_after, strict=True):
        d_state[...] = checked("the gradient of a state", d, FLOAT32, (rows, units))
    if not layer.return_sequences:
        for n in range(count):
            is_real = batch.last_is_real(layer, n)[:, np.newaxis]
            layer.part(n, d_states)[0] += np.where(is_real, d_outputs[0][:, n * units : (n + 1) * units], 0)
        d_outputs = []
    d_products = allocate(*[(rows, time, columns)] * count) if layer.indexed else []
    first = [*([] if layer.indexed else d_kernels), *d_recurrent_kernels, *allocate(*[(cell.sums, units)] * count)]
    held, calls = [], []  # arrays, and calls that know them by their addresses
    for n, index in enumerate(layer.inputs_of):
        kernel = [] if layer.indexed else [packed(batch.kernels[n], transposed=True)]
        recurrent_kernel = packed(batch.recurrent_kernels[n], 1, panel_vectors(units, 1), transposed=True)
        held.append([kernel, recurrent_kernel])
        pointers = [*addresses([batch.inputs[index]]), *layer.outputs(n, d_outputs)]
        pointers += [*addresses([batch.masks[n]]), *_address(kernel)]
        pointers += addresses([recurrent_kernel, *layer.part(n, before), *layer.part(n, after), kept[n]])
        to = addresses([d_inputs[index], *layer.part(n, d_states)])
        calls.append((pointers, to, [index in layer.inputs_of[:n], *layer.scalar_args(n, time)]))

    def run(chunks):
        # What the threads find is added up in the end, in the first one's arrays.
        sums = first if chunks[0][0] == 0 else allocate(*(array.shape for array in first))
        for array in sums:
            array[...] = 0
        of_kernels, others = sums[: -2 * count], sums[-2 * count :]
        # Used up as soon as they are made, while they are in the cache; this name keeps them.
        d_sums = allocate(*[(max(end - begin for begin, end in chunks), time, columns)] * (1 + cell.apart))
        for begin, end in chunks:
            of_chunk = [address - 4 * begin * time * columns for address in addresses(d_sums)]
            for n, (pointers, to, scalar_args) in enumerate(calls):
                if layer.indexed:
                    of_chunk[:1] = addresses([d_products[n]])
                to_sums = [*_address(of_kernels[n : n + 1]), *addresses(others[n::count])]
                layer.code.backward(*pointers, *of_chunk, *to, *to_sums, *scalar_args, begin, end)
        return sums

    size = layer.weights()
    total(over_rows(run, rows, time, 4 * time * size * count, size))
    if layer.indexed:
        find_gradients(batch.inputs[0], batch.indices[0], batch.kernels, d_products, d_inputs[0], d_kernels)
    for n, d_sums in enumerate(first[-count:]):
        for d_bias, to in zip(layer.part(n, d_biases), (cell.from_inputs, cell.from_state), strict=False):
            d_bias.reshape(cell.gates, units)[...] = d_sums[list(to)]
    if not layer.indexed:
        d_inputs = [
            d.sum(axis=0, keepdims=True) if len(array) != rows else d for d, array in zip(d_inputs, inputs, strict=True)
        ]
    return [*d_inputs, d_weights, d_states]


def _flat(shapes: Sequence[tuple[int, ...]]) -> tuple[np.ndarray, list[np.ndarray]]:
    """A float32 vector, and the arrays of these shapes that it is made of."""
    ends = np.cumsum([math.prod(shape) for shape in shapes]).tolist()
    (vector,) = allocate((ends[-1],))
    pieces = [vector[end - math.prod(shape) : end].reshape(shape) for end, shape in zip(ends, shapes, strict=True)]
    return vector, pieces


def _address(arrays: Sequence) -> list[int]:
    """Of the array, or of none."""
    return addresses(arrays) or [0]

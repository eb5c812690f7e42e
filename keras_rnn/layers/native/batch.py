"""What a recurrent layer's passes know of the layer, and the arrays of a call, checked against it."""

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import islice

import numpy as np

from keras_rnn.layers.native.boundary import FLOAT32, INT32, checked, checked_mask, checked_rows, common_rows
from keras_rnn.layers.native.cells import Cell
from keras_rnn.layers.native.machine import Compiled
from keras_rnn.layers.native.memory import addresses


@dataclass(frozen=True)
class Layer:
    """A recurrent layer of one or more directions: its kernels, and what its arrays are checked against.

    Attributes:
        input_of: for each direction the number of the input that it takes.
        biases: how many biases a direction has.
        masked, indexed: whether a call has a mask, and indices.
    """

    cell: Cell
    code: Compiled
    features: int
    units: int
    input_of: tuple[int, ...]
    go_backwards: tuple[bool, ...]
    biases: int
    return_sequences: bool
    zero_output_for_mask: bool
    masked: bool
    indexed: bool

    @property
    def directions(self) -> int:
        return len(self.input_of)

    @property
    def inputs(self) -> int:
        return len(set(self.input_of))

    @property
    def columns(self) -> int:
        return self.cell.gates * self.units

    def direction_slice(self, direction: int, items: Sequence) -> Sequence:
        """The items of one direction; each direction has equally many."""
        size = len(items) // self.directions
        return items[direction * size : (direction + 1) * size]

    def output_address(self, direction: int, arrays: Sequence) -> list[int]:
        """The address of a direction's first output, which follows those of the direction before; 0 for no array."""
        return [begin + 4 * direction * self.units for begin in addresses(arrays)] or [0]

    def saved_shapes(self, batch: int, time: int) -> list[tuple[int, ...]]:
        """Shapes of what is saved for the gradients: workspaces of the directions, states, and last states."""
        cell = self.cell
        width = cell.activations if self.indexed else cell.workspace
        states = [(batch, time, self.units)] * self.directions * cell.states
        last_states = (self.directions * cell.states, batch, self.units)
        return [*[(batch, time, width * self.units)] * self.directions, *states, last_states]

    def weights_per_step(self) -> int:
        """How many weights each step of a loop multiplies by."""
        return (self.units if self.indexed else self.features + self.units) * self.columns

    def scalar_args(self, direction: int, time: int) -> list[int]:
        """The scalar arguments of the kernels, without the rows."""
        stride = self.directions * self.units
        flags = self.go_backwards[direction], self.return_sequences, self.zero_output_for_mask, self.indexed
        return [self.features, stride, time, *flags]


@dataclass(frozen=True)
class Batch:
    """The checked arrays of a call.

    Attributes:
        rows, time: sizes of the batch.
        masks: for each direction bool `(rows, time)`.
        indices: one array int32 `(rows, time)`, or nothing.
        inputs: float32 `(rows, time, features)`, or one of distinct inputs `(distinct, features)`.
        kernels, recurrent_kernels: for each direction `(features, columns)` and `(units, columns)`.
        states: those before the first step, `(rows, units)`.
    """

    rows: int
    time: int
    masks: list[np.ndarray]
    indices: list[np.ndarray]
    inputs: list[np.ndarray]
    kernels: list[np.ndarray]
    recurrent_kernels: list[np.ndarray]
    states: list[np.ndarray]

    def has_last_output(self, layer: Layer, direction: int) -> np.ndarray:
        """Bool `(rows,)`: whether the output of the loop's last step is a state, and not zeros."""
        mask = self.masks[direction]
        if layer.zero_output_for_mask and self.time:
            return mask[:, 0 if layer.go_backwards[direction] else -1]
        return mask.any(axis=1)


def checked_batch(layer: Layer, masks, indices, inputs, kernels, recurrent_kernels, states) -> Batch:
    """A Batch of arrays as TensorFlow hands them over; one row of an array may stand for all rows.

    Raises:
        ValueError: an array has another dtype or shape than the layer takes, or an index is out of range.
    """
    rows = common_rows([*(indices if layer.indexed else inputs), *masks, *states])
    time = (indices if layer.indexed else inputs)[0].shape[1]
    if layer.indexed:
        indices = [checked_rows("indices", indices[0], INT32, rows, (time,))]
        inputs = [checked("inputs", inputs[0], FLOAT32, (len(inputs[0]), layer.features))]
        if indices[0].size and indices[0].view(np.uint32).max() >= len(inputs[0]):  # negative ones are large as uint32
            raise ValueError(f"indices have to be from 0 to {len(inputs[0]) - 1}, got others")
    else:
        inputs = [checked_rows("inputs", array, FLOAT32, rows, (time, layer.features)) for array in inputs]
    if not layer.masked:
        direction_masks = [np.ones((rows, time), np.bool_)] * layer.directions
    elif masks[0].shape[1] == time:
        direction_masks = [checked_mask(masks[0], rows, time, last=False)] * layer.directions
    else:
        direction_masks = [checked_mask(masks[0], rows, time, last=backwards) for backwards in layer.go_backwards]
    return Batch(
        rows,
        time,
        direction_masks,
        indices,
        inputs,
        [checked("kernel", array, FLOAT32, (layer.features, layer.columns)) for array in kernels],
        [checked("recurrent_kernel", array, FLOAT32, (layer.units, layer.columns)) for array in recurrent_kernels],
        [checked_rows("initial_state", array, FLOAT32, rows, (layer.units,)) for array in states],
    )


def split(items: Sequence, *sizes: int) -> list[list]:
    """The items in order, as lists of these sizes."""
    rest = iter(items)
    return [list(islice(rest, size)) for size in sizes]

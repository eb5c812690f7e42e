"""Whole sequences of SimpleRNN, LSTM and GRU as TensorFlow operations in machine code.

A graph with these operations runs in this process alone: it cannot be saved, nor compiled by XLA. The equations are
those of `keras_rnn.layers.tf_cells`.
"""

import threading
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from functools import partial

import tensorflow as tf

from keras_rnn.layers import tf_cells, tf_sequence
from keras_rnn.layers.native import ahead
from keras_rnn.layers.native.adam_kernels import adam_code
from keras_rnn.layers.native.batch import Layer, split
from keras_rnn.layers.native.cells import CELLS
from keras_rnn.layers.native.distinct import distinct_code
from keras_rnn.layers.native.kernels import kernels
from keras_rnn.layers.native.operation import forbid_saving, in_process
from keras_rnn.layers.native.passes import backward_pass, forward_pass
from keras_rnn.layers.tf_gradients import differentiable, sum_to_shape


@dataclass(frozen=True)
class Direction:
    """One loop over the steps.

    Attributes:
        inputs: float32 `(batch, time, features)`, or `(distinct, features)` where `indices` say which a step takes.
        kernel, recurrent_kernel: float32 `(features, gates * units)` and `(units, gates * units)`.
        biases: each `(gates * units,)`: that of the kernel, and for a GRU that of the recurrent kernel.
        states: those before the first step, each `(batch, units)`, or `(1, units)` for all rows.
        go_backwards: the loop begins with the last step.
    """

    inputs: tf.Tensor
    kernel: tf.Tensor
    recurrent_kernel: tf.Tensor
    biases: Sequence[tf.Tensor]
    states: Sequence[tf.Tensor]
    go_backwards: bool = False


def sequence(
    kind: str,
    mask,
    directions: Sequence[Direction],
    *,
    indices=None,
    return_sequences: bool = True,
    zero_output_for_mask: bool = False,
    zero_states: bool = False,
):
    """A recurrent layer of one or more directions, which all have equally many features and units.

    Args:
        kind: the cell's name in CELLS.
        mask: None, or any number type, `(batch or 1, time)` or with a last axis of 1; a 0 masks a step. Of a mask with
            more steps than the sequence the first ones count, and for a direction that goes backwards the last ones.
        directions: directions with one and the same input tensor read it once, and its gradient is written once.
        indices: None, or int32 `(batch, time)`: which of its distinct inputs each step takes. All directions then share
            one tensor of inputs.
        return_sequences: return the outputs of all steps, not the last output alone.
        zero_output_for_mask: the output of a masked step is zeros, not the output of the step before.
        zero_states: the states were made for the inputs, and have as many rows.

    Returns:
        Outputs `(batch, time, directions * units)` at the steps of their inputs, or `(batch, directions * units)` of
        each loop's last step; and for each direction the states after its last step.

    Raises:
        ValueError: when the graph runs, an array does not have the shape that the others call for.
    """
    cell, features, units = CELLS[kind], directions[0].kernel.shape[0], directions[0].recurrent_kernel.shape[0]
    inputs = {id(direction.inputs): direction.inputs for direction in directions}
    input_of = tuple(list(inputs).index(id(direction.inputs)) for direction in directions)
    inputs = list(inputs.values())
    forbid_saving()
    if indices is not None:
        distinct_code()  # compiled while the graph is made, unless `compile_ahead` has done so
    layer = Layer(
        cell,
        kernels(cell, units),
        features,
        units,
        input_of,
        tuple(direction.go_backwards for direction in directions),
        len(directions[0].biases),
        return_sequences,
        zero_output_for_mask,
        mask is not None,
        indices is not None,
    )
    states = [tf.convert_to_tensor(state) for direction in directions for state in direction.states]
    weights = [
        *(direction.kernel for direction in directions),
        *(direction.recurrent_kernel for direction in directions),
        *(bias for direction in directions for bias in direction.biases),
    ]
    masks = [tensor for tensor in (mask, indices) if tensor is not None]
    steps = inputs[0] if indices is None else indices
    rows = _static_rows([*masks, *([] if indices is not None else inputs), *states])
    output_shape = [rows, steps.shape[1], len(directions) * units]
    if not return_sequences:
        del output_shape[1]

    def forward(masks, *args):
        outputs, last_states, saved = in_process(partial(forward_pass, layer), [*masks, *args], [tf.float32] * 3)
        outputs.set_shape(output_shape)
        last_states.set_shape([len(states), rows, units])

        def backward(*d_outputs_and_states):
            states = args[len(args) - len(directions) * cell.states :]
            inputs_and_kernels = args[: len(inputs) + 2 * len(directions)]
            dtypes = [tf.float32] * (len(inputs) + 2)
            *d_inputs, d_weights, d_states = in_process(
                partial(backward_pass, layer),
                [*masks, *inputs_and_kernels, *states, saved, *d_outputs_and_states],
                dtypes,
            )
            for gradient, tensor in zip(d_inputs, inputs, strict=True):
                gradient.set_shape(tensor.shape)
            # A split of a vector copies its parts, so whoever holds one gradient holds no memory of the others.
            d_weights = tf.split(d_weights, [weight.shape.num_elements() for weight in weights])
            d_weights = [tf.reshape(d, weight.shape) for d, weight in zip(d_weights, weights, strict=True)]
            d_states.set_shape([len(states), rows, units])
            d_states = tf.unstack(d_states)
            if not zero_states:
                d_states = [sum_to_shape(d, state) for d, state in zip(d_states, states, strict=True)]
            return [*d_inputs, *d_weights, *d_states]

        return [outputs, *tf.unstack(last_states)], backward

    def plain(masks, *args):
        return _in_graph(kind, layer, masks, args)

    outputs, *last_states = differentiable(forward, plain, masks)(*inputs, *weights, *states)
    return outputs, split(last_states, *[cell.states] * len(directions))


def _static_rows(tensors: Sequence[tf.Tensor]) -> int | None:
    """How many rows the tensors have together, where one row stands for all; None where that is not known."""
    sizes = {tensor.shape[0] for tensor in tensors}
    several = sizes - {1, None}
    return several.pop() if len(several) == 1 else (None if several or None in sizes else 1)


def _in_graph(kind: str, layer: Layer, masks: Sequence, args: Sequence[tf.Tensor]) -> list[tf.Tensor]:
    """The results of the operation in TensorFlow's own operations, which gradients of its gradients are taken of."""
    count = layer.directions
    mask = masks[0] if layer.masked else None
    inputs, kernels, recurrent_kernels, biases, states = split(
        args, layer.inputs, count, count, count * layer.biases, count * layer.cell.states
    )
    if layer.indexed:
        inputs = [tf.gather(inputs[0], masks[-1])]
    outputs, last_states = [], []
    for n, go_backwards in enumerate(layer.go_backwards):
        x, initial_states, direction_mask = tf_sequence.same_rows(
            inputs[layer.input_of[n]], layer.direction_slice(n, states), mask, go_backwards
        )
        steps = tf_sequence.Sequences(x, direction_mask, go_backwards)
        weights = kernels[n], recurrent_kernels[n], *layer.direction_slice(n, biases)
        options = {"return_cells": True} if kind == "lstm" else {}
        step_states = getattr(tf_cells, kind)(
            steps.steps, *weights, *initial_states, training=True, gradient=tf_cells.Gradient.AUTOMATIC, **options
        )
        if layer.return_sequences:
            output = steps.outputs(step_states[0], layer.zero_output_for_mask)
            outputs.append(tf.reverse(output, [1]) if go_backwards else output)
        else:
            outputs.append(steps.last_output(step_states[0], layer.zero_output_for_mask))
        last_states += [steps.last_state(*pair) for pair in zip(step_states, initial_states, strict=True)]
    return [tf.concat(outputs, -1), *last_states]


def compile_ahead(cells: Iterable[tuple[str, int]]) -> threading.Thread:
    """Starts a thread that compiles what a training step with layers of these cells and units needs, and returns it."""
    layers = [partial(kernels, CELLS[kind], units) for kind, units in cells]
    return ahead.compile_ahead([*layers, distinct_code, adam_code])

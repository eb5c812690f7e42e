"""Whole sequences of SimpleRNN, LSTM and GRU as TensorFlow operations that run the kernels of this machine.

They are for use in this process: a graph with them cannot be saved, nor compiled by XLA. The equations are those of
`keras_rnn.layers.tf_cells`.
"""

import threading
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from functools import partial

import tensorflow as tf

from keras_rnn.layers import tf_cells, tf_sequence
from keras_rnn.layers.native import ahead
from keras_rnn.layers.native.adam import adam_code
from keras_rnn.layers.native.cells import CELLS
from keras_rnn.layers.native.distinct import distinct_code
from keras_rnn.layers.native.kernels import kernels
from keras_rnn.layers.native.operation import forbid_saving, in_process
from keras_rnn.layers.native.passes import Layer, backward_pass, forward_pass, parts
from keras_rnn.layers.tf_gradients import differentiable, sum_to_shape


@dataclass(frozen=True)
class Direction:
    """One loop over the steps.

    Attributes:
        inputs: float32 `(batch, time, features)`, or `(distinct, features)` of which each step takes one.
        kernel, recurrent_kernel: float32 `(features, gates * units)` and `(units, gates * units)`.
        biases: that of the kernel's gates, `(gates * units,)`, and where a cell has one that of the recurrent kernel's.
        states: those before the first step, each `(batch, units)`, or `(1, units)` for all rows.
        go_backwards: begins with the last step.
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
    """A recurrent layer, of one direction or more, which all have as many features and units.

    Args:
        kind: the cell's name, of CELLS.
        mask: `(batch, time)` or `(1, time)`, of any number type, 0 where a step is passed over; with a last axis of 1,
            or without; or None. Of more steps than the sequence's the first count, or backwards the last.
        directions: their inputs may be one tensor, which is then read and its gradient written but once.
        indices: which of its distinct inputs each step takes, int32 `(batch, time)`, in all directions; then their
            inputs are one tensor. None where each step has an input of its own.
        return_sequences: whether the outputs of all steps are wanted, or those of the last one alone.
        zero_output_for_mask: outputs of masked steps are zeros, not those of the step before.
        zero_states: the states were made for the inputs, and have as many rows.

    Returns:
        Outputs `(batch, time, directions * units)`, a step's where its input stands, or `(batch, directions * units)`
        of the last step that each loop comes to; and for each direction the states after its last step.
    """
    cell, features, units = CELLS[kind], directions[0].kernel.shape[0], directions[0].recurrent_kernel.shape[0]
    inputs = {id(direction.inputs): direction.inputs for direction in directions}
    inputs_of = tuple(list(inputs).index(id(direction.inputs)) for direction in directions)
    inputs = list(inputs.values())
    forbid_saving()
    if indices is not None:
        distinct_code()
    layer = Layer(
        cell,
        kernels(cell, units),  # compiled while the graph is made, if not ahead
        features,
        units,
        inputs_of,
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
    of_steps = inputs[0] if indices is None else indices
    rows = _static_rows([*masks, *([] if indices is not None else inputs), *states])
    shape_of_outputs = [rows, of_steps.shape[1], len(directions) * units]
    if not return_sequences:
        del shape_of_outputs[1]

    def forward(masks, *args):
        outputs, last_states, saved = in_process(partial(forward_pass, layer), [*masks, *args], [tf.float32] * 3)
        outputs.set_shape(shape_of_outputs)
        last_states.set_shape([len(states), rows, units])

        def backward(*d_outputs_and_states):
            states = args[len(args) - len(directions) * cell.states :]
            read = [*args[: len(inputs) + 2 * len(directions)], *states]
            dtypes = [tf.float32] * (len(inputs) + 2)
            *d_inputs, d_weights, d_states = in_process(
                partial(backward_pass, layer), [*masks, *read, saved, *d_outputs_and_states], dtypes
            )
            for gradient, tensor in zip(d_inputs, inputs, strict=True):
                gradient.set_shape(tensor.shape)
            # A split of numbers, not of lines, copies them: who keeps one gradient keeps no other.
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
    return outputs, parts(last_states, *[cell.states] * len(directions))


def _static_rows(tensors: Sequence[tf.Tensor]) -> int | None:
    """The number of rows of tensors of which some have one row for all, as far as it is known."""
    sizes = {tensor.shape[0] for tensor in tensors}
    several = sizes - {1, None}
    return several.pop() if len(several) == 1 else (None if several or None in sizes else 1)


def _in_graph(kind: str, layer: Layer, masks: Sequence, args: Sequence[tf.Tensor]) -> list[tf.Tensor]:
    """What the operation makes, in operations of TensorFlow: for gradients of its gradients."""
    count = len(layer.inputs_of)
    mask = masks[0] if layer.masked else None
    inputs, kernels, recurrent_kernels, biases, states = parts(
        args, len(set(layer.inputs_of)), count, count, count * layer.biases, count * layer.cell.states
    )
    if layer.indexed:
        inputs = [tf.gather(inputs[0], masks[-1])]
    outputs, last_states = [], []
    for n, go_backwards in enumerate(layer.go_backwards):
        x, of_states, of_mask = tf_sequence.same_rows(
            inputs[layer.inputs_of[n]], layer.part(n, states), mask, go_backwards
        )
        steps = tf_sequence.Sequences(x, of_mask, go_backwards)
        weights = kernels[n], recurrent_kernels[n], *layer.part(n, biases)
        options = {"return_cells": True} if kind == "lstm" else {}
        after = getattr(tf_cells, kind)(steps.steps, *weights, *of_states, training=True, plain=True, **options)
        after = after if kind == "lstm" else [after]
        if layer.return_sequences:
            output = steps.outputs(after[0], layer.zero_output_for_mask)
            outputs.append(tf.reverse(output, [1]) if go_backwards else output)
        else:
            outputs.append(steps.last_output(after[0], layer.zero_output_for_mask))
        last_states += [steps.last_state(*both) for both in zip(after, of_states, strict=True)]
    return [tf.concat(outputs, -1), *last_states]


def compile_ahead(forms: Iterable[tuple[str, int]]) -> threading.Thread:
    """Begins to compile, in the thread that it returns, what a step takes whose layers have these cells and units."""
    layers = [partial(kernels, CELLS[kind], units) for kind, units in forms]
    return ahead.compile_ahead([*layers, distinct_code, adam_code])

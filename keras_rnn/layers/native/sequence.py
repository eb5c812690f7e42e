"""Whole sequences of SimpleRNN, LSTM and GRU as TensorFlow operations that run the kernels of this machine.

They are for use in this process: a graph with them cannot be saved, nor compiled by XLA. The equations are those of
`keras_rnn.layers.tf_cells`.
"""

from functools import partial

import numpy as np
import tensorflow as tf

from keras_rnn.layers.native.cells import CELLS, Cell
from keras_rnn.layers.native.kernels import REAL, STATE, ZEROS, kernels, panel_vectors
from keras_rnn.layers.native.machine import Compiled
from keras_rnn.layers.native.memory import addresses, empty
from keras_rnn.layers.native.products import packed
from keras_rnn.layers.native.threads import over_rows


def sequence(
    name: str,
    inputs,
    mask,
    kernel,
    recurrent_kernel,
    biases,
    states,
    *,
    go_backwards: bool = False,
    return_sequences: bool = True,
    zero_output_for_mask: bool = False,
    alone: bool = True,
):
    """A recurrent layer.

    Args:
        name: the cell's, of CELLS.
        inputs: float32 `(batch, time, features)`.
        mask: bool `(batch, time)`, False where a step is passed over; or None.
        kernel, recurrent_kernel: float32 `(features, gates * units)` and `(units, gates * units)`.
        biases: that of the kernel's gates, `(gates * units,)`, and where a cell has one that of the recurrent kernel's.
        states: those before the first step, each `(batch, units)`.
        go_backwards: begins with the last step.
        return_sequences: whether outputs are wanted.
        zero_output_for_mask: outputs of masked steps are zeros, not those of the step before.
        alone: False where another direction of the layer runs at the same time.

    Returns:
        Outputs `(batch, time, units)` in the order in which the steps were gone through, or None; and the states after
        the last step.
    """
    cell, units = CELLS[name], recurrent_kernel.shape[0]
    run = kernels(cell, units)  # compiled while the graph is made, in one thread
    how = [int(go_backwards), int(return_sequences)]
    kinds = _kinds_of_steps(inputs, mask, go_backwards, zero_output_for_mask)

    @tf.custom_gradient
    def outputs_and_states(inputs, kernel, recurrent_kernel, *biases_and_states):
        biases, states = biases_and_states[: -cell.states], biases_and_states[-cell.states :]
        made = tf.numpy_function(
            partial(_forward, cell, run, how, alone),
            [inputs, kinds, kernel, recurrent_kernel, tf.stack(biases), *states],
            [tf.float32] * (2 * cell.states + 1 + return_sequences),
            stateful=False,
        )
        kept, before, after = made[0], made[1 : 1 + cell.states], made[1 + cell.states :]
        for state in after[: cell.states]:
            state.set_shape(states[0].shape)
        for outputs in after[cell.states :]:
            outputs.set_shape([*inputs.shape[:2], units])

        def gradient(*d_after):
            made = tf.numpy_function(
                partial(_backward, cell, run, how, alone),
                [inputs, kinds, kernel, recurrent_kernel, kept, *before, *after[: cell.states], *d_after],
                [tf.float32] * (4 + cell.states),
                stateful=False,
            )
            d_bias, *others = made
            for d, of in zip(others, (kernel, recurrent_kernel, inputs, *states), strict=True):
                d.set_shape(of.shape)
            d_kernel, d_recurrent_kernel, d_inputs, *d_states = others
            d_bias.set_shape([cell.sums, units])
            columns = cell.gates * units
            d_biases = [tf.reshape(tf.gather(d_bias, to), [columns]) for to in (cell.from_inputs, cell.from_state)]
            return d_inputs, d_kernel, d_recurrent_kernel, *d_biases[: len(biases)], *d_states

        return tuple(after), gradient

    after = outputs_and_states(inputs, kernel, recurrent_kernel, *biases, *states)
    return (after[-1] if return_sequences else None), list(after[: cell.states])


def _kinds_of_steps(inputs, mask, go_backwards: bool, zero_output_for_mask: bool):
    """uint8 `(batch, time)`, as the kernels take it. Before the first real step Keras' outputs are zeros, too."""
    if mask is None:
        return tf.fill(tf.shape(inputs)[:2], tf.constant(REAL, tf.uint8))
    kinds = tf.where(mask, tf.constant(REAL, tf.uint8), tf.constant(ZEROS, tf.uint8))
    if zero_output_for_mask:
        return kinds
    begun = tf.cumsum(tf.cast(mask, tf.int32), axis=1, reverse=go_backwards) > 0
    return tf.where(begun & ~mask, tf.constant(STATE, tf.uint8), kinds)


def _forward(
    cell: Cell, run: Compiled, how: list[int], alone: bool, inputs, kinds, kernel, recurrent_kernel, biases, *states
):
    """What is kept for `_backward`, the states before each step and after the last, and outputs if they are wanted."""
    (batch, time, features), units = inputs.shape, states[0].shape[1]
    backwards, sequences = how
    bias = np.zeros((cell.sums, units), np.float32)
    for summand, to in zip(biases, (cell.from_inputs, cell.from_state), strict=False):
        bias[list(to)] += summand.reshape(cell.gates, units)
    every_step, last_step = [(batch, time, units)], [(batch, units)]
    shapes = [(batch, time, cell.kept * units), *every_step * cell.states, *last_step * cell.states]
    made = empty(*shapes, *every_step * sequences)
    for before, state in zip(made[1:], states, strict=False):
        before[:, -1 if backwards else 0] = state
    matrices = packed(kernel), packed(recurrent_kernel, cell.gates, panel_vectors(units, cell.sums))
    kept, *others = addresses(made)
    outputs = [] if sequences else [0]  # no array
    arrays = [*addresses([inputs, kinds, *matrices, bias]), *others, *outputs, kept]

    weights = kernel.size + recurrent_kernel.size
    over_rows(
        lambda *rows: run.forward(*arrays, features, time, *rows, *how), batch, 2 * time * weights, weights, alone
    )
    return made


def _backward(
    cell: Cell,
    run: Compiled,
    how: list[int],
    alone: bool,
    inputs,
    kinds,
    kernel,
    recurrent_kernel,
    kept,
    *states_and_gradients,
):
    """The gradients of the biases of sums, of the kernels, of the inputs and of the states before the first step."""
    before, after, d_after = (states_and_gradients[n * cell.states : (n + 1) * cell.states] for n in (0, 1, 2))
    d_outputs = addresses(states_and_gradients[3 * cell.states :]) or [0]  # no array
    (batch, time, units), features, columns = before[0].shape, inputs.shape[2], cell.gates * before[0].shape[2]
    made = empty(inputs.shape, *[(batch, units)] * cell.states)
    for d, given in zip(made[1:], d_after, strict=True):
        d[...] = given
    matrices = packed(kernel, transposed=True), packed(recurrent_kernel, 1, panel_vectors(units, 1), transposed=True)
    given = [*addresses([inputs]), *d_outputs, *addresses([kinds, *matrices, *before, *after, kept])]
    of_made = addresses(made)

    def of_rows(begin, end):
        found = empty((cell.sums, units), (features, columns), (units, columns))
        for array in found:
            array[...] = 0
        d_bias, *d_kernels = addresses(found)
        # Used up as soon as they are made, while they are in the cache; this name keeps them.
        d_sums = empty(*[(end - begin, time, columns)] * (1 + cell.apart))
        of_batch = [address - 4 * begin * time * columns for address in addresses(d_sums)]
        run.backward(*given, *of_batch, *of_made, *d_kernels, d_bias, features, time, begin, end, *how)
        return found

    weights = kernel.size + recurrent_kernel.size
    found = over_rows(of_rows, batch, 4 * time * weights, weights, alone)
    for total, *others in zip(*found, strict=True):
        for other in others:
            total += other
    return *found[0], *made

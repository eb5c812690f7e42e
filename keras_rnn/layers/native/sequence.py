"""Whole sequences of SimpleRNN, LSTM and GRU as TensorFlow operations that run the kernels of this machine.

They are for use in this process: a graph with them cannot be saved, nor compiled by XLA. The equations are those of
`keras_rnn.layers.tf_cells`.
"""

import os
from concurrent.futures import ThreadPoolExecutor
from functools import cache, partial

import numpy as np
import tensorflow as tf

from keras_rnn.layers.native.cells import CELLS, Cell
from keras_rnn.layers.native.kernels import MOST_ROWS, REAL, STATE, ZEROS, kernels, packed, panel_vectors
from keras_rnn.layers.native.machine import Compiled
from keras_rnn.layers.native.memory import empty

FLOPS_A_THREAD = 2e7  # below so many, some 0.2 ms, another thread costs more than it saves
# So few rows at a time that what a step leaves for the next is still in the cache, as long as the weights are in it.
CACHED_ROWS = 18
CACHED_WEIGHTS = 2**18  # numbers


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
        vectors = panel_vectors(units, cell.sums)
        weights = [packed(matrix, cell.gates, vectors) for matrix in (kernel, recurrent_kernel)]
        made = tf.numpy_function(
            partial(_forward, cell, run, how, alone),
            [inputs, kinds, *weights, tf.stack(biases), *states],
            [tf.float32] * (2 * cell.states + 1 + return_sequences),
            stateful=False,
        )
        kept, before, after = made[0], made[1 : 1 + cell.states], made[1 + cell.states :]
        for state in after[: cell.states]:
            state.set_shape(states[0].shape)
        for outputs in after[cell.states :]:
            outputs.set_shape([*inputs.shape[:2], units])

        def gradient(*d_after):
            transposed = packed(tf.transpose(recurrent_kernel), 1, panel_vectors(units, 1))
            made = tf.numpy_function(
                partial(_backward, cell, run, how, alone),
                [kinds, transposed, kept, *before, *after[: cell.states], *d_after],
                [tf.float32] * (1 + cell.states + 1 + cell.apart),
                stateful=False,
            )
            d_bias, d_states, d_sums = made[0], made[1 : 1 + cell.states], made[1 + cell.states :]
            for d, state in zip(d_states, states, strict=True):
                d.set_shape(state.shape)
            columns = cell.gates * units
            of_inputs, of_state = (tf.reshape(d_sums[n], [-1, columns]) for n in (0, -1))
            d_bias.set_shape([cell.sums, units])
            d_biases = [tf.reshape(tf.gather(d_bias, to), [columns]) for to in (cell.from_inputs, cell.from_state)]
            d_inputs = tf.reshape(tf.matmul(of_inputs, kernel, transpose_b=True), tf.shape(inputs))
            with tf.control_dependencies([d_inputs]):  # what comes before in the model waits for it
                d_kernel = tf.matmul(tf.reshape(inputs, [-1, kernel.shape[0]]), of_inputs, transpose_a=True)
                d_recurrent_kernel = tf.matmul(tf.reshape(before[0], [-1, units]), of_state, transpose_a=True)
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
    shapes = [(batch, time, cell.saved * units), *every_step * cell.states, *last_step * cell.states]
    made = empty(*shapes, *every_step * sequences)
    for before, state in zip(made[1:], states, strict=False):
        before[:, -1 if backwards else 0] = state
    kept, *others = _addresses(made)
    outputs = [] if sequences else [0]  # no array
    arrays = [*_addresses([inputs, kinds, kernel, recurrent_kernel, bias]), *others, *outputs, kept]
    flops = 2 * time * batch * (features + units) * cell.gates * units
    weights = kernel.size + recurrent_kernel.size
    _over_rows(lambda *rows: run.forward(*arrays, features, time, *rows, *how), batch, flops, weights, alone)
    return made


def _backward(
    cell: Cell, run: Compiled, how: list[int], alone: bool, kinds, recurrent_kernel, kept, *states_and_gradients
):
    """The gradients of the biases of sums, of the states before the first step, and of the sums of all steps."""
    before, after, d_after = (states_and_gradients[n * cell.states : (n + 1) * cell.states] for n in (0, 1, 2))
    d_outputs = _addresses(states_and_gradients[3 * cell.states :]) or [0]  # no array
    (batch, time, units), columns = before[0].shape, cell.gates * before[0].shape[2]
    made = empty(*[(batch, units)] * cell.states, *[(batch, time, columns)] * (1 + cell.apart))
    d_states, d_sums = made[: cell.states], made[cell.states :]
    for d, given in zip(d_states, d_after, strict=True):
        d[...] = given
    arrays = [*d_outputs, *_addresses([kinds, recurrent_kernel, *before, *after, kept, *d_sums, *d_states])]

    def of_rows(begin, end):
        d_bias = np.zeros((cell.sums, units), np.float32)
        run.backward(*arrays, *_addresses([d_bias]), time, begin, end, *how)
        return d_bias

    d_biases = _over_rows(of_rows, batch, 2 * time * batch * columns * units, recurrent_kernel.size, alone)
    return sum(d_biases[1:], start=d_biases[0]), *made


def _over_rows(run, batch: int, flops: float, weights: int, alone: bool) -> list:
    """What `run(begin, end)` returns for rows that follow each other, shared out among threads where that pays.

    Both directions of a layer share the threads, so that the one that is ready helps the other.
    """
    parts = int(min(_threads(), batch, max(1, flops // FLOPS_A_THREAD)))
    size = min(-(-batch // parts) if alone else batch, CACHED_ROWS if weights <= CACHED_WEIGHTS else MOST_ROWS)
    begins = range(0, batch, size)
    ends = [min(begin + size, batch) for begin in begins]
    return list((map if parts == 1 or len(ends) == 1 else _pool(os.getpid()).map)(run, begins, ends))


def _threads() -> int:
    return tf.config.threading.get_intra_op_parallelism_threads() or os.cpu_count() or 1


@cache
def _pool(process: int) -> ThreadPoolExecutor:  # a fork has no threads of its parent
    return ThreadPoolExecutor(_threads(), thread_name_prefix="keras_rnn")


def _addresses(arrays):
    return [array.__array_interface__["data"][0] for array in arrays]  # quicker than array.ctypes

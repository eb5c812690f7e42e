"""Whole sequences of SimpleRNN, LSTM and GRU as TensorFlow operations that run the kernels of this machine.

They are for training in this process: a graph with them cannot be saved, nor compiled by XLA. Tensors are those of
`keras_rnn.layers.tf_cells`, which has the same functions for every graph. One that is not `alone` leaves half of the
cores to the other direction of its layer.
"""

import os
from concurrent.futures import ThreadPoolExecutor
from functools import cache, partial

import numpy as np
import tensorflow as tf

from keras_rnn.layers.native.cells import GRU, LSTM, SIMPLE_RNN, Cell
from keras_rnn.layers.native.kernels import kernels, packed, panel_vectors
from keras_rnn.layers.native.memory import empty, zeros

FLOPS_A_THREAD = 2e7  # below so many, some 0.2 ms, another thread costs more than it saves


def simple_rnn(inputs, kernel, recurrent_kernel, bias, h_0, alone: bool = True):
    """See `tf_cells.simple_rnn`."""
    return _sequence(SIMPLE_RNN, inputs, kernel, recurrent_kernel, (bias,), (h_0,), 1, alone)[0]


def gru(inputs, kernel, recurrent_kernel, bias, recurrent_bias, h_0, alone: bool = True):
    """See `tf_cells.gru`."""
    return _sequence(GRU, inputs, kernel, recurrent_kernel, (bias, recurrent_bias), (h_0,), 1, alone)[0]


def lstm(inputs, kernel, recurrent_kernel, bias, h_0, c_0, return_cells: bool, alone: bool = True):
    """See `tf_cells.lstm`."""
    h, *c = _sequence(LSTM, inputs, kernel, recurrent_kernel, (bias,), (h_0, c_0), 2 if return_cells else 1, alone)
    return h, c[0] if return_cells else None


def _sequence(cell: Cell, inputs, kernel, recurrent_kernel, biases, states, returned: int, alone: bool):
    """The first `returned` states of every step."""
    units = recurrent_kernel.shape[0]
    run = kernels(cell, units, returned)  # compiled while the graph is made, in one thread
    threads = _threads() if alone else max(1, _threads() // 2)

    @tf.custom_gradient
    def sequence(inputs, kernel, recurrent_kernel, *biases_and_states):
        biases, states = biases_and_states[: len(biases_and_states) - cell.states], biases_and_states[-cell.states :]
        arguments = [inputs, kernel, recurrent_kernel, tf.stack(biases), *states]
        *made, kept = tf.numpy_function(
            partial(_forward, cell, run, threads), arguments, [tf.float32] * (cell.states + 1), stateful=False
        )
        for state in made:
            state.set_shape([None, states[0].shape[0], units])

        def gradient(*d_outputs):
            *d_sums, d_bias = tf.numpy_function(
                partial(_backward, cell, run, threads),
                [recurrent_kernel, kept, *made, *d_outputs],
                [tf.float32] * (cell.states + (1 if cell.from_inputs == cell.from_state else 2) + 1),
                stateful=False,
            )
            d_states, d_sums = d_sums[: cell.states], d_sums[cell.states :]
            for d, state in zip(d_states, states, strict=True):
                d.set_shape(state.shape)
            columns = cell.gates * units
            of_inputs, of_state = (tf.reshape(d_sums[n], [-1, columns]) for n in (0, -1))
            d_bias.set_shape([cell.sums, units])
            d_biases = [tf.reshape(tf.gather(d_bias, to), [columns]) for to in (cell.from_inputs, cell.from_state)]
            return (
                tf.reshape(tf.matmul(of_inputs, kernel, transpose_b=True), tf.shape(inputs)),
                tf.matmul(tf.reshape(inputs, [-1, kernel.shape[0]]), of_inputs, transpose_a=True),
                tf.matmul(tf.reshape(made[0][:-1], [-1, units]), of_state, transpose_a=True),
                *d_biases[: len(biases)],
                *d_states,
            )

        return tuple(state[1:] for state in made[:returned]), gradient

    return sequence(inputs, kernel, recurrent_kernel, *biases, *states)


def _forward(cell: Cell, run, threads: int, inputs, kernel, recurrent_kernel, biases, *states):
    """The states before the first step and after each, and what is kept for `_backward`."""
    (time, batch, features), units = inputs.shape, recurrent_kernel.shape[0]
    bias = np.zeros((cell.sums, units), np.float32)
    for summand, to in zip(biases, (cell.from_inputs, cell.from_state), strict=False):
        bias[list(to)] += summand.reshape(cell.gates, units)
    vectors = panel_vectors(units, cell.sums)
    weights = [packed(matrix, cell.gates, vectors) for matrix in (kernel, recurrent_kernel)]
    made = [empty(time + 1, batch, units) for _ in states]
    for array, before in zip(made, states, strict=True):
        array[0] = before
    kept = empty(time, batch, cell.saved * units)
    arrays = [inputs, *weights, bias, *made, kept]
    flops = 2 * time * batch * (features + units) * cell.gates * units

    def rows(begin, end):
        run.forward(*_addresses(arrays), time, batch, features, begin, end)

    _over_rows(rows, batch, flops, threads)
    return *made, kept


def _backward(cell: Cell, run, threads: int, recurrent_kernel, kept, *states_and_gradients):
    """The gradients of the states before the first step, of the sums of all steps, and those of the biases of sums."""
    states, d_outputs = states_and_gradients[: cell.states], states_and_gradients[cell.states :]
    (time, batch, units), columns = d_outputs[0].shape, recurrent_kernel.shape[1]
    transposed = packed(recurrent_kernel.T, 1, panel_vectors(units, 1))
    d_sums = [empty(time, batch, columns) for _ in {cell.from_inputs, cell.from_state}]
    d_states = [zeros(batch, units) for _ in states]
    arrays = [*d_outputs, transposed, *states, kept, *d_sums, *d_states]

    def rows(begin, end):
        d_bias = np.zeros((cell.sums, units), np.float32)
        run.backward(*_addresses([*arrays, d_bias]), time, batch, begin, end)
        return d_bias

    d_biases = _over_rows(rows, batch, 2 * time * batch * columns * units, threads)
    return *d_states, *d_sums, sum(d_biases[1:], start=d_biases[0])


def _over_rows(run, batch: int, flops: float, threads: int) -> list:
    """What `run(begin, end)` returns for all rows, which are shared out among threads where that pays."""
    parts = int(min(threads, batch, max(1, flops // FLOPS_A_THREAD)))
    if parts == 1:
        return [run(0, batch)]
    bounds = [batch * part // parts for part in range(parts + 1)]
    return list(_pool(os.getpid()).map(run, bounds[:-1], bounds[1:]))


def _threads() -> int:
    return tf.config.threading.get_intra_op_parallelism_threads() or os.cpu_count() or 1


@cache
def _pool(process: int) -> ThreadPoolExecutor:  # a fork has no threads of its parent
    return ThreadPoolExecutor(_threads(), thread_name_prefix="keras_rnn")


def _addresses(arrays):
    return [array.ctypes.data for array in arrays]

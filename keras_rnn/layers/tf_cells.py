"""Whole sequences of SimpleRNN, LSTM and GRU for TensorFlow on a CPU, with gradients derived by hand.

Keras steps through a sequence with some twenty-five small ops a step, and differentiates each of them. Here the
product of the inputs is taken once for all steps; and since the gradient of a step is linear in the gradient of its
states, its coefficients are worked out for all steps at once, so that the loop backwards keeps a few products and one
matrix product a step. The gradients of the weights are one matrix product each, after the loop.

All tensors are float32, time first: inputs `(time, batch, features)`, kernel `(features, gates * units)`,
recurrent_kernel `(units, gates * units)`, states `(batch, units)`; weights and gates are those of keras.layers. What
comes back are the states after every step, `(time, batch, units)`. With `training` a loop keeps what its gradient
needs; without, it is quicker, and a gradient runs it once more.
"""

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
import tensorflow as tf

from keras_rnn.layers.tf_gradients import differentiable

# TensorFlow's one op for an LSTM hardly has a cost a step, but its matrix products are slow: in training it is quicker
# than a loop of ours up to so many units, and otherwise as long as rows * units * units are at most BLOCK_WORK.
BLOCK_UNITS_TRAINING = 32
BLOCK_WORK = 2**17
# A loop that predicts takes the products of inputs and states together in each step, if a cell has gates, and up to so
# many units: beyond, both kernels together are no longer in a cache.
ONE_PRODUCT_UNITS = 256


def simple_rnn(inputs, kernel, recurrent_kernel, bias, h_0, training: bool, plain: bool = False):
    """h = tanh(W x + U h' + b), h' being the h of the step before. Returns h."""
    weights = (kernel, recurrent_kernel, bias, tf.zeros_like(bias))
    return _sequence(_SIMPLE_RNN, inputs, *weights, (h_0,), 1, training, plain)[0]


def gru(inputs, kernel, recurrent_kernel, bias, recurrent_bias, h_0, training: bool, plain: bool = False):
    """GRU with reset_after=True, the form of cuDNN. Returns h.

    z = sigmoid(W_z x + U_z h' + b_z),  r = sigmoid(W_r x + U_r h' + b_r),
    n = tanh(W_n x + b_n + r (U_n h' + c_n)),  h = z h' + (1 - z) n
    """
    weights = (kernel, recurrent_kernel, bias, recurrent_bias)
    return _sequence(_GRU, inputs, *weights, (h_0,), 1, training, plain)[0]


def lstm(
    inputs,
    kernel,
    recurrent_kernel,
    bias,
    h_0,
    c_0,
    return_cells: bool,
    training: bool,
    plain: bool = False,
    saved: bool = False,
):
    """i, f, o = sigmoid(W x + U h' + b), g = tanh(likewise), c = f c' + i g, h = o tanh(c). Returns h, c (or None).

    With `saved` it is for a SavedModel, as which TensorFlow differentiates a loop itself.
    """
    args, units = (inputs, kernel, recurrent_kernel, bias, h_0, c_0), h_0.shape[1]
    rows, most_rows = h_0.shape[0], most_block_rows(units)
    if rows is None and not plain and not training and most_rows > 0:
        states = _block_or_loop_lstm(*args, return_cells, most_rows, saved)
    elif not plain and (units <= BLOCK_UNITS_TRAINING if training else most_rows > 0 and rows <= most_rows):
        states = _block_lstm(*args, return_cells, training, saved)
    else:
        states = _loop_lstm(*args, return_cells, training, plain or saved)
    return states if return_cells else (states[0], None)


def _block_or_loop_lstm(
    inputs, kernel, recurrent_kernel, bias, h_0, c_0, return_cells: bool, most_rows: int, saved: bool
):
    """As `lstm`, of few rows in TensorFlow's one op and of more in a loop. Both have the gradient of the loop."""

    def forward(_, *args):
        def block():
            weights = _one_below_the_other(kernel, recurrent_kernel)
            outputs = tf.raw_ops.BlockLSTMV2(**_block_args(inputs, weights, bias, h_0, c_0), cell_clip=0.0)
            return [outputs.h, outputs.cs] if return_cells else [outputs.h]

        def loop():
            return plain((), *args)

        def backward(*d_outputs):
            tensors = [tf.identity(tensor) for tensor in args]  # of the graph of the gradient
            outputs = _loop_lstm(*tensors, return_cells, training=True, plain=saved)
            return tf.gradients(outputs, tensors, d_outputs, unconnected_gradients="zero")

        return tf.nest.flatten(tf.cond(tf.shape(h_0)[0] <= most_rows, block, loop)), backward

    def plain(_, *args):
        return list(_loop_lstm(*args, return_cells, training=False, plain=True))

    return tuple(differentiable(forward, plain, again=not saved)(inputs, kernel, recurrent_kernel, bias, h_0, c_0))


def _one_below_the_other(kernel, recurrent_kernel):
    """Worked out here if both are constants of a graph: TensorFlow would do so each time, since this is in a branch."""
    both = [kernel, recurrent_kernel]
    if not tf.executing_eagerly():
        values = [tf.get_static_value(weights) for weights in both]
        if all(value is not None for value in values):
            return tf.constant(np.concatenate(values))
    return tf.concat(both, 0)


def most_block_rows(units: int) -> int:
    """The most rows of which an LSTM of so many units predicts in TensorFlow's one op."""
    return BLOCK_WORK // units**2


def _loop_lstm(
    inputs, kernel, recurrent_kernel, bias, h_0, c_0, return_cells: bool, training: bool, plain: bool = False
):
    """As `lstm`. One sigmoid serves all gates, since tanh(a) = 2 sigmoid(2 a) - 1; the loop then keeps c / 2."""
    ones = tf.ones([h_0.shape[1]])
    twice = tf.concat([ones, ones, 2 * ones, ones], 0)
    weights = (kernel * twice, recurrent_kernel * twice, bias * twice)
    returned = 2 if return_cells else 1
    states = _sequence(_LSTM, inputs, *weights, tf.zeros_like(bias), (h_0, c_0 / 2), returned, training, plain)
    return (states[0], 2 * states[1]) if return_cells else (states[0],)


def _block_args(inputs, weights, bias, h_0, c_0) -> dict:
    """Of TensorFlow's own op for the whole sequence; weights are both kernels, one below the other."""
    unused = tf.zeros([h_0.shape[1]])  # peepholes
    return {
        "seq_len_max": tf.shape(inputs, out_type=tf.int64)[0],
        "x": inputs,
        "cs_prev": c_0,
        "h_prev": h_0,
        "w": weights,
        "wci": unused,
        "wcf": unused,
        "wco": unused,
        "b": bias,
        "use_peephole": False,
    }


def _block_lstm(inputs, kernel, recurrent_kernel, bias, h_0, c_0, return_cells: bool, training: bool, saved: bool):
    """As `lstm`, by TensorFlow's own op for the whole sequence."""

    # The gradient that TensorFlow registers for this op is that of another version, and wrong.
    def forward(_, *args):
        outputs = tf.raw_ops.BlockLSTMV2(**_block_args(*args), cell_clip=0.0)
        saved = {name: tf.stop_gradient(getattr(outputs, name)) for name in ("i", "cs", "f", "o", "ci", "co", "h")}

        def backward(d_h, d_c=None):
            if d_c is None:
                d_c = tf.zeros_like(d_h)
            back = tf.raw_ops.BlockLSTMGradV2(**_block_args(*args), **saved, cs_grad=d_c, h_grad=d_h)
            # Of no rows or steps the op does not write the gradients of the weights.
            w_grad, b_grad = (tf.where(tf.size(d_h) > 0, grad, 0.0) for grad in (back.w_grad, back.b_grad))
            return [back.x_grad, w_grad, b_grad, back.h_prev_grad, back.cs_prev_grad]

        return ([outputs.h, outputs.cs] if return_cells else [outputs.h]), backward

    def plain(_, inputs, weights, bias, h_0, c_0):
        kernel, recurrent_kernel = tf.split(weights, [inputs.shape[2], h_0.shape[1]])
        return list(_loop_lstm(inputs, kernel, recurrent_kernel, bias, h_0, c_0, return_cells, training, plain=True))

    weights = _one_below_the_other(kernel, recurrent_kernel)
    return tuple(differentiable(forward, plain, again=not saved)(inputs, weights, bias, h_0, c_0))


@dataclass(frozen=True)
class _Cell:
    """What a cell does; d_x is the gradient of the loss with respect to x, U the recurrent kernel.

    step(sums, states): one step from W x + U h + b, or where `apart`, from W x + b, U h and the recurrent_bias of the
        last gate, that of the others being part of b; returns the states and all that is to be kept, the states first.
    slopes(kept, before): from all that was kept and the states before each step, what `back` and `split` multiply by.
    back(slopes, d_states, transposed U): one step backwards; returns d_states of the step before, and what to keep.
    split(kept, slopes): from all that `back` kept, d(W x + b) and d(U h + recurrent_bias).
    kept, kept_back: the widths of what is kept, in units.
    """

    step: Callable
    slopes: Callable
    back: Callable
    split: Callable
    kept: tuple[int, ...]
    kept_back: tuple[int, ...]
    apart: bool = False


def _sequence(
    cell: _Cell,
    inputs,
    kernel,
    recurrent_kernel,
    bias,
    recurrent_bias,
    states,
    returned: int,
    training: bool,
    plain: bool,
):
    """The first `returned` states of every step; with `plain` TensorFlow differentiates the loop itself."""

    def loop(keep: int, inputs, kernel, recurrent_kernel, bias, recurrent_bias, *states):
        """The first `keep` of all that the cell would keep of every step."""
        steps, batch, units = tf.shape(inputs)[0], tf.shape(inputs)[1], recurrent_kernel.shape[0]
        gates = kernel.shape[1] // units
        ahead = training or cell.apart or gates == 1 or units > ONE_PRODUCT_UNITS
        if ahead:
            others, last_bias = tf.split(recurrent_bias, [kernel.shape[1] - units, units])
            biases = bias + tf.concat([others, tf.zeros_like(last_bias)], 0)
            flat = tf.reshape(inputs, [steps * batch, kernel.shape[0]])
            projected = tf.reshape(tf.nn.bias_add(tf.matmul(flat, kernel), biases), [steps, batch, kernel.shape[1]])
        else:
            # One product a step, and nothing kept for all steps.
            both_kernels = tf.concat([kernel, recurrent_kernel], 0)

        def sums(t, h):
            if cell.apart:
                return projected[t], tf.matmul(h, recurrent_kernel), last_bias
            if ahead:
                return (projected[t] + tf.matmul(h, recurrent_kernel),)
            return (tf.nn.bias_add(tf.matmul(tf.concat([inputs[t], h], 1), both_kernels), bias),)

        def step(t, states):
            states, kept = cell.step(*sums(t, states[0]), states)
            return states, kept[:keep]

        return _scan(step, tf.range(steps), states, [units * width for width in cell.kept[:keep]])[0]

    def forward(_, *args):
        inputs, kernel, recurrent_kernel, _, _, *states = args
        everything, units = len(cell.kept), recurrent_kernel.shape[0]
        outputs = loop(everything if training else returned, *args)
        saved = [tf.stop_gradient(output) for output in outputs]

        def backward(*d_outputs):
            kept = saved if training else loop(everything, *args)
            before = [tf.concat([first[tf.newaxis], rest], 0)[:-1] for first, rest in zip(states, kept, strict=False)]
            slopes = cell.slopes(kept, before)
            transposed = tf.transpose(recurrent_kernel)

            def step(t, d_states):
                d_states = [
                    d_states[n] + d_outputs[n][t] if n < returned else d_states[n] for n in range(len(d_states))
                ]
                return cell.back([slope[t] for slope in slopes], d_states, transposed)

            steps, batch = tf.shape(inputs)[0], tf.shape(inputs)[1]
            widths = [units * width for width in cell.kept_back]
            zeros = [tf.zeros_like(state) for state in states]
            kept_back, d_states = _scan(step, tf.range(steps - 1, -1, -1), zeros, widths)
            d_projected, d_recurrent = (
                tf.reshape(d, [steps * batch, kernel.shape[1]]) for d in cell.split(kept_back, slopes)
            )
            flat = tf.reshape(inputs, [steps * batch, kernel.shape[0]])
            return [
                tf.reshape(tf.matmul(d_projected, kernel, transpose_b=True), tf.shape(inputs)),
                tf.matmul(flat, d_projected, transpose_a=True),
                tf.matmul(tf.reshape(before[0], [steps * batch, units]), d_recurrent, transpose_a=True),
                tf.reduce_sum(d_projected, 0),
                tf.reduce_sum(d_recurrent, 0),
                *d_states,
            ]

        return outputs[:returned], backward

    args = (inputs, kernel, recurrent_kernel, bias, recurrent_bias, *states)
    if plain:
        return loop(returned, *args)
    return differentiable(forward, lambda _, *args: loop(returned, *args))(*args)


def _scan(step, times, states, widths):
    """`step(t, states)`, which returns the states and what to keep, for each of `times`.

    Returns what was kept, each `(time, batch, width)` at the time that it belongs to, and the last states.
    """
    arrays = [tf.TensorArray(tf.float32, tf.size(times), element_shape=(None, width)) for width in widths]

    def body(n, states, arrays):
        t = times[n]
        states, kept = step(t, states)
        return n + 1, tuple(states), tuple(array.write(t, value) for array, value in zip(arrays, kept, strict=True))

    _, states, arrays = tf.while_loop(
        lambda n, *_: n < tf.size(times), body, (0, tuple(states), tuple(arrays)), parallel_iterations=1
    )
    return [array.stack() for array in arrays], states


def _simple_rnn_step(z, states):
    h = tf.tanh(z)
    return (h,), (h,)


def _simple_rnn_slopes(kept, before):
    (h,) = kept
    return (1 - h * h,)


def _simple_rnn_back(slopes, d_states, transposed):
    d_z = d_states[0] * slopes[0]
    return (tf.matmul(d_z, transposed),), (d_z,)


def _lstm_step(z, states):
    _, half_c = states
    gates = tf.sigmoid(z)
    i, f, g, o = tf.split(gates, 4, axis=1)
    half_c = f * half_c + i * (g - 0.5)
    tanh_c = tf.tanh(half_c + half_c)
    h = o * tanh_c
    return (h, half_c), (h, half_c, gates, tanh_c)


def _lstm_slopes(kept, before):
    _, _, gates, tanh_c = kept
    i, f, g, o = tf.split(gates, 4, axis=2)
    gate_slopes = [(g - 0.5) * i * (1 - i), before[1] * f * (1 - f), i * g * (1 - g), tanh_c * o * (1 - o)]
    return tf.concat(gate_slopes, 2), 2 * o * (1 - tanh_c * tanh_c), f


def _lstm_back(slopes, d_states, transposed):
    gate_slopes, cell_slopes, f = slopes
    d_h, d_c = d_states
    d_c += d_h * cell_slopes
    d_z = tf.concat([d_c, d_c, d_c, d_h], 1) * gate_slopes
    return (tf.matmul(d_z, transposed), d_c * f), (d_z,)


def _gru_step(from_x, from_h, bias_n, states):
    (h,) = states
    units = h.shape[1]
    x_zr, x_n = tf.split(from_x, [2 * units, units], axis=1)
    h_zr, h_n = tf.split(from_h, [2 * units, units], axis=1)
    h_n += bias_n
    zr = tf.sigmoid(x_zr + h_zr)
    z, r = tf.split(zr, 2, axis=1)
    n = tf.tanh(x_n + r * h_n)
    h = n + z * (h - n)
    return (h,), (h, zr, n, h_n)


def _gru_slopes(kept, before):
    _, zr, n, h_n = kept
    z, r = tf.split(zr, 2, axis=2)
    n_slope = (1 - z) * (1 - n * n)
    return tf.concat([(before[0] - n) * z * (1 - z), n_slope * h_n * r * (1 - r), n_slope * r], 2), z, n_slope


def _gru_back(slopes, d_states, transposed):
    recurrent_slopes, z, _ = slopes
    (d_h,) = d_states
    d_recurrent = tf.concat([d_h, d_h, d_h], 1) * recurrent_slopes
    return (tf.matmul(d_recurrent, transposed) + d_h * z,), (d_recurrent, d_h)


def _gru_split(kept, slopes):
    d_recurrent, d_h = kept
    return tf.concat([d_recurrent[:, :, : 2 * d_h.shape[2]], d_h * slopes[2]], 2), d_recurrent


def _alike(kept, slopes):
    return kept[0], kept[0]


_SIMPLE_RNN = _Cell(_simple_rnn_step, _simple_rnn_slopes, _simple_rnn_back, _alike, (1,), (1,))
_LSTM = _Cell(_lstm_step, _lstm_slopes, _lstm_back, _alike, (1, 1, 4, 1), (4,))
_GRU = _Cell(_gru_step, _gru_slopes, _gru_back, _gru_split, (1, 2, 1, 1), (3, 1), apart=True)

"""The forms of an LSTM in TensorFlow's operations: TensorFlow's own op for the whole sequence, or a loop."""

import numpy as np
import tensorflow as tf

from keras_rnn.layers.tf_equations import LSTM
from keras_rnn.layers.tf_gradients import differentiable
from keras_rnn.layers.tf_loop import Gradient, run_loop

# TensorFlow's op costs little a step, but its matrix products are slow. In training it is faster than the loop up to
# BLOCK_UNITS_TRAINING units, and otherwise while rows * units * units are at most BLOCK_WORK.
BLOCK_UNITS_TRAINING = 32
BLOCK_WORK = 2**17


def lstm(
    inputs,
    kernel,
    recurrent_kernel,
    bias,
    h_0,
    c_0,
    *,
    return_cells: bool,
    training: bool,
    gradient: Gradient = Gradient.BY_HAND,
):
    """i, f, o = sigmoid(W x + U h' + b), g = tanh(likewise), c = f c' + i g, h = o tanh(c).

    Returns (h, c) with `return_cells`, and (h,) without.
    """
    args, units, rows = (inputs, kernel, recurrent_kernel, bias, h_0, c_0), h_0.shape[1], h_0.shape[0]
    max_rows = max_block_rows(units)
    can_block = units <= BLOCK_UNITS_TRAINING if training else max_rows > 0
    if gradient == Gradient.AUTOMATIC or not can_block:
        return _loop(*args, return_cells, training, gradient)
    if training or (rows is not None and rows <= max_rows):
        return _block(*args, return_cells, training, gradient)
    if rows is None:
        return _block_or_loop(*args, return_cells, max_rows, gradient)
    return _loop(*args, return_cells, training, gradient)


def max_block_rows(units: int) -> int:
    """The largest number of rows for which an LSTM of this many units predicts in TensorFlow's op."""
    return BLOCK_WORK // units**2


def _block_or_loop(
    inputs, kernel, recurrent_kernel, bias, h_0, c_0, return_cells: bool, max_rows: int, gradient: Gradient
):
    """`lstm` of few rows in TensorFlow's op, and of more in a loop. Both have the gradient of the loop."""

    def forward(_, *args):
        def block():
            weights = _concatenate_kernels(kernel, recurrent_kernel)
            outputs = tf.raw_ops.BlockLSTMV2(**_block_args(inputs, weights, bias, h_0, c_0), cell_clip=0.0)
            return [outputs.h, outputs.cs] if return_cells else [outputs.h]

        def loop():
            return plain((), *args)

        def backward(*d_outputs):
            tensors = [tf.identity(tensor) for tensor in args]  # tensors of the graph of the gradient
            outputs = _loop(*tensors, return_cells, training=True, gradient=gradient)
            return tf.gradients(outputs, tensors, d_outputs, unconnected_gradients="zero")

        return tf.nest.flatten(tf.cond(tf.shape(h_0)[0] <= max_rows, block, loop)), backward

    def plain(_, *args):
        return list(_loop(*args, return_cells, training=False, gradient=Gradient.AUTOMATIC))

    again = gradient != Gradient.FOR_SAVING
    return tuple(differentiable(forward, plain, again=again)(inputs, kernel, recurrent_kernel, bias, h_0, c_0))


def _concatenate_kernels(kernel, recurrent_kernel):
    """Both kernels, one below the other.

    If both are constants of the graph they are concatenated now: TensorFlow does not fold constants inside a branch.
    """
    kernels = [kernel, recurrent_kernel]
    if not tf.executing_eagerly():
        values = [tf.get_static_value(weights) for weights in kernels]
        if all(value is not None for value in values):
            return tf.constant(np.concatenate(values))
    return tf.concat(kernels, 0)


def _loop(inputs, kernel, recurrent_kernel, bias, h_0, c_0, return_cells: bool, training: bool, gradient: Gradient):
    """`lstm` in a loop. One sigmoid serves all gates, since tanh(a) = 2 sigmoid(2 a) - 1; the state is then c / 2."""
    ones = tf.ones([h_0.shape[1]])
    gate_scale = tf.concat([ones, ones, 2 * ones, ones], 0)
    weights = (kernel * gate_scale, recurrent_kernel * gate_scale, bias * gate_scale, tf.zeros_like(bias))
    output_count = 2 if return_cells else 1
    states = run_loop(
        LSTM, inputs, *weights, (h_0, c_0 / 2), output_count=output_count, training=training, gradient=gradient
    )
    return (states[0], 2 * states[1]) if return_cells else (states[0],)


def _block_args(inputs, weights, bias, h_0, c_0) -> dict:
    """The arguments of TensorFlow's op; `weights` are both kernels, one below the other."""
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


def _block(inputs, kernel, recurrent_kernel, bias, h_0, c_0, return_cells: bool, training: bool, gradient: Gradient):
    """`lstm` in TensorFlow's op."""

    # The gradient that TensorFlow registers for this op is that of another version, and wrong.
    def forward(_, *args):
        outputs = tf.raw_ops.BlockLSTMV2(**_block_args(*args), cell_clip=0.0)
        activations = {
            name: tf.stop_gradient(getattr(outputs, name)) for name in ("i", "cs", "f", "o", "ci", "co", "h")
        }

        def backward(d_h, d_c=None):
            if d_c is None:
                d_c = tf.zeros_like(d_h)
            back = tf.raw_ops.BlockLSTMGradV2(**_block_args(*args), **activations, cs_grad=d_c, h_grad=d_h)
            # Without rows or steps the op does not write the gradients of the weights.
            w_grad, b_grad = (tf.where(tf.size(d_h) > 0, grad, 0.0) for grad in (back.w_grad, back.b_grad))
            return [back.x_grad, w_grad, b_grad, back.h_prev_grad, back.cs_prev_grad]

        return ([outputs.h, outputs.cs] if return_cells else [outputs.h]), backward

    def plain(_, inputs, weights, bias, h_0, c_0):
        kernel, recurrent_kernel = tf.split(weights, [inputs.shape[2], h_0.shape[1]])
        weights = (kernel, recurrent_kernel, bias)
        return list(_loop(inputs, *weights, h_0, c_0, return_cells, training, Gradient.AUTOMATIC))

    weights, again = _concatenate_kernels(kernel, recurrent_kernel), gradient != Gradient.FOR_SAVING
    return tuple(differentiable(forward, plain, again=again)(inputs, weights, bias, h_0, c_0))

"""A cell's loop over a sequence in TensorFlow's operations, with a gradient derived by hand."""

from collections.abc import Callable
from dataclasses import dataclass
from enum import Enum, auto

import tensorflow as tf

from keras_rnn.layers.tf_gradients import differentiable

# In predictions each step takes the products of its inputs and states together, if the cell has gates that add them up
# and at most this many units: beyond, both kernels together do not fit into a cache.
ONE_PRODUCT_UNITS = 256


class Gradient(Enum):
    """How a function of a whole sequence is differentiated.

    BY_HAND: by the gradient derived by hand, which can be differentiated again.
    FOR_SAVING: as a SavedModel needs it. TensorFlow differentiates loops; only first gradients are derived by hand.
    AUTOMATIC: TensorFlow differentiates a loop, as often as it is asked to.
    """

    BY_HAND = auto()
    FOR_SAVING = auto()
    AUTOMATIC = auto()


@dataclass(frozen=True)
class Equations:
    """A cell's equations and those of its gradient. d_x is the gradient with respect to x, U the recurrent kernel.

    Attributes:
        step(sums, states): one step from W x + U h + b; with `has_separate_sums` from W x + b, U h and the
            recurrent_bias of the last gate, that of the other gates being part of b. Returns the states, and the
            tensors to save, of which the states come first.
        slopes(saved, previous_states): the coefficients of `back` and `split`, from the saved tensors of all
            steps and the states before each step.
        back(slopes, d_states, transposed U): one step backwards. Returns d_states of the step before, and the tensors
            to save.
        split(saved, slopes): d(W x + b) and d(U h + recurrent_bias), from the tensors that `back` saved in all steps.
        saved_widths, back_widths: the widths of the tensors that `step` and `back` save, in units.
    """

    step: Callable
    slopes: Callable
    back: Callable
    split: Callable
    saved_widths: tuple[int, ...]
    back_widths: tuple[int, ...]
    has_separate_sums: bool = False


def run_loop(
    cell: Equations,
    inputs,
    kernel,
    recurrent_kernel,
    bias,
    recurrent_bias,
    states,
    *,
    output_count: int,
    training: bool,
    gradient: Gradient,
):
    """The first `output_count` states after every step, each `(time, batch, units)`."""

    def loop(count: int, inputs, kernel, recurrent_kernel, bias, recurrent_bias, *states):
        """The first `count` of the tensors that the cell saves."""
        steps, batch, units = tf.shape(inputs)[0], tf.shape(inputs)[1], recurrent_kernel.shape[0]
        gates = kernel.shape[1] // units
        multiplies_ahead = training or cell.has_separate_sums or gates == 1 or units > ONE_PRODUCT_UNITS
        if multiplies_ahead:
            other_biases, last_bias = tf.split(recurrent_bias, [kernel.shape[1] - units, units])
            biases = bias + tf.concat([other_biases, tf.zeros_like(last_bias)], 0)
            flat = tf.reshape(inputs, [steps * batch, kernel.shape[0]])
            projected = tf.reshape(tf.nn.bias_add(tf.matmul(flat, kernel), biases), [steps, batch, kernel.shape[1]])
        else:
            kernels = tf.concat([kernel, recurrent_kernel], 0)

        def sums(t, h):
            if cell.has_separate_sums:
                return projected[t], tf.matmul(h, recurrent_kernel), last_bias
            if multiplies_ahead:
                return (projected[t] + tf.matmul(h, recurrent_kernel),)
            return (tf.nn.bias_add(tf.matmul(tf.concat([inputs[t], h], 1), kernels), bias),)

        def step(t, states):
            states, saved = cell.step(*sums(t, states[0]), states)
            return states, saved[:count]

        return _scan(step, tf.range(steps), states, [units * width for width in cell.saved_widths[:count]])[0]

    def forward(_, *args):
        inputs, kernel, recurrent_kernel, _, _, *states = args
        saved_count, units = len(cell.saved_widths), recurrent_kernel.shape[0]
        outputs = loop(saved_count if training else output_count, *args)
        constant_outputs = [tf.stop_gradient(output) for output in outputs]

        def backward(*d_outputs):
            saved = constant_outputs if training else loop(saved_count, *args)
            previous_states = [
                tf.concat([initial[tf.newaxis], after], 0)[:-1] for initial, after in zip(states, saved, strict=False)
            ]
            slopes = cell.slopes(saved, previous_states)
            transposed = tf.transpose(recurrent_kernel)

            def step(t, d_states):
                d_states = [
                    d_states[n] + d_outputs[n][t] if n < output_count else d_states[n] for n in range(len(d_states))
                ]
                return cell.back([slope[t] for slope in slopes], d_states, transposed)

            steps, batch = tf.shape(inputs)[0], tf.shape(inputs)[1]
            widths = [units * width for width in cell.back_widths]
            zeros = [tf.zeros_like(state) for state in states]
            saved_back, d_states = _scan(step, tf.range(steps - 1, -1, -1), zeros, widths)
            d_projected, d_recurrent = (
                tf.reshape(d, [steps * batch, kernel.shape[1]]) for d in cell.split(saved_back, slopes)
            )
            flat = tf.reshape(inputs, [steps * batch, kernel.shape[0]])
            return [
                tf.reshape(tf.matmul(d_projected, kernel, transpose_b=True), tf.shape(inputs)),
                tf.matmul(flat, d_projected, transpose_a=True),
                tf.matmul(tf.reshape(previous_states[0], [steps * batch, units]), d_recurrent, transpose_a=True),
                tf.reduce_sum(d_projected, 0),
                tf.reduce_sum(d_recurrent, 0),
                *d_states,
            ]

        return outputs[:output_count], backward

    args = (inputs, kernel, recurrent_kernel, bias, recurrent_bias, *states)
    if gradient != Gradient.BY_HAND:
        return loop(output_count, *args)
    return differentiable(forward, lambda _, *args: loop(output_count, *args))(*args)


def _scan(step, times, states, widths):
    """Calls `step(t, states)`, which returns the states and the tensors to save, for each of `times`.

    Returns the saved tensors, each `(time, batch, width)` at the time of its step, and the last states.
    """
    arrays = [tf.TensorArray(tf.float32, tf.size(times), element_shape=(None, width)) for width in widths]

    def body(n, states, arrays):
        t = times[n]
        states, saved = step(t, states)
        return n + 1, tuple(states), tuple(array.write(t, value) for array, value in zip(arrays, saved, strict=True))

    _, states, arrays = tf.while_loop(
        lambda n, *_: n < tf.size(times), body, (0, tuple(states), tuple(arrays)), parallel_iterations=1
    )
    return [array.stack() for array in arrays], states

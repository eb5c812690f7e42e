"""Whole sequences of SimpleRNN, LSTM and GRU in TensorFlow's operations, with gradients derived by hand.

Keras steps through a sequence with some twenty-five small operations a step, and differentiates each of them. Here one
product takes the inputs of all steps. The gradient of a step is linear in the gradient of its states; its coefficients
are computed for all steps at once, so that the loop backwards has a few products and one matrix product a step. The
gradients of the weights are one matrix product each, after the loop.

All tensors are float32, time first: inputs `(time, batch, features)`, kernel `(features, gates * units)`,
recurrent_kernel `(units, gates * units)`, biases `(gates * units,)`, states `(batch, units)`. Weights and gates are
those of keras.layers. Functions return the states after every step, `(time, batch, units)`. With `training` a loop
saves what its gradient needs. Without, it is faster, and a gradient runs it once more.
"""

import tensorflow as tf

from keras_rnn.layers.tf_equations import GRU, SIMPLE_RNN
from keras_rnn.layers.tf_loop import Gradient, run_loop
from keras_rnn.layers.tf_lstm import lstm, max_block_rows

__all__ = ["Gradient", "gru", "lstm", "max_block_rows", "simple_rnn"]


def simple_rnn(inputs, kernel, recurrent_kernel, bias, h_0, *, training: bool, gradient: Gradient = Gradient.BY_HAND):
    """h = tanh(W x + U h' + b), h' being the h of the step before. Returns (h,)."""
    weights = (kernel, recurrent_kernel, bias, tf.zeros_like(bias))
    return run_loop(SIMPLE_RNN, inputs, *weights, (h_0,), output_count=1, training=training, gradient=gradient)


def gru(
    inputs,
    kernel,
    recurrent_kernel,
    bias,
    recurrent_bias,
    h_0,
    *,
    training: bool,
    gradient: Gradient = Gradient.BY_HAND,
):
    """GRU with reset_after=True, the form of cuDNN. Returns (h,).

    z = sigmoid(W_z x + U_z h' + b_z),  r = sigmoid(W_r x + U_r h' + b_r),
    n = tanh(W_n x + b_n + r (U_n h' + c_n)),  h = z h' + (1 - z) n
    """
    weights = (kernel, recurrent_kernel, bias, recurrent_bias)
    return run_loop(GRU, inputs, *weights, (h_0,), output_count=1, training=training, gradient=gradient)

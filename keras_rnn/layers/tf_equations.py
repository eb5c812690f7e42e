"""The equations of SimpleRNN, LSTM and GRU and of their gradients, as `tf_loop` takes them.

`d_x` is the gradient of the loss with respect to x; z are the sums of a step; arrays are time first.
"""

import tensorflow as tf

from keras_rnn.layers.tf_loop import Equations


def _simple_rnn_step(z, states):
    h = tf.tanh(z)
    return (h,), (h,)


def _simple_rnn_slopes(saved, previous_states):
    (h,) = saved
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


def _lstm_slopes(saved, previous_states):
    _, _, gates, tanh_c = saved
    i, f, g, o = tf.split(gates, 4, axis=2)
    gate_slopes = [(g - 0.5) * i * (1 - i), previous_states[1] * f * (1 - f), i * g * (1 - g), tanh_c * o * (1 - o)]
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


def _gru_slopes(saved, previous_states):
    _, zr, n, h_n = saved
    z, r = tf.split(zr, 2, axis=2)
    n_slope = (1 - z) * (1 - n * n)
    return tf.concat([(previous_states[0] - n) * z * (1 - z), n_slope * h_n * r * (1 - r), n_slope * r], 2), z, n_slope


def _gru_back(slopes, d_states, transposed):
    recurrent_slopes, z, _ = slopes
    (d_h,) = d_states
    d_recurrent = tf.concat([d_h, d_h, d_h], 1) * recurrent_slopes
    return (tf.matmul(d_recurrent, transposed) + d_h * z,), (d_recurrent, d_h)


def _gru_split(saved, slopes):
    d_recurrent, d_h = saved
    return tf.concat([d_recurrent[:, :, : 2 * d_h.shape[2]], d_h * slopes[2]], 2), d_recurrent


def _same_gradient(saved, slopes):
    return saved[0], saved[0]


SIMPLE_RNN = Equations(_simple_rnn_step, _simple_rnn_slopes, _simple_rnn_back, _same_gradient, (1,), (1,))
LSTM = Equations(_lstm_step, _lstm_slopes, _lstm_back, _same_gradient, (1, 1, 4, 1), (4,))
GRU = Equations(_gru_step, _gru_slopes, _gru_back, _gru_split, (1, 2, 1, 1), (3, 1), has_separate_sums=True)

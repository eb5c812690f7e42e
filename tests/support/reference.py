"""The cells' equations step by step in numpy, float64: what the layers are tested against.

Weights come as Keras keeps them: kernel W `(features, gates * units)`, recurrent kernel H
`(units, gates * units)`, bias `(gates * units,)`. x is `(time, features)`; all return the states `(time, units)`.
"""

import numpy as np


def sigmoid(x):
    return 1 / (1 + np.exp(-x))


def simple_rnn(x, W, H, b):
    """The lesson's S_i = tanh(W X_i + H S_{i-1} + b)."""
    state, states = np.zeros(H.shape[0]), []
    for step in x:
        state = np.tanh(step @ W + state @ H + b)
        states.append(state)
    return np.array(states)


def lstm(x, W, H, b):
    """Gates in Keras' order i, f, c, o: C = f * C + i * tanh(c), state = o * tanh(C)."""
    units = H.shape[0]
    state, cell, states = np.zeros(units), np.zeros(units), []
    for step in x:
        i, f, c, o = np.split(step @ W + state @ H + b, 4)
        cell = sigmoid(f) * cell + sigmoid(i) * np.tanh(c)
        state = sigmoid(o) * np.tanh(cell)
        states.append(state)
    return np.array(states)


def gru(x, W, H, b):
    """Gates in Keras' order z, r, h, reset after the product; b is `(2, 3 * units)`, input and recurrent."""
    units = H.shape[0]
    state, states = np.zeros(units), []
    for step in x:
        xz, xr, xh = np.split(step @ W + b[0], 3)
        hz, hr, hh = np.split(state @ H + b[1], 3)
        z, r = sigmoid(xz + hz), sigmoid(xr + hr)
        state = z * state + (1 - z) * np.tanh(xh + r * hh)
        states.append(state)
    return np.array(states)


CELLS = {"simple_rnn": simple_rnn, "lstm": lstm, "gru": gru}

"""What each function of `keras_rnn.layers.native` computes, in NumPy and float64, step by step.

Arrays have the shapes that README.md of that folder gives, but matrices are not packed. `d_x` is the gradient of the
loss with respect to x.
"""

from typing import NamedTuple

import numpy as np

GATES = {"simple_rnn": 1, "gru": 3, "lstm": 4}


def sigmoid(x):
    return 1 / (1 + np.exp(-x))


# One step of a cell: from what inputs and state add to the sums of each gate to the new states, and to what the step
# backwards needs. The step backwards returns the gradients of both parts of the sums, and the parts of the gradients of
# the states before the step that do not pass through sums.


def simple_rnn_step(from_inputs, from_state, states):
    h = np.tanh(from_inputs + from_state)
    return [h], (h,)


def simple_rnn_step_back(d_states, activations, states):
    (h,) = activations
    d_sums = d_states[0] * (1 - h**2)
    return d_sums, d_sums, [0]


def lstm_step(from_inputs, from_state, states):
    i, f, g, o = np.split(from_inputs + from_state, 4, axis=1)
    i, f, g, o = sigmoid(i), sigmoid(f), np.tanh(g), sigmoid(o)
    c = f * states[1] + i * g
    return [o * np.tanh(c), c], (i, f, g, o, c)


def lstm_step_back(d_states, activations, states):
    i, f, g, o, c = activations
    d_h, d_c = d_states
    d_c = d_c + d_h * o * (1 - np.tanh(c) ** 2)
    gates = [d_c * g * i * (1 - i), d_c * states[1] * f * (1 - f), d_c * i * (1 - g**2), d_h * np.tanh(c) * o * (1 - o)]
    d_sums = np.concatenate(gates, 1)
    return d_sums, d_sums, [0, d_c * f]


def gru_step(from_inputs, from_state, states):
    (x_z, x_r, x_n), (h_z, h_r, h_n) = np.split(from_inputs, 3, axis=1), np.split(from_state, 3, axis=1)
    z, r = sigmoid(x_z + h_z), sigmoid(x_r + h_r)
    n = np.tanh(x_n + r * h_n)
    return [z * states[0] + (1 - z) * n], (z, r, n, h_n)


def gru_step_back(d_states, activations, states):
    z, r, n, h_n = activations
    (d_h,) = d_states
    d_n = d_h * (1 - z) * (1 - n**2)
    d_z, d_r = d_h * (states[0] - n) * z * (1 - z), d_n * h_n * r * (1 - r)
    return np.concatenate([d_z, d_r, d_n], 1), np.concatenate([d_z, d_r, d_n * r], 1), [d_h * z]


STEPS = {
    "simple_rnn": (simple_rnn_step, simple_rnn_step_back),
    "lstm": (lstm_step, lstm_step_back),
    "gru": (gru_step, gru_step_back),
}


class Weights(NamedTuple):
    """kernel `(features, columns)`, recurrent_kernel `(units, columns)`, biases: one, or for a GRU two `(columns,)`."""

    kernel: np.ndarray
    recurrent_kernel: np.ndarray
    biases: list


class Forward(NamedTuple):
    """outputs `(batch, time, units)`, last states, and what `backward` needs of each step, in the order of the loop."""

    outputs: np.ndarray
    last_states: list
    steps: list


class Backward(NamedTuple):
    d_inputs: np.ndarray
    d_weights: Weights
    d_initial_states: list


def _float64(inputs, weights):
    kernel, recurrent_kernel, biases = weights
    arrays = [np.asarray(array, "float64") for array in (inputs, kernel, recurrent_kernel, *biases)]
    return arrays[0], Weights(*arrays[1:3], arrays[3:])


def forward(
    kind, inputs, weights, initial_states, mask=None, go_backwards=False, zero_output_for_mask=False
) -> Forward:
    """The forward kernel: `inputs` `(batch, time, features)`, initial states `(batch, units)`, mask `(batch, time)`."""
    inputs, weights = _float64(inputs, weights)
    batch, time, _ = inputs.shape
    mask = np.ones((batch, time), bool) if mask is None else mask
    states, steps = [np.asarray(state, "float64") for state in initial_states], []
    outputs = np.zeros((batch, time, weights.recurrent_kernel.shape[0]))
    output = np.zeros_like(states[0])
    for t in range(time)[::-1] if go_backwards else range(time):
        from_inputs = inputs[:, t] @ weights.kernel + weights.biases[0]
        from_state = states[0] @ weights.recurrent_kernel + sum(weights.biases[1:])
        new_states, activations = STEPS[kind][0](from_inputs, from_state, states)
        steps.append((t, states, activations))
        is_unmasked = mask[:, t, np.newaxis]
        output = np.where(is_unmasked, new_states[0], 0 if zero_output_for_mask else output)
        states = [np.where(is_unmasked, *pair) for pair in zip(new_states, states, strict=True)]
        outputs[:, t] = output
    return Forward(outputs, states, steps)


def backward(
    kind, inputs, weights, result: Forward, d_outputs, d_last_states, mask=None, zero_output_for_mask=False
) -> Backward:
    """The backward kernel: the gradients of all arguments of `forward`, whose `result` is given."""
    inputs, weights = _float64(inputs, weights)
    d_inputs = np.zeros(inputs.shape)
    d_weights = Weights(*(np.zeros(w.shape) for w in weights[:2]), [np.zeros(bias.shape) for bias in weights.biases])
    d_states, d_repeated = [np.asarray(d, "float64") for d in d_last_states], 0.0
    for t, states, activations in reversed(result.steps):
        is_unmasked = np.ones((len(inputs), 1), bool) if mask is None else mask[:, t, np.newaxis]
        d_output = d_outputs[:, t] + d_repeated
        d_repeated = np.where(is_unmasked | zero_output_for_mask, 0, d_output)
        d_new = [np.where(is_unmasked, d, 0) for d in d_states]
        d_new[0] = d_new[0] + np.where(is_unmasked, d_output, 0)
        d_from_inputs, d_from_state, d_direct = STEPS[kind][1](d_new, activations, states)
        d_inputs[:, t] = d_from_inputs @ weights.kernel.T
        d_weights.kernel[...] += inputs[:, t].T @ d_from_inputs
        d_weights.recurrent_kernel[...] += states[0].T @ d_from_state
        for d_bias, d in zip(d_weights.biases, (d_from_inputs, d_from_state), strict=False):
            d_bias += d.sum(0)
        d_states = [np.where(is_unmasked, 0, d) + direct for d, direct in zip(d_states, d_direct, strict=True)]
        d_states[0] = d_states[0] + d_from_state @ weights.recurrent_kernel.T
    return Backward(d_inputs, d_weights, d_states)


def pack(matrix, gates, width):
    """`(panels, rows, gates, width)`: a panel has `width` units of each gate of `matrix` `(rows, gates * units)`."""
    rows, units = len(matrix), matrix.shape[1] // gates
    panels = -(-units // width)
    padded = np.zeros((rows, gates, panels * width))
    padded[:, :, :units] = matrix.reshape(rows, gates, units)
    return padded.reshape(rows, gates, panels, width).transpose(2, 0, 1, 3)


def matmul(left, right, addend=0):
    return addend + left.astype("float64") @ right


def add_transposed_matmul(left, right, addend):
    return addend + left.astype("float64").T @ right


def add_rows(values, indices, sums):
    sums = sums.astype("float64")
    for value, index in zip(values, indices, strict=True):
        sums[index] += value
    return sums


def sort_steps(indices, count):
    """`ends` `(count,)` and `steps`: the steps of index i are steps[ends[i - 1] : ends[i]], in their order."""
    steps = [[step for step, index in enumerate(indices) if index == i] for i in range(count)]
    return np.cumsum([len(each) for each in steps]), np.array([step for each in steps for step in each], int)


def sum_steps(values, steps, ends, begin, end):
    """For each index from `begin` to `end` the sum of the values of its steps."""
    starts = [0, *ends[:-1]]
    return np.array([values[steps[starts[i] : ends[i]]].astype("float64").sum(0) for i in range(begin, end)])


def distinct_gradients(inputs, indices, kernels, d_products):
    """The gradients of `inputs` `(distinct, features)` and of kernels, where a step takes inputs[index] @ kernel."""
    d_inputs, d_kernels = np.zeros(inputs.shape), []
    for kernel, d_product in zip(kernels, d_products, strict=True):
        d_rows, zeros = d_product.reshape(-1, kernel.shape[1]), np.zeros((len(inputs), kernel.shape[1]))
        sums = add_rows(d_rows, indices.ravel(), zeros)
        d_inputs += sums @ kernel.T
        d_kernels.append(inputs.T @ sums)
    return d_inputs, d_kernels


def add_squares(values, sums):
    """The squares of the values, added to `sums` in turn."""
    sums = sums.astype("float64")
    for n, value in enumerate(values):
        sums[n % len(sums)] += float(value) ** 2
    return sums


class Scalars(NamedTuple):
    """The scalars of Adam's kernels, in their order."""

    one_minus_beta_1: float
    one_minus_beta_2: float
    learning_rate: float
    epsilon: float
    row_learning_rate: float
    scale: float = 1.0


def adam(scalars: Scalars, gradient, m, v, weights):
    gradient = scalars.scale * gradient.astype("float64")
    m = m + scalars.one_minus_beta_1 * (gradient - m)
    v = v + scalars.one_minus_beta_2 * (gradient**2 - v)
    return m, v, weights - scalars.learning_rate * m / (np.sqrt(v) + scalars.epsilon)


def adam_rows(scalars: Scalars, gradient, v, weights, decay):
    gradient = scalars.scale * gradient.astype("float64")
    v = v * decay.reshape(-1, *[1] * (v.ndim - 1))
    v = v + scalars.one_minus_beta_2 * (gradient**2 - v)
    return v, weights - scalars.row_learning_rate * gradient / (np.sqrt(v) + scalars.epsilon)

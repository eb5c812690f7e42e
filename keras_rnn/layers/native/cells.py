"""The equations of SimpleRNN, LSTM and GRU and of their gradients, on vectors of units.

Gates come in the order of keras.layers. `d_x` is the gradient of the loss with respect to x, and x' is x at the step
before. The sums of a cell are what it adds up for each unit: products of the inputs, products of h', and biases.
"""

from collections.abc import Callable
from dataclasses import dataclass


@dataclass(frozen=True)
class Cell:
    """How a cell gets from sums to states, and from gradients of states to gradients of sums.

    Attributes:
        name: the cell's name in CELLS.
        from_inputs: for each gate of the kernel, the number of the sum that its product is added to.
        from_state: for each gate of the recurrent kernel, the number of the sum that its product is added to.
        states: how many states there are: h, or h and c.
        activations: how many vectors `forward` saves for `backward`.
        forward(code, sums, states_before): returns the states and the saved activations.
        backward(code, d_states, activations, states_before, states_after): returns d_sums, and for each state the part
            of its gradient before the step that does not pass through sums, None for no such part.
    """

    name: str
    from_inputs: tuple[int, ...]
    from_state: tuple[int, ...]
    states: int
    activations: int
    forward: Callable
    backward: Callable

    @property
    def gates(self) -> int:
        return len(self.from_inputs)

    @property
    def has_separate_sums(self) -> bool:
        """Whether a gate adds its two products to different sums, whose gradients then differ."""
        return self.from_inputs != self.from_state

    @property
    def workspace(self) -> int:
        """Vectors of memory for each unit and step: first the gates' products of the inputs, then the activations."""
        return max(self.gates, self.activations)

    @property
    def sums(self) -> int:
        return max(self.from_inputs + self.from_state) + 1


def _simple_rnn_forward(code, sums, states_before):
    """h = tanh(sum)."""
    return [code.tanh(sums[0])], []


def _simple_rnn_backward(code, d_states, activations, states_before, states_after):
    (d_h,), (h,) = d_states, states_after
    return [code.fmul(d_h, code.one_minus(code.fmul(h, h)))], [None]


def _lstm_forward(code, sums, states_before):
    """i, f, o = sigmoid(sums), g = tanh(sum), c = f c' + i g, h = o tanh(c)."""
    i, f, o = (code.sigmoid(sums[n]) for n in (0, 1, 3))
    g = code.tanh(sums[2])
    c = code.fma(f, states_before[1], code.fmul(i, g))
    return [code.fmul(o, code.tanh(c)), c], [i, f, g, o]


def _lstm_backward(code, d_states, activations, states_before, states_after):
    i, f, g, o = activations
    d_h, d_c = d_states
    tanh_c = code.tanh(states_after[1])
    d_c = code.fma(code.fmul(d_h, o), code.one_minus(code.fmul(tanh_c, tanh_c)), d_c)
    d_i = code.fmul(d_c, g, i, code.one_minus(i))
    d_f = code.fmul(d_c, states_before[1], f, code.one_minus(f))
    d_g = code.fmul(d_c, i, code.one_minus(code.fmul(g, g)))
    d_o = code.fmul(d_h, tanh_c, o, code.one_minus(o))
    return [d_i, d_f, d_g, d_o], [None, code.fmul(d_c, f)]


def _gru_forward(code, sums, states_before):
    """z, r = sigmoid(sums), n = tanh(sum of the inputs + r * sum of the state), h = n + z (h' - n)."""
    z, r = (code.sigmoid(sums[n]) for n in (0, 1))
    n = code.tanh(code.fma(r, sums[3], sums[2]))
    return [code.fma(z, code.fsub(states_before[0], n), n)], [z, r, n, sums[3]]


def _gru_backward(code, d_states, activations, states_before, states_after):
    z, r, n, from_state = activations
    (d_h,) = d_states
    d_z = code.fmul(d_h, code.fsub(states_before[0], n), z, code.one_minus(z))
    d_n = code.fmul(d_h, code.one_minus(z), code.one_minus(code.fmul(n, n)))
    d_r = code.fmul(d_n, from_state, r, code.one_minus(r))
    return [d_z, d_r, d_n, code.fmul(d_n, r)], [code.fmul(d_h, z)]


SIMPLE_RNN = Cell("simple_rnn", (0,), (0,), 1, 0, _simple_rnn_forward, _simple_rnn_backward)
LSTM = Cell("lstm", (0, 1, 2, 3), (0, 1, 2, 3), 2, 4, _lstm_forward, _lstm_backward)
GRU = Cell("gru", (0, 1, 2), (0, 1, 3), 1, 4, _gru_forward, _gru_backward)
CELLS = {cell.name: cell for cell in (SIMPLE_RNN, LSTM, GRU)}

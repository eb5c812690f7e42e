"""The equations of SimpleRNN, LSTM and GRU, and those of their gradients, for vectors of units.

Gates stand in the order of keras.layers. `d_x` is the gradient of the loss with respect to x, x' the x of the step
before. What a cell adds up for each unit, its sums, are products of the inputs and of the state before, and biases.
"""

from collections.abc import Callable
from dataclasses import dataclass


@dataclass(frozen=True)
class Cell:
    """How a cell goes on from sums to states, and back.

    Attributes:
        from_inputs: the sum that each gate of the kernel adds to.
        from_state: the sum that each gate of the recurrent kernel adds to.
        states: h, and c where there is one.
        saved: how many vectors `forward` keeps for `backward`.
        forward(code, sums, states before): the states, and what is kept.
        backward(code, d_states, kept, states before, states): d_sums, and the part of the d_states before that does
            not go through sums, None for no such part.
    """

    from_inputs: tuple[int, ...]
    from_state: tuple[int, ...]
    states: int
    saved: int
    forward: Callable
    backward: Callable

    @property
    def gates(self) -> int:
        return len(self.from_inputs)

    @property
    def apart(self) -> bool:
        """Whether a gate may add its two products to different sums, whose gradients then differ."""
        return self.from_inputs != self.from_state

    @property
    def kept(self) -> int:
        """Vectors in memory for each unit and step: at first what the inputs add to the sums, then what is saved."""
        return max(self.gates, self.saved)

    @property
    def sums(self) -> int:
        return max(self.from_inputs + self.from_state) + 1


def _simple_rnn_forward(code, sums, before):
    return [code.tanh(sums[0])], []


def _simple_rnn_backward(code, d_states, kept, before, after):
    (d_h,), (h,) = d_states, after
    return [code.times(d_h, code.one_minus(code.times(h, h)))], [None]


def _lstm_forward(code, sums, before):
    """i, f, o = sigmoid(sums), g = tanh(sum), c = f c' + i g, h = o tanh(c)."""
    i, f, o = (code.sigmoid(sums[n]) for n in (0, 1, 3))
    g = code.tanh(sums[2])
    c = code.times_plus(f, before[1], code.times(i, g))
    return [code.times(o, code.tanh(c)), c], [i, f, g, o]


def _lstm_backward(code, d_states, kept, before, after):
    i, f, g, o = kept
    d_h, d_c = d_states
    tanh_c = code.tanh(after[1])
    d_c = code.times_plus(code.times(d_h, o), code.one_minus(code.times(tanh_c, tanh_c)), d_c)
    d_i = code.times(d_c, g, i, code.one_minus(i))
    d_f = code.times(d_c, before[1], f, code.one_minus(f))
    d_g = code.times(d_c, i, code.one_minus(code.times(g, g)))
    d_o = code.times(d_h, tanh_c, o, code.one_minus(o))
    return [d_i, d_f, d_g, d_o], [None, code.times(d_c, f)]


def _gru_forward(code, sums, before):
    """z, r = sigmoid(sums), n = tanh(sum of the inputs + r sum of the state), h = n + z (h' - n)."""
    z, r = (code.sigmoid(sums[n]) for n in (0, 1))
    n = code.tanh(code.times_plus(r, sums[3], sums[2]))
    return [code.times_plus(z, code.minus(before[0], n), n)], [z, r, n, sums[3]]


def _gru_backward(code, d_states, kept, before, after):
    z, r, n, from_state = kept
    (d_h,) = d_states
    d_z = code.times(d_h, code.minus(before[0], n), z, code.one_minus(z))
    d_n = code.times(d_h, code.one_minus(z), code.one_minus(code.times(n, n)))
    d_r = code.times(d_n, from_state, r, code.one_minus(r))
    return [d_z, d_r, d_n, code.times(d_n, r)], [code.times(d_h, z)]


SIMPLE_RNN = Cell((0,), (0,), 1, 0, _simple_rnn_forward, _simple_rnn_backward)
LSTM = Cell((0, 1, 2, 3), (0, 1, 2, 3), 2, 4, _lstm_forward, _lstm_backward)
GRU = Cell((0, 1, 2), (0, 1, 3), 1, 4, _gru_forward, _gru_backward)
CELLS = {"simple_rnn": SIMPLE_RNN, "lstm": LSTM, "gru": GRU}

import numpy as np
import pytest
import tensorflow as tf
from hypothesis import given, settings
from hypothesis import strategies as st

from keras_rnn.layers import tf_cells
from keras_rnn.layers.native import kernels, memory, sequence
from keras_rnn.layers.native.machine import Machine

GATES = {"simple_rnn": 1, "gru": 3, "lstm": 4}


def arguments(name, time, batch, features, units, seed=0):
    rng = np.random.default_rng(seed)
    columns = GATES[name] * units
    shapes = [(time, batch, features), (features, columns), (units, columns), (columns,)]
    shapes += [(columns,)] * (name == "gru") + [(batch, units)] * (1 + (name == "lstm"))
    scale = 1 / np.sqrt(units + features)  # of a network that does not blow up what differs in the last digit
    return [tf.constant(rng.normal(0, scale, shape), tf.float32) for shape in shapes]


def run(function, given, *options):
    """The states of all steps, and the gradients of a function of them."""
    with tf.GradientTape() as tape:
        tape.watch(given)
        made = [states for states in tf.nest.flatten(function(*given, *options)) if states is not None]
        loss = sum(tf.reduce_sum(tf.sin(states) * (n + 1)) for n, states in enumerate(made))
    return [*made, *tape.gradient(loss, given)]


def assert_alike(found, expected):
    for a, b in zip(found, expected, strict=True):
        np.testing.assert_allclose(a, b, atol=1e-5 * max(1, np.abs(b).max()))


@settings(max_examples=25, deadline=None)
@given(
    name=st.sampled_from(sorted(GATES)),
    time=st.integers(1, 9),
    batch=st.integers(1, 30),
    features=st.integers(1, 40),
    units=st.sampled_from([1, 3, 8, 15, 16, 17, 24, 33, 64, 100]),
    return_cells=st.booleans(),
)
def test_all_sizes_are_alike_in_a_graph(name, time, batch, features, units, return_cells):
    given = arguments(name, time, batch, features, units)
    options = (return_cells,) if name == "lstm" else ()
    found = run(getattr(sequence, name), given, *options)
    assert_alike(found, run(getattr(tf_cells, name), given, *options, True))


@pytest.mark.parametrize("name", sorted(GATES))
@pytest.mark.parametrize("units", [5, 8, 21, 40])
def test_of_machines_with_narrower_vectors(name, units, monkeypatch):
    monkeypatch.setattr(kernels, "this_machine", lambda: Machine(8, (3, 2, 1)))
    kernels.kernels.cache_clear()
    given = arguments(name, 4, 8, 10, units)
    options = (True,) if name == "lstm" else ()
    found = run(getattr(sequence, name), given, *options)
    kernels.kernels.cache_clear()
    assert_alike(found, run(getattr(tf_cells, name), given, *options, True))


@pytest.mark.parametrize("name", sorted(GATES))
def test_threads_change_no_bit_of_a_state(name, monkeypatch):
    given = arguments(name, 6, 13, 7, 20)
    options = (True,) if name == "lstm" else ()
    alone = run(getattr(sequence, name), given, *options)
    monkeypatch.setattr(sequence, "_threads", lambda: 3)
    monkeypatch.setattr(sequence, "FLOPS_A_THREAD", 1)
    shared = [run(getattr(sequence, name), given, *options) for _ in range(2)]
    states = 2 if name == "lstm" else 1
    for a, b in zip(alone[:states], shared[0][:states], strict=True):
        np.testing.assert_array_equal(a, b)
    assert_alike(shared[0], alone)
    for a, b in zip(*shared, strict=True):
        np.testing.assert_array_equal(a, b)


@pytest.mark.parametrize("name", sorted(GATES))
def test_what_is_no_number_stays_none(name):
    inputs, *rest = arguments(name, 3, 2, 4, 5)
    inputs = tf.tensor_scatter_nd_update(inputs, [[1, 0, 2]], [np.nan])
    options = (False,) if name == "lstm" else ()
    states = getattr(sequence, name)(inputs, *rest, *options)
    h = (states[0] if name == "lstm" else states).numpy()
    assert np.isfinite(h[0]).all()
    assert np.isfinite(h[:, 1]).all()
    assert np.isnan(h[1:, 0]).all()


def test_saturated_gates():
    one = tf.ones((1, 1))
    inputs = tf.constant([[[1000.0]], [[-1000.0]]])
    h = sequence.simple_rnn(inputs, one, one * 0, one[0] * 0, one * 0)
    np.testing.assert_allclose(np.ravel(h), [1, -1], atol=1e-6)


def test_memory_is_used_again_when_nothing_uses_it(monkeypatch):
    monkeypatch.setattr(memory, "_memories", [])
    first = memory.empty(10, 3)
    address = first.ctypes.data
    assert first.shape == (10, 3)
    assert first.dtype == np.float32
    assert address % 64 == 0
    part = first[2:]
    del first
    assert memory.empty(10, 3).ctypes.data != address  # `part` uses it
    del part
    assert memory.empty(9, 3).ctypes.data == address
    assert len(memory._memories) == 2
    np.testing.assert_array_equal(memory.zeros(4), [0, 0, 0, 0])


def test_memory_kept_has_a_bound(monkeypatch):
    monkeypatch.setattr(memory, "_memories", [])
    monkeypatch.setattr(memory, "KEPT_BYTES", 3000)
    arrays = [memory.empty(200) for _ in range(5)]
    assert len({array.ctypes.data for array in arrays}) == 5
    assert sum(kept.nbytes for kept in memory._memories) <= 3000

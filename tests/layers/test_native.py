import numpy as np
import pytest
import tensorflow as tf
from hypothesis import given, settings
from hypothesis import strategies as st

from keras_rnn.layers import tf_cells
from keras_rnn.layers.native import (
    backward_kernel,
    forward_kernel,
    guards,
    kernels,
    memory,
    products,
    sequence,
    steps,
    threads,
)
from keras_rnn.layers.native.machine import Machine

GATES = {"simple_rnn": 1, "gru": 3, "lstm": 4}
LAYERS = {
    "name": st.sampled_from(sorted(GATES)),
    "time": st.integers(1, 9),
    "batch": st.integers(1, 30),
    "features": st.integers(1, 40),
    "units": st.sampled_from([1, 3, 8, 15, 16, 17, 24, 33, 64, 100]),
}


def arguments(name, time, batch, features, units, seed=0):
    """Inputs, kernels, biases and states."""
    rng = np.random.default_rng(seed)
    columns = GATES[name] * units
    shapes = [(batch, time, features), (features, columns), (units, columns), (columns,)]
    shapes += [(columns,)] * (name == "gru") + [(batch, units)] * (1 + (name == "lstm"))
    scale = 1 / np.sqrt(units + features)  # of a network that does not blow up what differs in the last digit
    return [tf.constant(rng.normal(0, scale, shape), tf.float32) for shape in shapes]


def direction(name, inputs, kernel, recurrent_kernel, *biases_and_states, go_backwards=False):
    biases, states = biases_and_states[: 1 + (name == "gru")], biases_and_states[1 + (name == "gru") :]
    return sequence.Direction(inputs, kernel, recurrent_kernel, biases, states, go_backwards)


def in_machine_code(name, *given, mask=None, go_backwards=False, **options):
    outputs, (states,) = sequence.sequence(name, mask, [direction(name, *given, go_backwards=go_backwards)], **options)
    return outputs, states


def in_graph(name, inputs, *rest):
    """The same without masks, forwards."""
    options = {"return_cells": True} if name == "lstm" else {}
    states = getattr(tf_cells, name)(tf.transpose(inputs, [1, 0, 2]), *rest, training=True, **options)
    return tf.transpose(states[0], [1, 0, 2]), [state[-1] for state in states]


def run(function, name, given, **options):
    """Outputs and last states, and the gradients of a function of them."""
    with tf.GradientTape() as tape:
        tape.watch(given)
        made = [tensor for tensor in tf.nest.flatten(function(name, *given, **options)) if tensor is not None]
        loss = sum(tf.reduce_sum(tf.sin(tensor) * (n + 1)) for n, tensor in enumerate(made))
    return [*made, *tape.gradient(loss, given)]


def assert_alike(found, expected):
    for a, b in zip(found, expected, strict=True):
        np.testing.assert_allclose(a, b, atol=1e-5 * max(1, np.abs(b).max()))


@settings(max_examples=25, deadline=None)
@given(**LAYERS)
def test_all_sizes_are_alike_in_a_graph(name, time, batch, features, units):
    given = arguments(name, time, batch, features, units)
    assert_alike(run(in_machine_code, name, given), run(in_graph, name, given))


@pytest.mark.parametrize("name", sorted(GATES))
def test_no_rows(name):
    outputs, *rest = run(in_machine_code, name, arguments(name, 3, 0, 4, 5))
    assert outputs.shape == (0, 3, 5)
    assert not any(np.any(array) for array in rest)


@pytest.mark.parametrize("name", sorted(GATES))
@pytest.mark.parametrize("cached", [0, 2**30])
def test_more_rows_than_a_call_takes(name, cached, monkeypatch):
    monkeypatch.setattr(threads, "CACHED_WEIGHTS", cached)
    given = arguments(name, 2, steps.MAX_ROWS + 3, 4, 5)
    assert_alike(run(in_machine_code, name, given), run(in_graph, name, given))


@pytest.mark.parametrize("name", sorted(GATES))
@pytest.mark.parametrize("units", [5, 8, 21, 40])
def test_of_machines_with_narrower_vectors(name, units, monkeypatch):
    for module in (steps, forward_kernel, backward_kernel, products):
        monkeypatch.setattr(module, "this_machine", lambda: Machine(8, (3, 2, 1)))
    kernels.kernels.cache_clear()
    products.products.cache_clear()
    given = arguments(name, 4, 8, 10, units)
    found = run(in_machine_code, name, given)
    kernels.kernels.cache_clear()
    products.products.cache_clear()
    assert_alike(found, run(in_graph, name, given))


@pytest.mark.parametrize("name", sorted(GATES))
@pytest.mark.parametrize("backwards", [False, True])
def test_a_masked_row_is_the_row_of_its_real_steps(name, backwards):
    """Which is another call, of fewer steps and without a mask."""
    inputs, *rest = arguments(name, 7, 1, 4, 5)
    mask = np.array([[False, True, True, False, False, True, False]])
    real = tf.boolean_mask(inputs[0], mask[0])[tf.newaxis]
    for zeros in (False, True):
        options = {"go_backwards": backwards, "zero_output_for_mask": zeros}
        outputs, states = in_machine_code(name, inputs, *rest, mask=tf.constant(mask), **options)
        expected, expected_states = in_machine_code(name, real, *rest, **options)
        first, second, third = expected[0].numpy()
        nothing = 0 * first
        held = [nothing, first, second, nothing, nothing, third, nothing]
        if not zeros:
            held = [nothing, first, second, second, second, third, third]
        if backwards:  # first to third is now the order of the inputs, in which the third was gone through first
            held = [nothing, first, second, nothing, nothing, third, nothing]
            if not zeros:
                held = [first, first, second, third, third, third, nothing]
        np.testing.assert_allclose(outputs[0], held, atol=1e-6)
        for state, other in zip(states, expected_states, strict=True):
            np.testing.assert_allclose(state, other, atol=1e-6)


@pytest.mark.parametrize("name", sorted(GATES))
@pytest.mark.parametrize("one_input", [True, False])
def test_directions_side_by_side_are_each_alone(name, one_input):
    given = [arguments(name, 5, 3, 4, 6, seed) for seed in (1, 2, 3)]
    if one_input:
        given = [[given[0][0], *rest] for _, *rest in given]
    mask = tf.constant(np.random.default_rng(0).random((3, 5)) < 0.7)
    backwards = [False, True, True]

    def each(flat):
        return zip([flat[n : n + len(given[0])] for n in range(0, len(flat), len(given[0]))], backwards, strict=True)

    def together(*flat):
        directions = [direction(name, *of, go_backwards=back) for of, back in each(flat)]
        outputs, states = sequence.sequence(name, mask, directions)
        return [outputs, *states]

    def apart(*flat):
        made = [in_machine_code(name, *of, mask=mask, go_backwards=back) for of, back in each(flat)]
        return [tf.concat([outputs for outputs, _ in made], 2), *(states for _, states in made)]

    flat = [tensor for of in given for tensor in of]
    found, expected = (run(lambda _, *flat, way=way: way(*flat), name, flat) for way in (together, apart))
    assert_alike(found, expected)


@pytest.mark.parametrize("name", sorted(GATES))
def test_threads_change_no_bit_of_a_state(name, monkeypatch):
    given = arguments(name, 6, 13, 7, 20)
    in_one = run(in_machine_code, name, given)
    monkeypatch.setattr(threads, "_thread_count", lambda: 3)
    monkeypatch.setattr(threads, "FLOPS_A_THREAD", 1)
    monkeypatch.setattr(threads, "CACHED_ROWS", 4)
    threads._task_queue.cache_clear()
    shared = [run(in_machine_code, name, given) for _ in range(2)]
    threads._task_queue.cache_clear()
    states = 3 if name == "lstm" else 2
    for a, b in zip(in_one[:states], shared[0][:states], strict=True):
        np.testing.assert_array_equal(a, b)
    assert_alike(shared[0], in_one)
    for a, b in zip(*shared, strict=True):
        np.testing.assert_array_equal(a, b)


@pytest.mark.parametrize(
    ("time", "weights", "rows"),
    [(0, 1, 14), (10, 1, 14), (100, 1, 10), (250, 1, 4), (10_000, 1, 4), (250, threads.CACHED_WEIGHTS + 1, 40)],
)
def test_rows_at_a_time_are_few_where_they_are_long_unless_the_weights_are_large(time, weights, rows):
    expected = [(begin, min(begin + rows, 40)) for begin in range(0, 40, rows)]
    assert threads.parallel_rows(lambda chunks: chunks, 40, time, flops_per_row=0, weights=weights) == [expected]


@pytest.mark.parametrize(
    ("work", "parts"),
    [
        ([], [(0, 0)]),
        ([5], [(0, 1)]),
        ([1, 2, 3, 4, 5, 6], [(0, 2), (2, 4), (4, 6)]),
        ([5, 6, 7, 8, 9, 10], [(0, 2), (2, 6)]),
        ([100, 101], [(0, 2)]),
    ],
)
def test_parts_have_as_much_work_each_and_none_is_empty(work, parts, monkeypatch):
    monkeypatch.setattr(threads, "_thread_count", lambda: 3)
    threads._task_queue.cache_clear()
    found = threads.parallel_for(lambda *part: part, np.array(work), flops=threads.FLOPS_A_THREAD)
    threads._task_queue.cache_clear()
    assert found == parts


def test_what_a_part_raises_is_raised_when_all_have_ended(monkeypatch):
    monkeypatch.setattr(threads, "_thread_count", lambda: 2)
    ended = []

    def run(begin, end):
        ended.append(begin)
        if begin:
            raise ZeroDivisionError("of the second part")

    with pytest.raises(ZeroDivisionError, match="of the second part"):
        threads.parallel_for(run, np.arange(1, 3), flops=threads.FLOPS_A_THREAD)
    assert sorted(ended) == [0, 1]


@pytest.mark.parametrize("name", sorted(GATES))
def test_what_is_no_number_stays_none(name):
    inputs, *rest = arguments(name, 3, 2, 4, 5)
    inputs = tf.tensor_scatter_nd_update(inputs, [[0, 1, 2]], [np.nan])
    h = in_machine_code(name, inputs, *rest)[0].numpy()
    assert np.isfinite(h[:, 0]).all()
    assert np.isfinite(h[1]).all()
    assert np.isnan(h[0, 1:]).all()


def test_saturated_gates():
    one = tf.ones((1, 1))
    inputs = tf.constant([[[1000.0], [-1000.0]]])
    h, _ = in_machine_code("simple_rnn", inputs, one, one * 0, one[0] * 0, one * 0)
    np.testing.assert_allclose(np.ravel(h), [1, -1], atol=1e-6)


@pytest.mark.parametrize(
    ("bias", "h", "slope"),
    [(20.0, 1.0, 0.0), (-20.0, -1.0, 0.0), (1e5, 1.0, 0.0), (1e25, 1.0, 0.0), (1.0, 0.761594, 0.419974)],
)
def test_the_slope_of_a_saturated_unit(bias, h, slope):
    """1 - tanh(bias)^2, as a float32 has it."""
    given = [*arguments("simple_rnn", 1, 1, 1, 1)[:3], tf.constant([bias]), tf.zeros((1, 1))]
    given[1:3] = [tf.zeros((1, 1))] * 2
    with tf.GradientTape() as tape:
        tape.watch(given)
        outputs, _ = in_machine_code("simple_rnn", *given)
    np.testing.assert_allclose(outputs[0, 0], [h], rtol=1e-5)
    np.testing.assert_allclose(tape.gradient(outputs, given[3]), [slope], rtol=1e-5, atol=0)


def test_a_closed_gate_has_all_its_digits():
    """An input gate of sigmoid(-20) = 2.0611536e-9, and its slope, which 1 - x would leave none of."""
    bias = tf.constant([-20.0, 0.0, 1.0, 100.0])
    zeros = [tf.zeros(shape) for shape in [(1, 1, 1), (1, 4), (1, 4)]]
    given = [*zeros, bias, tf.zeros((1, 1)), tf.zeros((1, 1))]
    with tf.GradientTape() as tape:
        tape.watch(given)
        _, states = in_machine_code("lstm", *given)
    expected = 2.0611536e-9 * np.tanh(1.0)
    np.testing.assert_allclose(states[1], [[expected]], rtol=1e-5)
    np.testing.assert_allclose(tape.gradient(states[1], given[3])[0], expected, rtol=1e-5)


@pytest.mark.parametrize("name", sorted(GATES))
@pytest.mark.parametrize("indexed", [False, True])
def test_what_tensorflow_sees_is_written_whole(name, indexed, monkeypatch):
    """Where memory was full of NaN before: of masked steps, and what fills up a line. It may look at all there is."""
    allocate, in_process, seen = memory._allocate_packed, sequence.in_process, []

    def allocate_nan(shapes):
        buffer = allocate(shapes)
        buffer.lines[...] = np.nan
        return buffer

    def in_process_seen(*args):
        seen.extend(in_process(*args))
        return seen[-len(args[-1]) :]

    monkeypatch.setattr(memory, "_allocate_packed", allocate_nan)
    monkeypatch.setattr(sequence, "in_process", in_process_seen)
    inputs, *rest = arguments(name, 5, 3, 4, 7)
    given = [inputs[0] if indexed else inputs, *rest]
    mask = tf.constant([[True] * 5, [False] * 5, [False, True, False, True, False]])
    indices = tf.constant([[0, 1, 2, 2, 1]] * 3, tf.int32) if indexed else None
    run(in_machine_code, name, given, mask=mask, indices=indices)
    assert len(seen) == 6
    for tensor in seen:
        assert np.isfinite(tensor).all()


@pytest.fixture
def pool(monkeypatch):
    """An empty one, that small arrays are of, too."""
    if guards.ENABLED:
        pytest.skip("arrays between guards are of no pool")
    monkeypatch.setattr(memory, "_pool", [])
    monkeypatch.setattr(memory, "SMALL_BYTES", 0)
    return monkeypatch


def test_memory_is_used_again_when_nothing_uses_it(pool):
    first, second = memory.allocate((10, 3), (2,))
    address = first.ctypes.data
    assert (first.shape, second.shape) == ((10, 3), (2,))
    assert first.dtype == second.dtype == np.float32
    assert address % 64 == second.ctypes.data % 64 == 0
    first[...], second[...] = 1, 2
    assert first.min() == 1  # they do not overlap
    del first
    assert memory.allocate((10, 3), (2,))[0].ctypes.data != address  # `second` uses it
    del second
    assert memory.allocate((9, 3), (2,))[0].ctypes.data == address
    assert len(memory._pool) == 2


def test_memory_that_was_a_little_too_small_makes_room(pool):
    for rows in (100, 10, 120, 150, 110):
        memory.allocate((rows, 64))
    assert sorted(kept.memory.nbytes // 256 for kept in memory._pool) == [10, 150]
    used = memory.allocate((150, 64))
    memory.allocate((200, 64))
    assert sorted(kept.memory.nbytes // 256 for kept in memory._pool) == [10, 150, 200]
    assert used[0].shape == (150, 64)


def test_memory_kept_has_a_bound(pool):
    pool.setattr(memory, "POOL_BYTES", 3000)
    arrays = [memory.allocate((200,))[0] for _ in range(5)]
    assert len({array.ctypes.data for array in arrays}) == 5
    assert sum(kept.memory.nbytes for kept in memory._pool) <= 3000


def test_memory_that_is_not_used_again_is_given_back(pool):
    pool.setattr(memory, "POOL_AGE", 10)
    held = memory.allocate((1000,))
    memory.allocate((10,))
    for _ in range(20):
        memory.allocate((100,))
    assert sorted(kept.memory.nbytes // 400 for kept in memory._pool) == [1, 10]  # one is in use
    held.clear()
    for _ in range(20):
        memory.allocate((100,))
    assert [kept.memory.nbytes // 400 for kept in memory._pool] == [1]


def in_places(name, vectors, *rest, indices, go_backwards=False, **options):
    """Outputs and states of a layer each of whose steps takes one of the `vectors` `(distinct, features)`."""
    of = direction(name, vectors, *rest, go_backwards=go_backwards)
    outputs, (states,) = sequence.sequence(name, options.pop("mask", None), [of], indices=indices, **options)
    return outputs, states


@settings(max_examples=25, deadline=None)
@given(
    **LAYERS,
    distinct=st.integers(1, 300),
    masked=st.booleans(),
    go_backwards=st.booleans(),
)
def test_distinct_inputs_are_the_inputs_they_stand_for(
    name, time, batch, features, units, distinct, masked, go_backwards
):
    rng = np.random.default_rng(distinct)
    vectors = tf.constant(rng.normal(0, 1 / np.sqrt(units + features), (distinct, features)), tf.float32)
    places = tf.constant(rng.integers(0, distinct, (batch, time)), tf.int32)
    given = [vectors, *arguments(name, time, batch, features, units)[1:]]
    mask = tf.constant(rng.random((batch, time)) < 0.7) if masked else None
    options = {"mask": mask, "go_backwards": go_backwards}

    def apart(name, vectors, *rest, **options):
        return in_machine_code(name, tf.gather(vectors, places), *rest, **options)

    found = run(in_places, name, given, indices=places, **options)
    expected = run(apart, name, given, **options)
    assert_alike(found, [tf.convert_to_tensor(array) for array in expected])


@pytest.mark.parametrize("name", sorted(GATES))
def test_two_directions_of_distinct_inputs_among_several_threads(name, monkeypatch):
    monkeypatch.setattr(threads, "_thread_count", lambda: 3)
    monkeypatch.setattr(threads, "FLOPS_A_THREAD", 1)
    threads._task_queue.cache_clear()
    vectors, *first = arguments(name, 6, 13, 7, 20, seed=1)
    second = arguments(name, 6, 13, 7, 20, seed=2)[1:]
    vectors = tf.reshape(vectors, (-1, 7))[:40]
    places = tf.constant(np.random.default_rng(0).integers(0, 40, (13, 6)), tf.int32)

    def both(places, vectors, *flat):
        each = flat[: len(first)], flat[len(first) :]
        directions = [direction(name, vectors, *of, go_backwards=n == 1) for n, of in enumerate(each)]
        return sequence.sequence(name, None, directions, indices=places)

    def apart(_, vectors, *flat):
        return both(None, tf.gather(vectors, places), *flat)

    given = [vectors, *first, *second]
    shared = [run(both, places, given) for _ in range(2)]
    expected = run(apart, None, given)
    threads._task_queue.cache_clear()
    assert_alike(shared[0], [tf.convert_to_tensor(array) for array in expected])
    for a, b in zip(*shared, strict=True):
        np.testing.assert_array_equal(a, b)


def test_no_rows_of_distinct_inputs():
    given = [tf.ones((2, 4)), *arguments("lstm", 3, 0, 4, 5)[1:]]
    outputs, *others = run(in_places, "lstm", given, indices=tf.zeros((0, 3), tf.int32))
    assert outputs.shape == (0, 3, 5)
    assert not any(np.any(array) for array in others)


@pytest.mark.parametrize(("part", "name"), [(0, "inputs"), (4, "initial_state")])
def test_rows_that_are_not_as_many_are_named(part, name):
    given = arguments("simple_rnn", 3, 4, 2, 5)
    given[part] = given[part][:3]
    with pytest.raises(ValueError, match=f"{name} has to be float32"):
        in_machine_code("simple_rnn", *given)

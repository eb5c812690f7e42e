"""How work is divided among threads."""

import numpy as np
import pytest

from keras_rnn.layers.native import threads
from tests.layers.native_layers import KINDS, assert_alike, in_machine_code, layer_arrays, with_gradients


@pytest.mark.parametrize("kind", KINDS)
def test_threads_change_no_bit_of_a_state(kind, monkeypatch):
    arrays = layer_arrays(kind, 6, 13, 7, 20)
    single_thread_results = with_gradients(in_machine_code, kind, arrays)
    monkeypatch.setattr(threads, "_thread_count", lambda: 3)
    monkeypatch.setattr(threads, "FLOPS_A_THREAD", 1)
    monkeypatch.setattr(threads, "CACHED_ROWS", 4)
    threads._task_queue.cache_clear()
    multi_thread_results = [with_gradients(in_machine_code, kind, arrays) for _ in range(2)]
    threads._task_queue.cache_clear()
    states = 3 if kind == "lstm" else 2
    for a, b in zip(single_thread_results[:states], multi_thread_results[0][:states], strict=True):
        np.testing.assert_array_equal(a, b)
    assert_alike(multi_thread_results[0], single_thread_results)
    for a, b in zip(*multi_thread_results, strict=True):
        np.testing.assert_array_equal(a, b)


@pytest.mark.parametrize(
    ("time", "weights", "rows"),
    [(0, 1, 14), (10, 1, 14), (100, 1, 10), (250, 1, 4), (10_000, 1, 4), (250, threads.CACHED_WEIGHTS + 1, 40)],
)
def test_chunks_of_long_rows_are_small_unless_the_weights_are_large(time, weights, rows):
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
def test_parts_have_about_equal_work_and_none_is_empty(work, parts, monkeypatch):
    monkeypatch.setattr(threads, "_thread_count", lambda: 3)
    threads._task_queue.cache_clear()
    actual = threads.parallel_for(lambda *part: part, np.array(work), flops=threads.FLOPS_A_THREAD)
    threads._task_queue.cache_clear()
    assert actual == parts


def test_an_error_of_a_part_is_raised_when_all_parts_have_ended(monkeypatch):
    monkeypatch.setattr(threads, "_thread_count", lambda: 2)
    finished = []

    def run(begin, end):
        finished.append(begin)
        if begin:
            raise ZeroDivisionError("of the second part")

    with pytest.raises(ZeroDivisionError, match="of the second part"):
        threads.parallel_for(run, np.arange(1, 3), flops=threads.FLOPS_A_THREAD)
    assert sorted(finished) == [0, 1]

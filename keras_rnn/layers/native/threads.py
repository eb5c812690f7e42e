"""The rows of a batch, shared out among threads."""

import os
from collections import deque
from collections.abc import Callable
from concurrent.futures import Future, ThreadPoolExecutor
from functools import cache

import tensorflow as tf

from keras_rnn.layers.native.kernels import MOST_ROWS

FLOPS_A_THREAD = 2e7  # below so many, some 0.2 ms, another thread costs more than it saves
# As long as the weights are in the cache: so few rows at a time that what a step leaves for the next stays there, and
# so few steps of all of them that most of what is made of the inputs does, until the loop comes to it.
CACHED_ROWS = 18
CACHED_STEPS = 1_000
LEAST_ROWS = 4  # fewer would read the weights too often
CACHED_WEIGHTS = 2**18  # numbers

_waiting: deque[Callable[[], None]] = deque()  # what no thread has begun, of all layers that run


def over_rows(run: Callable, batch: int, time: int, flops_a_row: float, weights: int) -> list:
    """What `run(begin, end)` returns for rows that follow each other, on all threads where that pays.

    This thread is one of them. Where TensorFlow runs several layers at the same time, whichever is ready helps others.

    Args:
        run: other threads call it, too.
        batch: rows.
        time: steps of a row.
        flops_a_row: of `run`.
        weights: numbers that each step of a loop multiplies by.
    """
    if not batch:
        return [run(0, 0)]
    threads = _threads()
    parts = int(max(1, min(threads, batch, batch * flops_a_row // FLOPS_A_THREAD)))
    most = MOST_ROWS
    if weights <= CACHED_WEIGHTS:
        most = max(LEAST_ROWS, min(CACHED_ROWS, CACHED_STEPS // max(1, time)))
    count = -(-batch // (most * parts)) * parts  # each thread has as many
    size = -(-batch // count)
    chunks = [(begin, min(begin + size, batch)) for begin in range(0, batch, size)]
    if parts == 1:
        return [run(*rows) for rows in chunks]
    results = [Future() for _ in chunks]
    for result, rows in zip(results, chunks, strict=True):
        _waiting.append(lambda result=result, rows=rows: _settle(result, run, rows))
    for _ in range(min(threads, len(chunks)) - 1):
        _pool(os.getpid()).submit(_work)
    _work()
    return [result.result() for result in results]


def _work() -> None:
    """Does what is waiting, until nothing is."""
    while True:
        try:
            task = _waiting.popleft()
        except IndexError:
            return
        task()


def _settle(result: Future, run: Callable, rows: tuple[int, int]) -> None:
    try:
        result.set_result(run(*rows))
    except BaseException as error:
        result.set_exception(error)


@cache  # TensorFlow takes 0.1 ms to say so, and another number only before it has run anything
def _threads() -> int:
    return tf.config.threading.get_intra_op_parallelism_threads() or os.cpu_count() or 1


@cache
def _pool(process: int) -> ThreadPoolExecutor:  # a fork has no threads of its parent
    return ThreadPoolExecutor(_threads(), thread_name_prefix="keras_rnn")

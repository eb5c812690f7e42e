"""The rows of a batch, shared out among threads."""

import os
import threading
from collections.abc import Callable
from functools import cache
from itertools import pairwise
from queue import Empty, SimpleQueue

import numpy as np
import tensorflow as tf

from keras_rnn.layers.native.kernels import MOST_ROWS

FLOPS_A_THREAD = 2e7  # below so many, some 0.2 ms, another thread costs more than it saves
# As long as the weights are in the cache: so few rows at a time that what a step leaves for the next stays there, and
# so few steps of all of them that most of what is made of the inputs does, until the loop comes to it.
CACHED_ROWS = 18
CACHED_STEPS = 1_000
LEAST_ROWS = 4  # fewer would read the weights too often
CACHED_WEIGHTS = 2**18  # numbers


def over_rows(run: Callable, batch: int, time: int, flops_a_row: float, weights: int) -> list:
    """What `run(chunks)` returns for rows that follow each other, on all threads where that pays.

    Each thread's rows are one call, in chunks (begin, end), which are best gone through one after the other: so what
    the calls add up does not hang on who was quicker.

    Args:
        run: other threads call it, too.
        batch: rows.
        time: steps of a row.
        flops_a_row: of `run`.
        weights: numbers that each step of a loop multiplies by.
    """
    most = MOST_ROWS
    if weights <= CACHED_WEIGHTS:
        most = max(LEAST_ROWS, min(CACHED_ROWS, CACHED_STEPS // max(1, time)))

    def of_part(begin, end):
        count = max(1, -(-(end - begin) // most))
        size = max(1, -(-(end - begin) // count))
        return run([(first, min(first + size, end)) for first in range(begin, end, size)] or [(begin, end)])

    return in_parts(of_part, np.arange(1, batch + 1), flops_a_row)


def in_parts(run: Callable, work: np.ndarray, flops: float) -> list:
    """What `run(begin, end)` returns for parts of some items, on all threads where that pays, with as much work each.

    This thread is one of them. Where TensorFlow runs several layers at the same time, whichever is ready helps others.

    Args:
        run: other threads call it, too.
        work: of the items up to each one and with it.
        flops: of a unit of work.
    """
    if not len(work):
        return [run(0, 0)]
    threads = _threads()
    parts = int(max(1, min(threads, len(work), work[-1] * flops // FLOPS_A_THREAD)))
    if parts == 1:
        return [run(0, len(work))]
    between = np.searchsorted(work, [work[-1] * n / parts for n in range(1, parts)], "right").tolist()
    edges = sorted({0, *between, len(work)})  # an item that is most of the work leaves fewer parts
    parts = len(edges) - 1
    tasks, ends = _tasks(os.getpid()), SimpleQueue()
    for n, part in enumerate(pairwise(edges)):
        tasks.put((run, part, n, ends))
    _work(tasks.get_nowait)
    results: list = [None] * parts
    for _ in range(parts):
        n, results[n] = ends.get()
    for result in results:
        if isinstance(result, BaseException):
            raise result
    return results


def total(found: list) -> None:
    """Adds the arrays that each part has found up, in those of the first."""
    for to, *others in zip(*found, strict=True):
        for other in others:
            to += other


def _work(next_task: Callable) -> None:
    """Does what is waiting, until there is nothing."""
    while True:
        try:
            run, part, n, ends = next_task()
        except Empty:
            return
        try:
            result = run(*part)
        except BaseException as error:
            result = error
        ends.put((n, result))
        del run, result  # which hold memory


@cache  # TensorFlow takes 0.1 ms to say so, and another number only before it has run anything
def _threads() -> int:
    return tf.config.threading.get_intra_op_parallelism_threads() or os.cpu_count() or 1


@cache
def _tasks(process: int) -> SimpleQueue:  # a fork has no threads of its parent
    """What no thread has begun, of all layers that run; and threads that wait for it.

    A ThreadPoolExecutor takes 0.05 to 0.1 ms longer to hand a task over.
    """
    tasks = SimpleQueue()
    for n in range(_threads() - 1):
        threading.Thread(target=_work, args=[tasks.get], name=f"keras_rnn-{n}", daemon=True).start()
    return tasks

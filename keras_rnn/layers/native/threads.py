"""Parts of an operation's work on several threads."""

import os
import threading
from collections.abc import Callable
from functools import cache
from itertools import pairwise
from queue import Empty, SimpleQueue

import numpy as np
import tensorflow as tf

from keras_rnn.layers.native.steps import MAX_ROWS

FLOPS_A_THREAD = 2e7  # below so many, some 0.2 ms, another thread costs more than it saves
# Sizes of a chunk of rows while the weights are in the cache: few enough rows that the values which a step leaves for
# the next one stay in the cache, and few enough steps in all that most products of the inputs stay until they are read.
CACHED_ROWS = 18
CACHED_STEPS = 1_000
LEAST_ROWS = 4  # fewer would read the weights too often
CACHED_WEIGHTS = 2**18  # numbers


def parallel_rows(run: Callable, batch: int, time: int, flops_per_row: float, weights: int) -> list:
    """The results of `run(chunks)` for parts of the rows of a batch, on all threads where that pays.

    A part is one call with its rows in chunks (begin, end), which `run` goes through one after the other. Which rows
    make a part does not depend on the speed of the threads, so sums over parts are the same each time.

    Args:
        run: a function that several threads may call.
        batch: how many rows there are.
        time: steps of a row.
        flops_per_row: floating point operations of `run` for a row.
        weights: how many weights each step of a loop multiplies by.
    """
    chunk_rows = MAX_ROWS
    if weights <= CACHED_WEIGHTS:
        chunk_rows = max(LEAST_ROWS, min(CACHED_ROWS, CACHED_STEPS // max(1, time)))

    def run_part(begin, end):
        count = max(1, -(-(end - begin) // chunk_rows))
        size = max(1, -(-(end - begin) // count))
        return run([(first, min(first + size, end)) for first in range(begin, end, size)] or [(begin, end)])

    return parallel_for(run_part, np.arange(1, batch + 1), flops_per_row)


def parallel_for(run: Callable, work: np.ndarray, flops: float) -> list:
    """The results of `run(begin, end)` for parts of some items with about equal work, on all threads where that pays.

    The calling thread is one of them. Where TensorFlow runs several layers at the same time, threads take parts of any.

    Args:
        run: a function that several threads may call.
        work: for each item the work of all items up to and including it.
        flops: floating point operations of one unit of work.

    Raises:
        Exception: whatever `run` raises, after all parts have ended.
    """
    if not len(work):
        return [run(0, 0)]
    threads = _thread_count()
    parts = int(max(1, min(threads, len(work), work[-1] * flops // FLOPS_A_THREAD)))
    if parts == 1:
        return [run(0, len(work))]
    inner_edges = np.searchsorted(work, [work[-1] * n / parts for n in range(1, parts)], "right").tolist()
    edges = sorted({0, *inner_edges, len(work)})  # fewer parts where one item is most of the work
    parts = len(edges) - 1
    tasks, answers = _task_queue(os.getpid()), SimpleQueue()
    for n, part in enumerate(pairwise(edges)):
        tasks.put((run, part, n, answers))
    _work(tasks.get_nowait)
    results: list = [None] * parts
    for _ in range(parts):
        n, results[n] = answers.get()
    for result in results:
        if isinstance(result, BaseException):
            raise result
    return results


def add_to_first(results: list) -> None:
    """Adds the arrays of all parts to the arrays of the first part."""
    for total, *others in zip(*results, strict=True):
        for other in others:
            total += other


def _work(next_task: Callable) -> None:
    """Runs tasks until `next_task` has none."""
    while True:
        try:
            run, part, n, answers = next_task()
        except Empty:
            return
        try:
            result = run(*part)
        except BaseException as error:
            result = error
        answers.put((n, result))
        del run, result  # which hold memory


@cache  # TensorFlow takes 0.1 ms to answer, and its answer cannot change once it has run an operation
def _thread_count() -> int:
    return tf.config.threading.get_intra_op_parallelism_threads() or os.cpu_count() or 1


@cache
def _task_queue(process: int) -> SimpleQueue:  # for each process, since a fork has no threads of its parent
    """Tasks of all layers that no thread has begun, and the threads that wait for them.

    A ThreadPoolExecutor takes 0.05 to 0.1 ms longer to hand over a task.
    """
    tasks = SimpleQueue()
    for n in range(_thread_count() - 1):
        threading.Thread(target=_work, args=[tasks.get], name=f"keras_rnn-{n}", daemon=True).start()
    return tasks

"""Samples a process' resident memory over time."""

import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager

INTERVAL_SECONDS = 0.2


@contextmanager
def sampled(resident_mib: Callable[[], float]) -> Iterator[list[float]]:
    """Yields a list that grows by a sample every INTERVAL_SECONDS, until the block ends."""
    samples, stop_event = [resident_mib()], threading.Event()

    def watch():
        while not stop_event.wait(INTERVAL_SECONDS):
            samples.append(resident_mib())

    watcher = threading.Thread(target=watch)
    watcher.start()
    try:
        yield samples
    finally:
        stop_event.set()
        watcher.join()

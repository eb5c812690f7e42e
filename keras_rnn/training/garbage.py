"""Python's search for garbage, which TensorFlow's imports make slow: 0.2 s whenever it looks through all objects."""

import gc
from collections.abc import Iterator
from contextlib import contextmanager


@contextmanager
def frozen_gc() -> Iterator[None]:
    """Meanwhile garbage is looked for only among objects that are made meanwhile; tracing a model makes many.

    Nothing changes where somebody else has frozen objects already: they could not be told apart in the end.
    """
    if gc.get_freeze_count():
        yield
        return
    gc.freeze()
    try:
        yield
    finally:
        gc.unfreeze()

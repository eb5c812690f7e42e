"""Python's search for garbage, which TensorFlow's imports make slow: 0.2 s whenever it looks through all objects."""

import gc
from collections.abc import Iterator
from contextlib import contextmanager


@contextmanager
def frozen_gc() -> Iterator[None]:
    """Python looks for garbage only among objects that are created within it; tracing a model creates many.

    It does nothing where a caller has frozen objects already: `gc.unfreeze` could not tell them apart.
    """
    if gc.get_freeze_count():
        yield
        return
    gc.freeze()
    try:
        yield
    finally:
        gc.unfreeze()

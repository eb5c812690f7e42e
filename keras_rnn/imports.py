"""Imports as large as TensorFlow's, without the garbage collector's part in them."""

import gc
from collections.abc import Iterator
from contextlib import contextmanager


@contextmanager
def lasting_imports() -> Iterator[None]:
    """Whatever is made within stays: the collector does not go through it, nor later, nor as Python ends."""
    gc.disable()
    try:
        yield
    finally:
        gc.freeze()
        gc.enable()

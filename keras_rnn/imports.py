"""Quicker imports of packages as large as TensorFlow."""

import gc
import sys
from collections.abc import Iterator
from contextlib import contextmanager


@contextmanager
def imports_without_gc() -> Iterator[None]:
    """Imports run without the garbage collector, which also skips their objects later."""
    gc.disable()
    try:
        yield
    finally:
        gc.freeze()
        gc.enable()


@contextmanager
def imports_without(*packages: str) -> Iterator[None]:
    """Imports run as if `packages` were not installed; packages that are imported already stay.

    Keras imports scikit-learn and Matplotlib, where they are installed, for its own wrappers and pictures.
    """
    hidden = [package for package in packages if package not in sys.modules]
    sys.modules.update(dict.fromkeys(hidden))  # type: ignore[arg-type]
    try:
        yield
    finally:
        for package in hidden:
            del sys.modules[package]

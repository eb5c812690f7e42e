"""Imports as large as TensorFlow's, made quicker."""

import gc
import sys
from collections.abc import Iterator
from contextlib import contextmanager


@contextmanager
def imports_without_gc() -> Iterator[None]:
    """Imports within it run without the garbage collector, which never looks through their objects later either."""
    gc.disable()
    try:
        yield
    finally:
        gc.freeze()
        gc.enable()


@contextmanager
def imports_without(*packages: str) -> Iterator[None]:
    """What is imported within does without `packages`, as if not installed; unless imported already.

    Keras imports scikit-learn and Matplotlib for wrappers and pictures of its own, where it finds them.
    """
    hidden = [package for package in packages if package not in sys.modules]
    sys.modules.update(dict.fromkeys(hidden))  # type: ignore[arg-type]
    try:
        yield
    finally:
        for package in hidden:
            del sys.modules[package]

"""Compilation once for all threads, and ahead of the first use.

LLVM takes some 0.2 s for a module, and releases Python's lock meanwhile, so that other threads run.
"""

import os
import threading
from collections.abc import Callable, Iterable
from contextlib import suppress
from functools import wraps

_compiling = threading.RLock()
# A child process has no thread that could finish a compilation of its parent, or release the lock.
os.register_at_fork(before=_compiling.acquire, after_in_parent=_compiling.release, after_in_child=_compiling.release)


def compiled_once(compile_code: Callable) -> Callable:
    """`functools.cache` for functions that compile: one thread compiles at a time, and the others wait for it."""
    results = {}

    @wraps(compile_code)
    def code(*args):
        if args not in results:
            with _compiling:
                if args not in results:
                    results[args] = compile_code(*args)
        return results[args]

    code.cache_clear = results.clear
    return code


def compile_ahead(functions: Iterable[Callable[[], object]]) -> threading.Thread:
    """Starts a thread that calls functions of `compiled_once`, and returns it.

    The thread suppresses errors: whoever calls the function again gets them.
    """

    def compile_all():
        for function in functions:
            with suppress(Exception):
                function()

    thread = threading.Thread(target=compile_all, name="keras_rnn compiling")
    thread.start()
    return thread

"""Code that is compiled once, whichever thread asks first, and may be asked for ahead of its time.

LLVM takes some 0.2 s for a module, and no other thread's turn: it lets go of Python's lock meanwhile.
"""

import os
import threading
from collections.abc import Callable, Iterable
from contextlib import suppress
from functools import wraps

_compiling = threading.RLock()
# A child has no thread that would go on with what its parent's had begun, nor let go of the lock.
os.register_at_fork(before=_compiling.acquire, after_in_parent=_compiling.release, after_in_child=_compiling.release)


def compiled_once(make: Callable) -> Callable:
    """`functools.cache` for functions that compile: in one thread at a time, and others wait for what is being made."""
    made = {}

    @wraps(make)
    def code(*of):
        if of not in made:
            with _compiling:
                if of not in made:
                    made[of] = make(*of)
        return made[of]

    code.cache_clear = made.clear
    return code


def compile_ahead(makes: Iterable[Callable[[], object]]) -> threading.Thread:
    """Calls functions of `compiled_once` in a thread, which it returns; what fails there fails for who needs it."""

    def compile_all():
        for make in makes:
            with suppress(Exception):
                make()

    thread = threading.Thread(target=compile_all, name="keras_rnn compiling")
    thread.start()
    return thread

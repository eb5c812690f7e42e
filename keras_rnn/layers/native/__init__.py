"""Training steps of recurrent layers and embeddings on a CPU, in machine code that LLVM compiles for this machine.

README.md of this folder describes files, memory layouts, functions and loops. `KERAS_RNN_NATIVE=0` in the environment,
or `set_enabled(False)`, switches machine code off.
"""

import os

_enabled = os.environ.get("KERAS_RNN_NATIVE", "1") not in ("", "0")


def is_enabled() -> bool:
    """Whether functions that are traced from now on may contain machine code."""
    return _enabled


def set_enabled(enabled: bool) -> None:
    """Allows machine code in functions that are traced from now on, or forbids it. Traced functions do not change."""
    global _enabled
    _enabled = bool(enabled)

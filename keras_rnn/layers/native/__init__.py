"""Training steps of recurrent layers and embeddings on a CPU, in machine code made for this machine by LLVM.

`code` writes LLVM's instructions, `kernels` with it the loops of a cell over a whole sequence, `machine` compiles
them, `products` are those of matrices, `distinct` those of inputs that come more than once, `threads` share out the
rows of a batch, `memory` is used again. `operation` makes operations of TensorFlow of it: a layer's, with gradients, in
`sequence`, sums of rows in `rows`, an optimizer's step in `adam`. Arrays reach machine code through `boundary` alone;
`guards` put pages around them that may not be touched.

`KERAS_RNN_NATIVE=0` in the environment, or `set_enabled(False)`, switches it off.
"""

import os

_enabled = os.environ.get("KERAS_RNN_NATIVE", "1") not in ("", "0")


def is_enabled() -> bool:
    """Whether functions that are traced from now on may hold machine code."""
    return _enabled


def set_enabled(enabled: bool) -> None:
    """Lets functions that are traced from now on hold machine code, or not; those traced before stay as they are."""
    global _enabled
    _enabled = bool(enabled)

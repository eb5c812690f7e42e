"""A debugging switch: `KERAS_RNN_NATIVE_IR=DIRECTORY` in the environment writes the LLVM IR of what is compiled there.

Each module has two files: `NAME.ll` is the code as it is written, and `NAME.optimized.ll` what LLVM compiles.
"""

import os
from pathlib import Path

from keras_rnn.errors import UsageError

VARIABLE = "KERAS_RNN_NATIVE_IR"


def write_ir(name: str, text: str) -> None:
    """Writes `text` to `name`.ll, if the switch is on; the directory is made if there is none.

    Raises:
        UsageError: the directory cannot be made or written.
    """
    directory = os.environ.get(VARIABLE)
    if not directory:
        return
    try:
        Path(directory).mkdir(parents=True, exist_ok=True)
        (Path(directory) / f"{name}.ll").write_text(text, encoding="utf-8")
    except OSError as error:
        raise UsageError(f"{VARIABLE} takes a directory to write to, got {directory!r}: {error.strerror}") from error

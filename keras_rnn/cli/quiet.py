"""TensorFlow's imports without the lines that its C++ side writes to standard error before logging is set up."""

import os

from keras_rnn.imports import imports_without, imports_without_gc
from keras_rnn.quiet import quiet_stderr


def quiet_tensorflow() -> None:
    """Makes TensorFlow log only fatal errors, here and in processes that start later."""
    os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")


def import_tensorflow() -> None:
    """Imports TensorFlow and lets it find and set up its GPUs, quietly."""
    quiet_tensorflow()
    # Keras imports these for its wrappers and pictures, which no command uses: a third of the time.
    with quiet_stderr(), imports_without_gc(), imports_without("sklearn", "matplotlib"):
        from keras_rnn.training.device import grow_gpu_memory

        grow_gpu_memory()

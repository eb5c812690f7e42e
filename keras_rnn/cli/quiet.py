"""TensorFlow's imports without the lines that its C++ side writes to standard error before logging is set up."""

import os

from keras_rnn.quiet import quiet_stderr


def import_tensorflow() -> None:
    """Imports TensorFlow and lets it find and set up its GPUs, quietly."""
    os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")
    with quiet_stderr():
        from keras_rnn.training.device import grow_gpu_memory

        grow_gpu_memory()

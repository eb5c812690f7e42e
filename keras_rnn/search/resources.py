"""How trials that run at the same time share a machine: threads of the processor, GPUs."""

import os

from keras_rnn.search.settings import share_gpus

THREAD_VARIABLES = (
    "OMP_NUM_THREADS",
    "OPENBLAS_NUM_THREADS",
    "MKL_NUM_THREADS",
    "TF_NUM_INTRAOP_THREADS",
    "TF_NUM_INTEROP_THREADS",
)


def available_cores() -> int:
    """Cores that this process may use."""
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1


def threads_per_worker(workers: int) -> int:
    """Threads of the processor for each of so many trials at a time."""
    return max(1, available_cores() // max(1, workers))


def thread_environment(threads: int) -> dict[str, str]:
    """What keeps the libraries that a process imports to so many threads."""
    return dict.fromkeys(THREAD_VARIABLES, str(threads))


def visible_gpus() -> list[str]:
    """The GPUs that TensorFlow sees, as CUDA_VISIBLE_DEVICES names them."""
    import tensorflow as tf  # not before a slot is begun early

    count = len(tf.config.list_physical_devices("GPU"))
    named = os.environ.get("CUDA_VISIBLE_DEVICES")
    return [name.strip() for name in named.split(",")][:count] if named else [str(number) for number in range(count)]


def slot_environments(workers: int | None, gpus: int | None) -> tuple[list[dict[str, str]], int]:
    """The environment of each worker's process, and the threads that each may use.

    Args:
        workers: trials at a time; None: one a GPU, or one.
        gpus: how many of the visible GPUs to use, one for each worker; None: all. 0: none.

    Raises:
        UsageError: fewer than one worker, or more of them than GPUs to use, or more of those than there are.
    """
    visible = visible_gpus()
    workers, gpus = share_gpus(workers, gpus, len(visible), "that TensorFlow sees", "there are")
    threads = threads_per_worker(workers)
    environments = [
        {**thread_environment(threads), "CUDA_VISIBLE_DEVICES": visible[number] if gpus else "-1"}
        for number in range(workers)
    ]
    return environments, threads

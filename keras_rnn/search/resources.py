"""How trials that run at the same time share the processor threads and the GPUs of a machine."""

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
    """The number of cores that this process may use."""
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1


def threads_per_worker(workers: int) -> int:
    """The processor threads of each of `workers` trials that run at the same time."""
    return max(1, available_cores() // max(1, workers))


def thread_environment(threads: int) -> dict[str, str]:
    """The environment variables that limit the libraries of a process to `threads` threads."""
    return dict.fromkeys(THREAD_VARIABLES, str(threads))


def visible_gpus() -> list[str]:
    """The GPUs that TensorFlow sees, as CUDA_VISIBLE_DEVICES names them."""
    import tensorflow as tf  # late, so that `early_slot` can start first

    count = len(tf.config.list_physical_devices("GPU"))
    device_list = os.environ.get("CUDA_VISIBLE_DEVICES")
    names = device_list.split(",") if device_list else map(str, range(count))
    return [name.strip() for name in names][:count]


def slot_environments(workers: int | None, gpus: int | None) -> tuple[list[dict[str, str]], int]:
    """The environment of each worker's process, and the threads that each may use.

    Args:
        workers: trials at a time; None: one a GPU, or one.
        gpus: how many of the visible GPUs to use, one for each worker. None: all; 0: none.

    Raises:
        UsageError: no worker, more workers than GPUs to use, or more GPUs than there are.
    """
    gpu_names = visible_gpus()
    workers, gpus = share_gpus(workers, gpus, len(gpu_names), "that TensorFlow sees", "there are")
    threads = threads_per_worker(workers)
    environments = [
        {**thread_environment(threads), "CUDA_VISIBLE_DEVICES": gpu_names[number] if gpus else "-1"}
        for number in range(workers)
    ]
    return environments, threads

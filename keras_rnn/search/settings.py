"""The settings of a sweep that may change when it is resumed."""

from dataclasses import dataclass

from keras_rnn.checks import flag, one_of, positive_number, whole_number
from keras_rnn.errors import UsageError

EXECUTORS = ("process", "ray")


def share_gpus(workers: int | None, gpus: int | None, available: int, owner: str, verb: str) -> tuple[int, int]:
    """The number of trials at a time and of the GPUs that they use, one for each trial.

    Args:
        workers: trials at a time; None: one a GPU, or one.
        gpus: how many to use. None: all; 0: none.
        available: how many there are.
        owner, verb: for the errors: "that TensorFlow sees", "there are".

    Raises:
        UsageError: no worker, more workers than GPUs to use, or more GPUs than there are.
    """
    if gpus is None:
        gpus = available
    elif whole_number("gpus", gpus, minimum=0) > available:
        raise UsageError(f"gpus takes at most the {available} {owner}, got {gpus}")
    workers = max(gpus, 1) if workers is None else whole_number("workers", workers)
    if gpus and workers > gpus:
        raise UsageError(
            f"workers takes at most one a GPU, of which {verb} {gpus}, got {workers}; gpus=0 trains on the processor"
        )
    return workers, gpus


@dataclass(frozen=True)
class Settings:
    """See `keras_rnn.tune`."""

    max_trials: int | None = None
    workers: int | None = None
    gpus: int | None = None
    executor: str = "process"
    ray_address: str | None = None
    reuse_workers: bool = False
    retries: int = 1
    trial_timeout: float | None = None

    def __post_init__(self):
        for count in ("max_trials", "workers"):
            if getattr(self, count) is not None:
                whole_number(count, getattr(self, count))
        if self.gpus is not None:
            whole_number("gpus", self.gpus, minimum=0)
        one_of("executor", self.executor, EXECUTORS)
        if self.ray_address is not None and self.executor != "ray":
            raise UsageError(f"ray_address takes executor 'ray' beside it, got {self.executor!r}")
        flag("reuse_workers", self.reuse_workers)
        whole_number("retries", self.retries, minimum=0)
        if self.trial_timeout is not None:
            positive_number("trial_timeout", self.trial_timeout)

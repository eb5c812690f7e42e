"""Jobs, results and records of trials: plain values that are sent between processes and machines and stored as JSON.

The journal, the results and the reports consist of `TrialRecord`s: a job, its status and its result.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

# The status of a trial.
RUNNING, COMPLETED, FAILED = "running", "completed", "failed"
# Why a trial failed.
ERROR = "error"  # an exception, with its traceback
DIED = "died"  # its process ended without a result
NAN_LOSS = "NaN loss"
OUT_OF_MEMORY = "out of memory"
TIME_OUT = "time-out"
NO_SPACE = "no space"  # on the disk; not the trial's fault, so the sweep stops and the trial stays unfinished
RETRYABLE = {ERROR, DIED}  # the other failures would happen again


def time_out_message(limit: float) -> str:
    """The error text of a TIME_OUT after `limit` seconds."""
    return f"not done after {limit:g} s"


@dataclass(frozen=True)
class Job:
    """One trial as the oracle proposed it.

    Args:
        trial_id: four digits or more, in the order of creation: "0000", "0001", ...
        values: the active hyperparameters by name, all JSON scalars; keras-tuner's own ("tuner/epochs") left out.
        epochs: the number of epochs, including those of `source`.
        initial_epoch: how many of them the trial `source` has trained; 0 without a source.
        source: the id of the trial whose last state is the start of this one (Hyperband's promotions), or None.
    """

    trial_id: str
    values: Mapping[str, Any]
    epochs: int
    initial_epoch: int = 0
    source: str | None = None


@dataclass(frozen=True)
class Result:
    """The result of one attempt at a trial.

    Args:
        failure: None if it completed; else ERROR, DIED, NAN_LOSS, OUT_OF_MEMORY or TIME_OUT.
        error: one line that describes the failure; "" without one.
        traceback: that of the exception, or the last lines of output of the process; "" without them.
        history: one dict an epoch: "epoch" (from 1), "seconds", and whatever training reported (loss,
            val_loss, ...).
        parameters: the number of the model's parameters; None if it was not built.
        seconds: wall time of the attempt and of the epochs that it restored from earlier ones.
        peak_memory: the largest number of resident bytes; None if unknown.
        device: the device that it trained on: "CPU (1 threads)", "GPU (NVIDIA H200)".
        space: the configuration of the hyperparameters (`HyperParameters.get_config()`) if building the model declared
            new ones; else None.
    """

    failure: str | None = None
    error: str = ""
    traceback: str = ""
    history: Sequence[Mapping[str, float]] = ()
    parameters: int | None = None
    seconds: float = 0.0
    peak_memory: int | None = None
    device: str = ""
    space: Mapping[str, Any] | None = None


@dataclass(frozen=True)
class TrialRecord:
    """A trial in a sweep.

    `status` is RUNNING, COMPLETED or FAILED; `score` is the objective at `best_epoch`; `result` is that of the last
    ended attempt.
    """

    job: Job
    status: str = RUNNING
    attempts: int = 0
    score: float | None = None
    best_epoch: int | None = None  # from 1
    result: Result = field(default_factory=Result)

    @property
    def metrics(self) -> dict[str, float]:
        """The metrics of the best epoch."""
        for row in self.result.history:
            if row["epoch"] == self.best_epoch:
                return {name: value for name, value in row.items() if name not in ("epoch", "seconds")}
        return {}

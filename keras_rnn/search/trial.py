"""What a trial is asked and what comes back: plain values that cross processes and machines, and live in JSON.

The journal, the results and the reports are made of `TrialRecord`s: a job, where it stands, and its result.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

# Where a trial stands.
RUNNING, COMPLETED, FAILED = "running", "completed", "failed"
# Why one failed.
ERROR = "error"  # an exception, with its traceback
DIED = "died"  # its process ended without a result
NAN_LOSS = "NaN loss"
OUT_OF_MEMORY = "out of memory"
TIME_OUT = "time-out"
NO_SPACE = "no space"  # to write in: no fault of the trial's, so that the sweep stops and the trial stays to be run
RETRYABLE = {ERROR, DIED}  # the others would fail again


def time_out_message(limit: float) -> str:
    """The error of a TIME_OUT after `limit` seconds."""
    return f"not done after {limit:g} s"


@dataclass(frozen=True)
class Job:
    """One trial, as the oracle made it.

    Args:
        trial_id: four digits or more, in the order of creation: "0000", "0001", ...
        values: the active hyperparameters by name, all JSON scalars; keras-tuner's own ("tuner/epochs") left out.
        epochs: train up to so many, the earlier ones included.
        initial_epoch: how many of them the trial `source` has trained; 0 without one.
        source: the id of the trial whose last state this one starts from (Hyperband's promotions), or None.
    """

    trial_id: str
    values: Mapping[str, Any]
    epochs: int
    initial_epoch: int = 0
    source: str | None = None


@dataclass(frozen=True)
class Result:
    """How one attempt at a trial ended.

    Args:
        failure: None where it completed; else ERROR, DIED, NAN_LOSS, OUT_OF_MEMORY or TIME_OUT.
        error: one line that says what failed; "" where nothing did.
        traceback: of the exception, or the last lines the process wrote; "" where there is none.
        history: one dict an epoch: "epoch" (from 1), "seconds", and whatever training reported (loss, accuracy,
            val_loss, val_accuracy, ...).
        parameters: of the model; None where it was not built.
        seconds: of wall time, from the start of the attempt to its end, and of epochs taken over from earlier ones.
        peak_memory: bytes resident at most; None where unknown.
        device: what it trained on: "CPU (1 threads)", "GPU (NVIDIA H200)".
        space: the configuration of the hyperparameters (`HyperParameters.get_config()`) where building the model
            declared ones that the oracle did not know; else None.
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

    `status` is RUNNING, COMPLETED or FAILED; `score` is the objective's at `best_epoch`; `result` is that of the last
    attempt that ended.
    """

    job: Job
    status: str = RUNNING
    attempts: int = 0
    score: float | None = None
    best_epoch: int | None = None  # from 1
    result: Result = field(default_factory=Result)

    @property
    def metrics(self) -> dict[str, float]:
        """What training reported for the best epoch."""
        for row in self.result.history:
            if row["epoch"] == self.best_epoch:
                return {name: value for name, value in row.items() if name not in ("epoch", "seconds")}
        return {}

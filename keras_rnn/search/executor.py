"""The interface of whatever runs trials: processes of this machine, or a cluster."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Protocol

from keras_rnn.search.trial import Job, Result

GRACE_SECONDS = 5.0  # a trial past its time limit may use these to end by itself, with its history, before it is killed


@dataclass(frozen=True)
class EpochEnded:
    """A running trial has finished an epoch; `row` is the epoch's line of `Result.history`."""

    trial_id: str
    row: Mapping[str, float]


@dataclass(frozen=True)
class TrialEnded:
    """An attempt at a trial has ended, well or not."""

    trial_id: str
    result: Result


class Executor(Protocol):
    """Runs up to `capacity` trials at a time, each in a process of its own.

    `retries_deaths` says whether the executor itself starts a trial again whose process died.
    """

    capacity: int
    retries_deaths: bool

    def start(self, job: Job) -> None:
        """Starts an attempt and returns at once. The driver never calls it while `capacity` attempts run."""

    def wait(self, seconds: float) -> list[EpochEnded | TrialEnded]:
        """The events since the last call. Returns at the first event, or with none after `seconds`."""

    def close(self) -> None:
        """Kills every process it started. May be called twice."""

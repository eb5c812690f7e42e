"""What runs trials: the one interface that the driver knows, whether processes or machines stand behind it."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Protocol

from keras_rnn.search.trial import Job, Result

GRACE_SECONDS = 5.0  # beyond its time in which a trial can end itself, history and all, before it is killed


@dataclass(frozen=True)
class EpochEnded:
    """A running trial has finished an epoch; `row` is the epoch's line of `Result.history`."""

    trial_id: str
    row: Mapping[str, float]


@dataclass(frozen=True)
class TrialEnded:
    """An attempt has ended, one way or another."""

    trial_id: str
    result: Result


class Executor(Protocol):
    """Runs up to `capacity` trials at a time, each in a process of its own.

    `retries_deaths` says whether a trial whose process died was already tried again as often as asked.
    """

    capacity: int
    retries_deaths: bool

    def start(self, job: Job) -> None:
        """Begins an attempt and returns at once. Never called with `capacity` attempts under way."""

    def wait(self, seconds: float) -> list[EpochEnded | TrialEnded]:
        """What happened since the last call; returns as soon as something did, or empty after `seconds`."""

    def close(self) -> None:
        """Ends every process it began, whatever they are doing; may be called twice."""

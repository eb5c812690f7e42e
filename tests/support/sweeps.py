"""Sweeps without training: an executor whose trials end at once, and drivers that are killed at any moment."""

import os
from collections.abc import Callable
from dataclasses import asdict, replace
from pathlib import Path

import keras_tuner
import numpy as np

from keras_rnn.files import write_json
from keras_rnn.search import driver, layout
from keras_rnn.search.algorithms import create_oracle
from keras_rnn.search.driver import drive
from keras_rnn.search.executor import EpochEnded, TrialEnded
from keras_rnn.search.journal import Journal, read_journal
from keras_rnn.search.proposals import Proposals
from keras_rnn.search.trial import DIED, ERROR, NAN_LOSS, Job, Result

OBJECTIVE = keras_tuner.Objective("val_accuracy", "max")


class Killed(BaseException):
    """Stands for `kill -9`: no `except` of the driver catches it."""


class KillSwitch:
    """Counts the moments of a driver at which it could be killed, and kills it at number `kill_at`, from 1."""

    def __init__(self, kill_at: int | None = None):
        self.kill_at, self.moments = kill_at, 0

    def moment(self) -> None:
        self.moments += 1
        if self.moments == self.kill_at:
            raise Killed

    @property
    def is_next(self) -> bool:
        return self.kill_at == self.moments + 1


class FakeExecutor:
    """Ends each trial at once with `result(job)`. The running trial that ends first is drawn at random.

    Like a slot's process it leaves a checkpoint, and writes the result of a completed trial before it reports it.
    """

    retries_deaths = False

    def __init__(
        self, directory: Path, result: Callable[[Job], Result], capacity: int = 1, kill_switch: KillSwitch | None = None
    ):
        self.directory, self.result, self.capacity = directory, result, capacity
        self.kill_switch = kill_switch or KillSwitch()
        self.under_way: dict[str, Job] = {}
        self.started: list[Job] = []
        self.idle = 0  # idle slots, summed over all calls of `wait`
        self.rng = np.random.default_rng(0)

    def start(self, job: Job) -> None:
        assert job.trial_id not in self.under_way
        assert len(self.under_way) < self.capacity
        assert job.trial_id not in ended_ids(self.directory), "a finished trial is started again"
        assert not self._file(job.trial_id, layout.RESULT).exists(), "a trial that has its result is started again"
        if job.source is not None:
            assert self._file(job.source, layout.CHECKPOINT).exists(), "there is nothing to go on from"
        self.kill_switch.moment()
        self.under_way[job.trial_id] = job
        self.started.append(job)
        self.kill_switch.moment()

    def wait(self, seconds: float) -> list[EpochEnded | TrialEnded]:
        self.kill_switch.moment()
        self.idle += self.capacity - len(self.under_way)
        job = self.under_way.pop(self.rng.choice(sorted(self.under_way)))
        result = self.result(job)
        self._file(job.trial_id, layout.CHECKPOINT).parent.mkdir(parents=True, exist_ok=True)
        self._file(job.trial_id, layout.CHECKPOINT).touch()
        self.kill_switch.moment()
        if result.failure is None:
            write_json(self._file(job.trial_id, layout.RESULT), asdict(result))
        self.kill_switch.moment()
        return [*(EpochEnded(job.trial_id, row) for row in result.history), TrialEnded(job.trial_id, result)]

    def close(self) -> None:
        pass

    def _file(self, trial_id: str, name: str) -> Path:
        return layout.trial_folder(self.directory, trial_id) / name


def run_driver(
    directory: Path,
    make_proposals: Callable[[], Proposals],
    result: Callable[[Job], Result],
    patch,
    *,
    capacity: int = 1,
    max_trials: int | None = None,
    retries: int = 1,
    kill_at: int | None = None,
) -> tuple[list, FakeExecutor]:
    """Runs a driver to its end, or until moment `kill_at`, when it raises Killed. Returns the trials and the executor.

    The moments are: before and after a trial starts, ends and has its result written; before, during and after the
    write of a journal line; and after the oracle and the reports are updated.
    """
    kill_switch = KillSwitch(kill_at)
    proposals = make_proposals()
    executor = FakeExecutor(directory, result, capacity, kill_switch)
    write, propose, end = Journal.write, proposals.propose, proposals.end

    def write_or_die(journal, event, trial, **fields):
        kill_switch.moment()
        if kill_switch.is_next:
            journal.file.write(b'{"event": "crea')
            journal.file.flush()
        kill_switch.moment()
        write(journal, event, trial, **fields)
        kill_switch.moment()

    def propose_or_die():
        proposed = propose()
        kill_switch.moment()
        return proposed

    def end_or_die(trial_id, result):
        end(trial_id, result)
        kill_switch.moment()

    proposals.propose, proposals.end = propose_or_die, end_or_die
    with patch.context() as patched:
        patched.setattr(os, "fsync", lambda descriptor: None)  # a busy disk would slow the tests
        patched.setattr(Journal, "write", write_or_die)
        patched.setattr(driver, "write_progress", lambda directory, records: kill_switch.moment())
        trials = drive(
            directory,
            proposals,
            executor,
            objective=OBJECTIVE,
            max_trials=max_trials,
            retries=retries,
            show=lambda trials, epochs: None,
        )
    executor.moments = kill_switch.moments
    return trials, executor


def proposals_maker(algorithm: str, space: keras_tuner.HyperParameters, epochs: int = 3) -> Callable[[], Proposals]:
    """A function that makes new proposals of the same sweep."""

    def make():
        return Proposals(create_oracle(algorithm, OBJECTIVE, space.copy(), seed=0, epochs=epochs), epochs)

    return make


def score(job: Job) -> float:
    """A score between 0 and 1 that depends on the values, and is higher after more epochs."""
    numbers = [len(value) if isinstance(value, str) else float(value) for value in job.values.values()]
    return (sum(number * weight for weight, number in enumerate(numbers, 3)) * 0.37) % 0.9 + 0.01 * job.epochs


def good_result(job: Job, **fields) -> Result:
    """A result whose last epoch is the best, with `score(job)`."""
    history = [
        {"epoch": epoch, "seconds": 1.0, "val_accuracy": score(job) - 0.01 * (job.epochs - epoch)}
        for epoch in range(1, job.epochs + 1)
    ]
    return Result(**{"history": history, "parameters": 1, "seconds": 1.0} | fields)


def mixed_result(job: Job) -> Result:
    """A good result, but of every five trials one raises an error, one dies and one has a NaN loss."""
    failure = {1: ERROR, 2: NAN_LOSS, 4: DIED}.get(int(job.trial_id) % 5)
    return good_result(job) if failure is None else Result(failure, f"{failure} in {job.trial_id}", "Traceback")


def summary(trials) -> dict:
    """All that must not depend on how often the driver was killed, by trial id."""
    return {
        trial.job.trial_id: (
            trial.job,
            (trial.status, trial.attempts, trial.score, trial.best_epoch),
            replace(trial.result, history=list(trial.result.history)),
        )
        for trial in trials
    }


def ended_ids(directory: Path) -> list[str]:
    return [event["trial"] for event in read_journal(directory / layout.JOURNAL) if event["event"] == "ended"]


def created_ids(directory: Path) -> list[str]:
    return [event["trial"] for event in read_journal(directory / layout.JOURNAL) if event["event"] == "created"]

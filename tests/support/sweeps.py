"""Sweeps without training: an executor whose trials end at once, and drivers that are killed wherever one likes."""

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
from keras_rnn.search.executor import Ended, EpochDone
from keras_rnn.search.journal import Journal, read_journal
from keras_rnn.search.proposals import Proposals
from keras_rnn.search.trial import DIED, ERROR, NAN_LOSS, Job, Result

OBJECTIVE = keras_tuner.Objective("val_accuracy", "max")


class Killed(BaseException):
    """Stands for `kill -9`: no `except` of the driver's takes it."""


class Life:
    """Counts the moments of a driver at which it could be killed, and kills it at the one numbered `last`, from 1."""

    def __init__(self, last: int | None = None):
        self.last, self.moments = last, 0

    def moment(self) -> None:
        self.moments += 1
        if self.moments == self.last:
            raise Killed

    @property
    def over_next(self) -> bool:
        return self.last == self.moments + 1


class FakeExecutor:
    """Trains in no time: `result(job)` says how. Which of the trials under way ends first is drawn.

    Like a slot's process it leaves a checkpoint, and writes a good result down before it is heard of.
    """

    retries_deaths = False

    def __init__(self, directory: Path, result: Callable[[Job], Result], capacity: int = 1, life: Life | None = None):
        self.directory, self.result, self.capacity = directory, result, capacity
        self.life = life or Life()
        self.under_way: dict[str, Job] = {}
        self.started: list[Job] = []
        self.idle = 0  # slots that had nothing to do while a trial ran, over all the waiting
        self.rng = np.random.default_rng(0)

    def start(self, job: Job) -> None:
        assert job.trial_id not in self.under_way
        assert len(self.under_way) < self.capacity
        assert job.trial_id not in ended_ids(self.directory), "a finished trial is started again"
        assert not self._file(job.trial_id, layout.RESULT).exists(), "a trial that has its result is started again"
        if job.source is not None:
            assert self._file(job.source, layout.CHECKPOINT).exists(), "there is nothing to go on from"
        self.life.moment()
        self.under_way[job.trial_id] = job
        self.started.append(job)
        self.life.moment()

    def wait(self, seconds: float) -> list[EpochDone | Ended]:
        self.life.moment()
        self.idle += self.capacity - len(self.under_way)
        job = self.under_way.pop(self.rng.choice(sorted(self.under_way)))
        result = self.result(job)
        self._file(job.trial_id, layout.CHECKPOINT).parent.mkdir(parents=True, exist_ok=True)
        self._file(job.trial_id, layout.CHECKPOINT).touch()
        self.life.moment()
        if result.failure is None:
            write_json(self._file(job.trial_id, layout.RESULT), asdict(result))
        self.life.moment()
        return [*(EpochDone(job.trial_id, row) for row in result.history), Ended(job.trial_id, result)]

    def close(self) -> None:
        pass

    def _file(self, trial_id: str, name: str) -> Path:
        return layout.trial_folder(self.directory, trial_id) / name


def live(
    directory: Path,
    make_proposals: Callable[[], Proposals],
    result: Callable[[Job], Result],
    patch,
    *,
    capacity: int = 1,
    max_trials: int | None = None,
    retries: int = 1,
    last: int | None = None,
) -> tuple[list, FakeExecutor]:
    """One driver's life, to its end or to its `last` moment: then Killed is raised. Returns trials and executor.

    The moments: before and after a trial is started, ends, has its result written; before and after a line is
    written to the journal, in the middle of it, and after the oracle and the reports have heard.
    """
    life = Life(last)
    proposals = make_proposals()
    executor = FakeExecutor(directory, result, capacity, life)
    write, propose, end = Journal.write, proposals.propose, proposals.end

    def write_and_die(journal, event, trial, **further):
        life.moment()
        if life.over_next:
            journal.file.write(b'{"event": "crea')
            journal.file.flush()
        life.moment()
        write(journal, event, trial, **further)
        life.moment()

    def propose_and_die():
        proposed = propose()
        life.moment()
        return proposed

    def end_and_die(trial_id, result):
        end(trial_id, result)
        life.moment()

    proposals.propose, proposals.end = propose_and_die, end_and_die
    with patch.context() as patched:
        patched.setattr(os, "fsync", lambda descriptor: None)  # a disk that is busy would make minutes of seconds
        patched.setattr(Journal, "write", write_and_die)
        patched.setattr(driver, "write_progress", lambda directory, records: life.moment())
        trials = drive(
            directory,
            proposals,
            executor,
            objective=OBJECTIVE,
            max_trials=max_trials,
            retries=retries,
            show=lambda trials, epochs: None,
        )
    executor.moments = life.moments
    return trials, executor


def proposals_of(algorithm: str, space: keras_tuner.HyperParameters, epochs: int = 3) -> Callable[[], Proposals]:
    """Makes new proposals of the same sweep."""

    def make():
        return Proposals(create_oracle(algorithm, OBJECTIVE, space.copy(), seed=0, epochs=epochs), epochs)

    return make


def score(job: Job) -> float:
    """Between 0 and 1, of the values alone, and higher after more epochs."""
    numbers = [len(value) if isinstance(value, str) else float(value) for value in job.values.values()]
    return (sum(number * place for place, number in enumerate(numbers, 3)) * 0.37) % 0.9 + 0.01 * job.epochs


def good(job: Job, **further) -> Result:
    """A result whose last epoch is the best, with `score(job)`."""
    history = [
        {"epoch": epoch, "seconds": 1.0, "val_accuracy": score(job) - 0.01 * (job.epochs - epoch)}
        for epoch in range(1, job.epochs + 1)
    ]
    return Result(**{"history": history, "parameters": 1, "seconds": 1.0} | further)


def good_or_not(job: Job) -> Result:
    """Good; but of every five trials one has an exception, one dies, and one has a loss that is no number."""
    failure = {1: ERROR, 2: NAN_LOSS, 4: DIED}.get(int(job.trial_id) % 5)
    return good(job) if failure is None else Result(failure, f"{failure} in {job.trial_id}", "Traceback")


def summary(trials) -> dict:
    """All that must not hang on how often the driver was killed; keyed by the trial's id."""
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

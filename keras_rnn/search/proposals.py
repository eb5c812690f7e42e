"""Proposals of an oracle, and how a journal restores its state."""

import contextlib
import itertools
import warnings
from collections.abc import Iterator, Mapping
from typing import Any

import keras_tuner
from keras_tuner.oracles import GridSearchOracle, HyperbandOracle

from keras_rnn.search.space_config import space_from_config
from keras_rnn.search.trial import Job, Result

MAX_COUNTED = 10_000  # trials of a grid
MAX_COLLISIONS = 500  # repeated random draws after which a space counts as exhausted; keras-tuner's 20 are too few


def trial_count(oracle: keras_tuner.Oracle, max_trials: int | None) -> int | None:
    """The largest number of trials of a sweep, None where it is unknown. `oracle` cannot be used after that."""
    if isinstance(oracle, HyperbandOracle):
        count = sum(
            oracle._get_size(bracket, number)
            for bracket in range(oracle._get_num_brackets())
            for number in range(oracle._get_num_rounds(bracket))
        )
    elif isinstance(oracle, GridSearchOracle):
        proposals = Proposals(oracle, epochs=1)
        max_counted = MAX_COUNTED if max_trials is None else max_trials
        count = sum(1 for _ in itertools.takewhile(lambda _: proposals.propose(), range(max_counted)))
        count = None if count == MAX_COUNTED else count
    else:
        count = None
    return min((number for number in (count, max_trials) if number is not None), default=None)


class Proposals:
    """An oracle that writes no files: it proposes trials and is told their results.

    Calls of `repropose` and `end` in the order of the journal bring a new oracle with the same seed to the state of the
    earlier one.
    """

    def __init__(self, oracle: keras_tuner.Oracle, epochs: int):
        self.oracle, self.epochs = oracle, epochs
        self.stopped = False
        oracle.verbose = 0
        oracle.max_trials = None  # the driver counts trials
        oracle.max_retries_per_trial = 0  # the driver retries them
        oracle._max_collisions = MAX_COLLISIONS
        oracle.max_consecutive_failed_trials = float("inf")
        oracle.save = lambda: None  # the journal replaces its files
        oracle._save_trial = lambda trial: None

    def propose(self) -> tuple[str, dict[str, Any]] | None:
        """The id and values of a new trial. None: no trial until another one ends, or no more where `stopped`."""
        if self.stopped:
            return None
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # a Gaussian process on few points warns
            trial = self.oracle.create_trial(f"trial {len(self.oracle.trials)}")
        self.stopped = trial.status == "STOPPED"
        return (trial.trial_id, dict(trial.hyperparameters.values)) if trial.status == "RUNNING" else None

    def repropose(self, trial_id: str, values: Mapping[str, Any]) -> None:
        """Proposes a trial again with the values of the journal, also where the oracle would choose others now."""
        with self._forced_values(values):
            proposal = self.propose()
        if proposal is None or proposal[0] != trial_id:
            raise RuntimeError(f"the journal has trial {trial_id} where the oracle makes {proposal and proposal[0]}")

    def end(self, trial_id: str, result: Result) -> None:
        """Tells the oracle the result of a trial."""
        trial = self.oracle.get_trial(trial_id)
        if result.space is not None:
            trial.hyperparameters = space_from_config(result.space)
        for row in result.history if result.failure is None else ():
            metrics = {name: value for name, value in row.items() if name not in ("epoch", "seconds")}
            self.oracle.update_trial(trial_id, metrics, step=row["epoch"])
        trial.status = "COMPLETED" if result.failure is None else "FAILED"
        self.oracle.end_trial(trial)

    @contextlib.contextmanager
    def _forced_values(self, values: Mapping[str, Any]) -> Iterator[None]:
        def populate_space(trial_id):
            type(self.oracle).populate_space(self.oracle, trial_id)
            return {"status": "RUNNING", "values": dict(values)}

        self.oracle.populate_space = populate_space
        try:
            yield
        finally:
            del self.oracle.populate_space


def make_job(trial_id: str, values: Mapping[str, Any], epochs: int) -> Job:
    """The job of a proposed trial. Hyperband's values hold the number of epochs and the trial to continue."""
    return Job(
        trial_id=trial_id,
        values={name: value for name, value in values.items() if not name.startswith("tuner/")},
        epochs=values.get("tuner/epochs", epochs),
        initial_epoch=values.get("tuner/initial_epoch", 0),
        source=values.get("tuner/trial_id"),
    )

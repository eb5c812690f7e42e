"""A sweep in its directory: its trials, the best of them, and its reports."""

from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any

import keras_tuner

from keras_rnn.search import layout
from keras_rnn.search.journal import read_journal
from keras_rnn.search.plan import read_identity
from keras_rnn.search.records import records_from_events
from keras_rnn.search.report import write_report
from keras_rnn.search.scores import best_record
from keras_rnn.search.space_values import trial_options
from keras_rnn.search.trial import TrialRecord
from keras_rnn.training.config import config_from_dict
from keras_rnn.training.run_directory import METRICS, Run, open_run


@dataclass(frozen=True)
class Sweep:
    """The sweep in `directory`: its trials in the order of their creation, its objective and direction.

    `run` is the run directory of the best trial, trained again, if there is one.
    """

    directory: Path
    trials: list[TrialRecord]
    objective: str
    direction: str
    run: Run | None = None

    @cached_property
    def best(self) -> TrialRecord | None:
        """The completed trial with the best score, the earliest among equals; None if no trial completed."""
        return best_record(self.trials, self.direction)

    @property
    def best_options(self) -> dict[str, Any]:
        """The hyperparameters of the best trial, as `keras_rnn.train` takes them."""
        return trial_options(self.best.job.values) if self.best else {}


def open_sweep(directory: str | Path) -> Sweep:
    """The sweep in `directory`, complete or not.

    Raises:
        UsageError: there is none.
    """
    directory = Path(directory)
    identity = read_identity(directory)
    objective = keras_tuner.Objective(identity["objective"], identity["direction"])
    epochs = config_from_dict(identity["config"]).training.epochs
    trials = records_from_events(read_journal(directory / layout.JOURNAL), objective, epochs)
    best = directory / layout.BEST
    run = open_run(best) if (best / METRICS).is_file() else None
    return Sweep(directory, trials, objective.name, objective.direction, run)


def redraw(directory: str | Path) -> list[Path]:
    """Writes the reports of the sweep in `directory` again and returns the paths.

    Raises:
        UsageError: there is no sweep.
    """
    sweep = open_sweep(directory)
    return write_report(sweep.directory, sweep.trials, sweep.objective, sweep.direction)

"""The reports of a sweep: its table, its pictures and its logs for TensorBoard."""

from collections.abc import Sequence
from pathlib import Path

from keras_rnn.search.layout import BEST_SO_FAR, HEATMAP, IMPORTANCE, LOGS, RESULTS
from keras_rnn.search.plots import plot_best_so_far, plot_heatmap, plot_importance
from keras_rnn.search.results import write_results
from keras_rnn.search.tensorboard import write_hparams
from keras_rnn.search.trial import TrialRecord


def write_progress(directory: Path, records: Sequence[TrialRecord]) -> list[Path]:
    """Writes the part that is quick enough for every trial: results.csv and the logs of new trials."""
    write_results(records, directory / RESULTS)
    write_hparams(records, directory / LOGS)
    return [directory / RESULTS, directory / LOGS]


def write_report(directory: Path, records: Sequence[TrialRecord], objective: str, direction: str) -> list[Path]:
    """Writes all reports, which takes seconds, and returns the paths. Pictures need a completed trial."""
    paths = write_progress(directory, records)
    for name, plot in ((HEATMAP, plot_heatmap), (IMPORTANCE, plot_importance), (BEST_SO_FAR, plot_best_so_far)):
        if plot(records, objective, direction, directory / name):
            paths.append(directory / name)
    return paths

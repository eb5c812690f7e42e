"""The table of all trials of a sweep: results.csv."""

import csv
from collections.abc import Iterable
from pathlib import Path
from typing import Any

from keras_rnn.files import atomic_write
from keras_rnn.search.formatting import format_failure
from keras_rnn.search.scores import ended_records
from keras_rnn.search.trial import TrialRecord

MEGABYTE = 1_000_000
FIRST_COLUMNS = ("trial", "status")
LAST_COLUMNS = ("best_epoch", "epochs", "attempts", "seconds", "peak_memory_mb", "device", "error")


def write_results(records: Iterable[TrialRecord], path: Path) -> None:
    """Writes one row for each ended trial, sorted by trial id, as CSV.

    The columns are: trial, status; every hyperparameter, blank where it is inactive ("hyperparameter NAME" where
    another column has that name); source and initial_epoch if trials continue others; parameters; the metrics of
    the best epoch; best_epoch and epochs, counted from 1; attempts, seconds, peak_memory_mb (10^6 bytes), device,
    and the kind and text of the error. Floats are written exactly; times and sizes are rounded.
    """
    rows = [_row(record) for record in ended_records(records)]
    continues = any(row["source"]["source"] for row in rows)
    columns = (
        [("trial", name) for name in FIRST_COLUMNS]
        + [("hyperparameters", name) for name in _union(row["hyperparameters"] for row in rows)]
        + [("source", name) for name in ("source", "initial_epoch") if continues]
        + [("trial", "parameters")]
        + [("metrics", name) for name in _union(row["metrics"] for row in rows)]
        + [("trial", name) for name in LAST_COLUMNS]
    )
    other_names = {name for kind, name in columns if kind != "hyperparameters"}
    with atomic_write(path) as temp_path, open(temp_path, "w", newline="", encoding="utf-8") as file:
        table = csv.writer(file, lineterminator="\n")
        table.writerow(
            f"hyperparameter {name}" if kind == "hyperparameters" and name in other_names else name
            for kind, name in columns
        )
        table.writerows([row[kind].get(name) for kind, name in columns] for row in rows)


def _row(record: TrialRecord) -> dict[str, dict[str, Any]]:
    """The fields by kind of column; None becomes a blank."""
    job, result = record.job, record.result
    return {
        "trial": {
            "trial": job.trial_id,
            "status": record.status,
            "parameters": result.parameters,
            "best_epoch": record.best_epoch,
            "epochs": result.history[-1]["epoch"] if result.history else job.initial_epoch,
            "attempts": record.attempts,
            "seconds": round(result.seconds, 1),
            "peak_memory_mb": None if result.peak_memory is None else round(result.peak_memory / MEGABYTE),
            "device": result.device,
            "error": format_failure(result.failure, result.error) if result.failure else "",
        },
        # A blank means inactive, so the value None is written as text.
        "hyperparameters": {name: "None" if value is None else value for name, value in job.values.items()},
        "source": {"source": job.source, "initial_epoch": job.initial_epoch},
        "metrics": record.metrics,
    }


def _union(groups: Iterable[Iterable[str]]) -> list[str]:
    return list(dict.fromkeys(name for names in groups for name in names))

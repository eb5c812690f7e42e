"""Runs of `keras-rnn train` on several data sets with several seeds each: a row of figures for every run."""

import argparse
import csv
import json
import statistics
import tempfile
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path

from measure import measured


def trained_row(command: Sequence, run: Path, dataset: str, seed: int, figures: Mapping[str, tuple[str, str]]) -> dict:
    """Runs a `keras-rnn train` command, whose run directory is `run`.

    Args:
        figures: the columns of the row that hold figures, and of each the split and the metric.
    """
    command = [*command, "--seed", seed, "--no-export", "--out", run]
    print(" ".join(map(str, command)), flush=True)
    train_result = measured(command)
    metrics = json.loads((run / "metrics.json").read_text())
    return {
        "dataset": dataset,
        "seed": seed,
        **{column: round(metrics[split][metric], 4) for column, (split, metric) in figures.items()},
        "best_epoch": metrics["best_epoch"],
        "seconds": round(train_result.seconds),
        "peak_mib": round(train_result.peak_bytes / 2**20),
    }


def baselines_of(run: Path) -> dict:
    """The figures of simpler systems on the run's test rows."""
    measured(["keras-rnn", "evaluate", run, "--baseline"])
    return json.loads((run / "evaluation-test.json").read_text())["baselines"]


def run_seeds(
    description: str,
    results: Path,
    columns: Sequence[str],
    bars: Mapping[str, float],
    figure: str,
    run_one: Callable[[str, int, Path, Path], dict],
) -> None:
    """Reads the command line, and writes the rows of the data sets that it names in place of those in `results`.

    Args:
        description: of the command.
        results: a CSV file.
        columns: of the file.
        bars: the data sets, and what the mean of each should reach.
        figure: the column of that mean.
        run_one: from the data set, the seed, the folder of all data and a folder for runs to a row.
    """
    parser = argparse.ArgumentParser(description=description)
    parser.add_argument("--data", type=Path, required=True)
    parser.add_argument("--only", nargs="*", default=list(bars), choices=list(bars))
    parser.add_argument("--seeds", nargs="*", type=int, default=[0, 1, 2])
    arguments = parser.parse_args()
    rows = []
    if results.exists():
        with open(results, newline="") as file:
            rows = [row for row in csv.DictReader(file) if row["dataset"] not in arguments.only]
    with tempfile.TemporaryDirectory() as folder:
        for dataset in arguments.only:
            dataset_rows = [run_one(dataset, seed, arguments.data, Path(folder)) for seed in arguments.seeds]
            rows += dataset_rows
            with open(results, "w", newline="") as file:
                writer = csv.DictWriter(file, columns)
                writer.writeheader()
                writer.writerows(sorted(rows, key=lambda row: row["dataset"]))
            mean = statistics.mean(row[figure] for row in dataset_rows)
            print(
                f"{dataset}: mean {figure} {mean:.4f} over {len(dataset_rows)} seeds, bar {bars[dataset]}", flush=True
            )

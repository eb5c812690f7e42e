"""Text on disk to trained epoch: ours beside the notebook recipe, good plain Keras and good PyTorch, in two forms.

All train an embedding of 20,000 x 128, two bidirectional LSTM layers of 64 and one layer of logits for one epoch of AG
News, and of some rows of IMDB, of whose texts they read 256 tokens. Each is a script and a process of its own for each
seed, and they take turns seed by seed. The clock runs from reading the text, over vocabulary, tokens and compiling, to
the trained epoch; imports are counted apart, and the test accuracy is taken after it has stopped. The notebook recipe
keeps its batches of 16 and Adam's default rate; the others take batches of 64 and a cosine from 3e-3. On IMDB it is
given fewer rows: what counts is its rate.
"""

import csv
import json
import statistics
import sys
import tempfile
import time
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from end_to_end_case import Task, as_json
from measure import measured
from part import Bar, Options, Skipped
from peer import installed
from turns import ratio

HERE = Path(__file__).parent
OURS, NOTEBOOK, KERAS = "ours", "notebook recipe", "plain Keras"
TORCH, TORCH_SPARSE = "PyTorch", "PyTorch, sparse gradients"
SCRIPTS = {
    OURS: "end_to_end_ours.py",
    NOTEBOOK: "end_to_end_notebook.py",
    KERAS: "end_to_end_keras.py",
    TORCH: "end_to_end_torch.py",
    TORCH_SPARSE: "end_to_end_torch_sparse.py",
}
BARS = {NOTEBOOK: 6.0, KERAS: 2.0, TORCH: 1.5}
# The recipe takes longer than all others together; sparse gradients are beside the dense ones for information.
FIRST_SEED_ALONE = (NOTEBOOK, TORCH_SPARSE)
AG_NEWS_RATE = 1500  # examples a second, of ours
# Three seeds tell accuracies apart no better.
ACCURACY_TOLERANCE = 0.005
GOOD = {"batch_size": 64, "learning_rate": 3e-3}
RECIPE = {"batch_size": 16, "learning_rate": 1e-3}


@dataclass(frozen=True)
class DataSet:
    """train, test: files. rows, notebook_rows, test_rows: how many are taken, None for all."""

    name: str
    train: Path
    test: Path
    classes: int
    num_layers: int = 2
    rows: int | None = None
    notebook_rows: int | None = None
    test_rows: int | None = None


def run(options: Options) -> tuple[list[dict], list[Bar]]:
    with tempfile.TemporaryDirectory() as folder:
        data_sets = [quick_data_set(Path(folder))] if options.quick else real_data_sets(options.data)
        results = [
            {"data": data, "system": system, "seed": seed, **one_run(system, data, seed)}
            for data in data_sets
            for turn, seed in enumerate(range(options.seed, options.seed + options.rounds))
            for system in in_turn(turn)
            if turn == 0 or system not in FIRST_SEED_ALONE
        ]
    rows, bars = [], []
    for data in data_sets:
        runs_by_system = {
            system: [result for result in results if result["data"] is data and result["system"] == system]
            for system in SCRIPTS
        }
        runs_by_system = {system: runs for system, runs in runs_by_system.items() if runs}
        rows += [row_of(data, system, runs_by_system) for system in runs_by_system]
        bars += bars_of(data, runs_by_system)
    return rows, bars


def real_data_sets(folder: Path) -> list[DataSet]:
    found = [
        DataSet("AG News", folder / "ag_news" / "train.csv", folder / "ag_news" / "test.csv", classes=4),
        DataSet(
            "IMDB",
            folder / "imdb" / "imdb_train.jsonl.gz",
            folder / "imdb" / "imdb_test.jsonl.gz",
            classes=2,
            rows=4000,
            notebook_rows=1000,
            test_rows=2500,
        ),
    ]
    found = [data for data in found if data.train.is_file() and data.test.is_file()]
    if not found:
        raise Skipped(f"neither ag_news nor imdb is in {folder}")
    return found


def quick_data_set(folder: Path) -> DataSet:
    """Files in AG News' layout, whose texts tell their class."""
    rng = np.random.default_rng(0)
    for name, count in (("train", 120), ("test", 20)):
        with open(folder / f"{name}.csv", "w", newline="") as file:
            for label in rng.integers(1, 5, count):
                words = rng.integers(0, 50, rng.integers(3, 12))
                csv.writer(file, quoting=csv.QUOTE_ALL).writerow([label, f"title {label}", " ".join(map(str, words))])
    (folder / "classes.txt").write_text("one\ntwo\nthree\nfour\n")
    return DataSet("synthetic", folder / "train.csv", folder / "test.csv", classes=4, num_layers=1)


def in_turn(turn: int) -> list[str]:
    """The systems that are there, another one first at each turn."""
    systems = list(SCRIPTS) if installed("torch") else [OURS, NOTEBOOK, KERAS]
    first = turn % len(systems)
    return [*systems[first:], *systems[:first]]


def task_of(system: str, data: DataSet, seed: int) -> Task:
    recipe = system == NOTEBOOK
    return Task(
        train=str(data.train.absolute()),
        test=str(data.test.absolute()),
        classes=data.classes,
        rows=data.notebook_rows if recipe else data.rows,
        test_rows=data.test_rows,
        num_layers=data.num_layers,
        epochs=1,
        seed=seed,
        **(RECIPE if recipe else GOOD),
    )


def one_run(system: str, data: DataSet, seed: int) -> dict:
    """What a system's process answered, and its rates in rows a second."""
    task = as_json(task_of(system, data, seed))
    command = [sys.executable, HERE / SCRIPTS[system], task, "--started", time.time()]
    answer = json.loads(measured(command).output.splitlines()[-1])
    rate = answer["rows"] / answer["seconds"]
    print(f"{data.name}, seed {seed}, {system}: {rate:.0f} examples/s, accuracy {answer['accuracy']:.4f}", flush=True)
    return {**answer, "seconds_a_row": 1 / rate, "with_imports_a_row": answer["with_imports"] / answer["rows"]}


def times(runs: Sequence[dict], column: str = "seconds_a_row") -> list[float]:
    return [run[column] for run in runs]


def against(runs: list[dict], ours: list[dict]) -> float:
    """How many times as quick ours is, of the seeds that both had."""
    return ratio(times(runs), times([run for run in ours if run["seed"] in {other["seed"] for other in runs}]))


def row_of(data: DataSet, system: str, runs_by_system: dict[str, list[dict]]) -> dict:
    runs = runs_by_system[system]
    is_capped = (data.notebook_rows if system == NOTEBOOK else data.rows) is not None
    notes = ["a part of the rows"] if is_capped else []
    return {
        "data": data.name,
        "system": system,
        "batch": (RECIPE if system == NOTEBOOK else GOOD)["batch_size"],
        "rows": runs[0]["rows"],
        "examples/s": 1 / statistics.median(times(runs)),
        "examples/s, imports included": 1 / statistics.median(times(runs, "with_imports_a_row")),
        "ours against it": against(runs, runs_by_system[OURS]),
        "test accuracy": round(statistics.fmean(times(runs, "accuracy")), 4),
        "lowest": round(min(times(runs, "accuracy")), 4),
        "note": ", ".join([*notes, *sorted({run["note"] for run in runs if run["note"]})]),
    }


def bars_of(data: DataSet, runs_by_system: dict[str, list[dict]]) -> list[Bar]:
    ours = runs_by_system[OURS]
    found = []
    for system, least in BARS.items():
        if system in runs_by_system:
            figure = against(runs_by_system[system], ours)
            found.append(Bar(f"{data.name}: at least {least} x the {system}", figure, figure >= least))
    # Whoever was given fewer rows to learn from is not compared.
    other_accuracies = [
        statistics.fmean(times(runs, "accuracy"))
        for system, runs in runs_by_system.items()
        if system != OURS and not (system == NOTEBOOK and data.notebook_rows)
    ]
    accuracy_gap = max(other_accuracies) - statistics.fmean(times(ours, "accuracy"))
    what = f"{data.name}: mean test accuracy at most {ACCURACY_TOLERANCE} below the best of the others"
    found.append(Bar(what, accuracy_gap, accuracy_gap <= ACCURACY_TOLERANCE))
    if data.name == "AG News":
        rate = 1 / statistics.median(times(ours))
        found.append(Bar(f"AG News: at least {AG_NEWS_RATE} examples/s", rate, rate >= AG_NEWS_RATE))
    return found

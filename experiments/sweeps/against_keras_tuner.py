"""Trials an hour of `keras-rnn tune` against plain keras-tuner, on the same trials, data and epochs.

Systems take turns, round by round; the clock runs from a command's start to its end, imports and preparation included.
"""

import json
import statistics
import sys
import tempfile
from collections.abc import Iterator
from pathlib import Path

import tuning
from measure import measured
from options import Options

OURS = {"keras-rnn, 1 worker": 1, "keras-rnn, 2 workers": 2}
THEIRS = {"keras-tuner, strings": "strings", "keras-tuner, ids": "ids"}
SPACE = "--cell simple_rnn,lstm,gru --num-layers 1,2 --hidden-size 32,64"
SIZE, QUICK_SIZE = "--max-trials 6 --limit 18000 --epochs 2", "--max-trials 2 --limit 600 --epochs 1"
TEXT = "--max-length 64 --vocabulary-size 10000"
SCRIPT = Path(__file__).with_name("plain_keras_tuner.py")
HYPERPARAMETERS = ("num_layers", "cell", "hidden_size")
LOST = 0.02  # of the mean validation accuracy: what differs from seed to seed


def measure(options: Options) -> Iterator[dict]:
    systems = [*OURS, *THEIRS]
    rounds = 1 if options.quick else options.rounds
    for number in range(rounds):
        turn = number % len(systems)  # so that none always runs first
        for system in [*systems[turn:], *systems[:turn]]:
            yield {"round": number + 1, "system": system, **one_sweep(system, options)}


def one_sweep(system: str, options: Options) -> dict:
    common = f"--data {options.data} {SPACE} {QUICK_SIZE if options.quick else SIZE} {TEXT} --seed {options.seed}"
    with tempfile.TemporaryDirectory() as folder:
        out = Path(folder, "sweep")
        if system in OURS:
            command = f"{common} --model lstm_64 --algorithm random --workers {OURS[system]}"
            run = tuning.tuned(out, command)
            trials = tuning.results(out)
        else:
            print(f"python {SCRIPT.name} {THEIRS[system]} {common}", flush=True)
            run = measured([sys.executable, SCRIPT, THEIRS[system], *common.split()])
            trials = json.loads(run.output.splitlines()[-1])
    if failed := [trial for trial in trials if trial["status"].lower() != "completed"]:
        raise RuntimeError(f"{system}: trials failed: {failed}")
    accuracies = [float(trial["val_accuracy"]) for trial in trials]
    return {
        "trials": len(trials),
        "seconds": round(run.seconds, 1),
        "trials_per_hour": round(len(trials) / run.seconds * 3600, 1),
        "mean_val_accuracy": round(statistics.mean(accuracies), 4),
        "best_val_accuracy": round(max(accuracies), 4),
        "peak_mib": round(run.peak_bytes / 2**20),
        "combinations": " ".join(sorted("-".join(str(trial[name]) for name in HYPERPARAMETERS) for trial in trials)),
    }


def verdicts(rows: list[dict]) -> dict[str, bool]:
    def median(system: str, column: str = "trials_per_hour") -> float:
        return statistics.median(row[column] for row in rows if row["system"] == system)

    one, two = OURS
    bars = {}
    for theirs in THEIRS:
        times = median(two) / median(theirs)
        bars[f"at least 2x the trials an hour of {theirs} ({times:.2f}x)"] = times >= 2
    times = median(two) / median(one)
    bars[f"2 workers at least 1.3x the trials an hour of 1 ({times:.2f}x)"] = times >= 1.3
    bars["every system trained the same combinations"] = len({row["combinations"] for row in rows}) == 1
    loss = max(median(theirs, "mean_val_accuracy") for theirs in THEIRS) - min(
        median(ours, "mean_val_accuracy") for ours in OURS
    )
    bars[f"no mean validation accuracy lost, within {LOST} ({-loss:+.4f})"] = loss <= LOST
    return bars

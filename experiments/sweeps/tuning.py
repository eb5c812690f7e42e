"""`keras-rnn tune` as a command, and what it leaves."""

import csv
import json
import sys
from pathlib import Path

from measure import Measured, measured

KERAS_RNN = [sys.executable, "-m", "keras_rnn.cli.main"]  # `keras-rnn` of the Python that runs the experiment


def tune_command(out: Path, options: str) -> list[str]:
    """The command that runs the sweep of these options in `out`."""
    return [*KERAS_RNN, "tune", str(out), *options.split()]


def tuned(out: Path, options: str) -> Measured:
    """Prints the command, runs it, and measures it."""
    print(f"keras-rnn tune {options}", flush=True)
    return measured(tune_command(out, options))


def results(out: Path) -> list[dict[str, str]]:
    """The rows of results.csv; none before the first trial has ended."""
    path = out / "results.csv"
    if not path.is_file():
        return []
    with open(path, newline="", encoding="utf-8") as file:
        return list(csv.DictReader(file))


def events(out: Path) -> list[dict]:
    """The whole lines of journal.jsonl: "event", "trial", ... of each; see `keras_rnn.search.journal`."""
    path = out / "journal.jsonl"
    return [json.loads(line) for line in path.read_bytes().split(b"\n")[:-1]] if path.is_file() else []


def histories(out: Path) -> dict[str, list[dict]]:
    """The epochs of each ended trial, by trial: "epoch", "seconds", and what training reported."""
    return {event["trial"]: event["result"]["history"] for event in events(out) if event["event"] == "ended"}

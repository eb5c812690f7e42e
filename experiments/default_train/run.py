"""How long the first command takes: `keras-rnn train` without arguments, and `keras-rnn --help`.

    python experiments/default_train/run.py [--rounds 3]

Wall time of the whole process, Python's start and TensorFlow's included; rows go to results.csv in this folder.
"""

import argparse
import csv
import json
import statistics
import sys
import tempfile
from pathlib import Path

HERE = Path(__file__).parent
sys.path.insert(0, str(HERE.parent))

from measure import measured  # noqa: E402

COLUMNS = ["round", "help_seconds", "train_seconds", "train_peak_mib", "test_accuracy", "held_out_accuracy"]


def one_round(number: int) -> dict:
    with tempfile.TemporaryDirectory() as folder:
        help_seconds = [measured(["keras-rnn", "--help"]).seconds for _ in range(5)]
        train_result = measured(["keras-rnn", "train"], cwd=folder)
        (run,) = Path(folder, "runs").iterdir()
        metrics = json.loads((run / "metrics.json").read_text())
    return {
        "round": number,
        "help_seconds": round(statistics.median(help_seconds), 2),
        "train_seconds": round(train_result.seconds, 1),
        "train_peak_mib": round(train_result.peak_bytes / 2**20),
        "test_accuracy": round(metrics["test"]["accuracy"], 4),
        "held_out_accuracy": round(metrics["held_out"]["accuracy"], 4),
    }


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--rounds", type=int, default=3)
    rows = []
    for number in range(1, parser.parse_args().rounds + 1):
        rows.append(one_round(number))
        print(rows[-1], flush=True)
    with open(HERE / "results.csv", "w", newline="") as file:
        writer = csv.DictWriter(file, COLUMNS)
        writer.writeheader()
        writer.writerows(rows)


if __name__ == "__main__":
    main()

"""Test accuracy with GloVe vectors on AG News, IMDB and SST-2, three seeds each, beside TF-IDF + logistic regression.

    python experiments/glove_accuracy/run.py --data ../shared/data [--only sst2] [--seeds 0 1 2]

`--data` holds the folders ag_news, imdb, sst2 and glove. Every run is the `keras-rnn train` command that it prints;
rows go to results.csv in this folder, those of data sets run anew replaced.
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

VECTORS = "glove/glove.6B.50d.top50k.txt.gz"
COMMON = "--model bilstm_2x64 --embedding-dropout 0.3 --learning-rate 0.002"
OPTIONS = {
    "ag_news": f"{COMMON} --epochs 5 --vocabulary-size 30000 --validation-fraction 0.04",
    "imdb": f"{COMMON} --epochs 3 --vocabulary-size 30000 --validation-fraction 0.04",
    "sst2": f"{COMMON} --epochs 5 --vocabulary-size 50000",
}
BAR = {"ag_news": 0.915, "imdb": 0.890, "sst2": 0.820}
COLUMNS = ["dataset", "seed", "test_accuracy", "best_epoch", "tfidf_accuracy", "seconds", "peak_mib"]


def run_one(dataset: str, seed: int, data: Path, folder: Path) -> dict:
    run = folder / f"{dataset}-{seed}"
    train = ["keras-rnn", "train", "--data", data / dataset, "--embeddings", data / VECTORS, *OPTIONS[dataset].split()]
    train += ["--seed", seed, "--no-export", "--out", run]
    print(" ".join(map(str, train)), flush=True)
    trained = measured(train)
    metrics = json.loads((run / "metrics.json").read_text())
    row = {
        "dataset": dataset,
        "seed": seed,
        "test_accuracy": round(metrics["test"]["accuracy"], 4),
        "best_epoch": metrics["best_epoch"],
        "seconds": round(trained.seconds),
        "peak_mib": round(trained.peak_bytes / 2**20),
    }
    if seed == 0:
        measured(["keras-rnn", "evaluate", run, "--baseline"])
        baselines = json.loads((run / "evaluation-test.json").read_text())["baselines"]
        row["tfidf_accuracy"] = round(baselines["TF-IDF + logistic regression"], 4)
    print(row, flush=True)
    return row


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--data", type=Path, required=True)
    parser.add_argument("--only", nargs="*", default=list(OPTIONS), choices=list(OPTIONS))
    parser.add_argument("--seeds", nargs="*", type=int, default=[0, 1, 2])
    arguments = parser.parse_args()
    results = HERE / "results.csv"
    rows = []
    if results.exists():
        with open(results, newline="") as file:
            rows = [row for row in csv.DictReader(file) if row["dataset"] not in arguments.only]
    with tempfile.TemporaryDirectory() as folder:
        for dataset in arguments.only:
            rows += [run_one(dataset, seed, arguments.data, Path(folder)) for seed in arguments.seeds]
            with open(results, "w", newline="") as file:
                writer = csv.DictWriter(file, COLUMNS)
                writer.writeheader()
                writer.writerows(sorted(rows, key=lambda row: row["dataset"]))
            mean = statistics.mean(row["test_accuracy"] for row in rows if row["dataset"] == dataset)
            print(f"{dataset}: mean test accuracy {mean:.4f} over {len(arguments.seeds)} seeds, bar {BAR[dataset]}")


if __name__ == "__main__":
    main()

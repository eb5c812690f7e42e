"""Span F1 of taggers on CoNLL-2000 chunks and SNIPS slots, three seeds each, and of the embedded default.

    python experiments/tagging/run.py --data ../shared/data [--only snips_slots] [--seeds 0 1 2]

`--data` holds the folders conll2000, snips_slots and glove. Every run is the `keras-rnn train` command that it prints;
rows go to results.csv in this folder, those of data sets run anew replaced. The settings were chosen on validation:
on the rows of SNIPS' own, and on a tenth of CoNLL-2000's training rows.
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
GLOVE = "--vocabulary-size 70000 --hidden-size 200 --epochs 12 --patience 12"
OPTIONS = {
    "slot_requests": "",
    "conll2000": f"{GLOVE} --dropout 0.3 --token-dropout 0.1 --batch-size 16 --validation-fraction 0.02",
    "snips_slots": f"{GLOVE} --dropout 0.5 --token-dropout 0.05 --batch-size 32",
}
BAR = {"slot_requests": 0.97, "conll2000": 0.940, "snips_slots": 0.945}
COLUMNS = ["dataset", "seed", "test_f1", "validation_f1", "best_epoch", "word_list_f1", "seconds", "peak_mib"]


def run_one(dataset: str, seed: int, data: Path, folder: Path) -> dict:
    run = folder / f"{dataset}-{seed}"
    train = ["keras-rnn", "train", "--task", "tagging", *OPTIONS[dataset].split()]
    if dataset != "slot_requests":
        train += ["--data", data / dataset, "--embeddings", data / VECTORS]
    train += ["--seed", seed, "--no-export", "--out", run]
    print(" ".join(map(str, train)), flush=True)
    trained = measured(train)
    metrics = json.loads((run / "metrics.json").read_text())
    row = {
        "dataset": dataset,
        "seed": seed,
        "test_f1": round(metrics["test"]["f1"], 4),
        "validation_f1": round(metrics["validation"]["f1"], 4),
        "best_epoch": metrics["best_epoch"],
        "seconds": round(trained.seconds),
        "peak_mib": round(trained.peak_bytes / 2**20),
    }
    if seed == 0:
        measured(["keras-rnn", "evaluate", run, "--baseline"])
        baselines = json.loads((run / "evaluation-test.json").read_text())["baselines"]
        row["word_list_f1"] = round(baselines["word list"]["f1"], 4)
    print(row, flush=True)
    return row


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--data", type=Path, required=True)
    parser.add_argument("--only", nargs="*", default=list(OPTIONS), choices=list(OPTIONS))
    parser.add_argument("--seeds", nargs="*", type=int, default=[0, 1, 2])
    options = parser.parse_args()
    path = HERE / "results.csv"
    rows = list(csv.DictReader(path.open())) if path.is_file() else []
    rows = [row for row in rows if row["dataset"] not in options.only]
    with tempfile.TemporaryDirectory() as folder:
        for dataset in options.only:
            dataset_rows = [run_one(dataset, seed, options.data, Path(folder)) for seed in options.seeds]
            mean = statistics.mean(row["test_f1"] for row in dataset_rows)
            print(f"{dataset}: mean span F1 {mean:.4f}, bar {BAR[dataset]}", flush=True)
            rows += dataset_rows
            with path.open("w", newline="") as file:
                writer = csv.DictWriter(file, COLUMNS)
                writer.writeheader()
                writer.writerows(rows)


if __name__ == "__main__":
    main()

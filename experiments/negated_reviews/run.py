"""Who can tell "not good, but cheap" from "good, but not cheap": bags of words against recurrent networks.

    python experiments/negated_reviews/run.py [--seeds 0 1 2]

Trains each network below on the embedded dataset with the `keras-rnn train` command that it prints; writes results.csv
and order.png in this folder.
"""

import argparse
import csv
import json
import statistics
import sys
import tempfile
from pathlib import Path

from matplotlib.figure import Figure

HERE = Path(__file__).parent
sys.path.insert(0, str(HERE.parent))

from measure import measured  # noqa: E402

MODELS = ["bag_of_embeddings", "simple_rnn_64", "gru_64", "lstm_64", "bilstm_64"]
TFIDF = "TF-IDF + logistic regression"
SPLITS = {"test": "#1f77b4", "held_out": "#ff7f0e"}
COLUMNS = ["system", "seed", *SPLITS, "seconds"]


def train(model: str, seed: int, folder: Path) -> list[dict]:
    run = folder / f"{model}-{seed}"
    command = ["keras-rnn", "train", "--model", model, "--seed", seed, "--no-export", "--out", run]
    print(" ".join(map(str, command)), flush=True)
    train_result = measured(command)
    metrics = json.loads((run / "metrics.json").read_text())
    accuracies = {split: round(metrics[split]["accuracy"], 4) for split in SPLITS}
    rows = [{"system": model, "seed": seed, **accuracies, "seconds": round(train_result.seconds, 1)}]
    if model == MODELS[0] and seed == 0:
        measured(["keras-rnn", "evaluate", run, "--baseline"])
        evaluations = {split: json.loads((run / f"evaluation-{split}.json").read_text()) for split in SPLITS}
        accuracies = {split: round(values["baselines"][TFIDF], 4) for split, values in evaluations.items()}
        rows.insert(0, {"system": TFIDF, "seed": "", **accuracies, "seconds": ""})
    print(rows, flush=True)
    return rows


def draw(rows: list[dict]) -> None:
    systems = list(dict.fromkeys(row["system"] for row in rows))
    figure = Figure(figsize=(8.5, 3.4), dpi=120, layout="constrained")
    axes = figure.subplots()
    for offset, (split, colour) in zip((-0.2, 0.2), SPLITS.items(), strict=True):
        means = [statistics.mean(row[split] for row in rows if row["system"] == system) for system in systems]
        bar_positions = [index + offset for index in range(len(systems))]
        bars = axes.bar(bar_positions, means, 0.38, color=colour, label=split.replace("_", " "))
        axes.bar_label(bars, [f"{100 * mean:.1f}" for mean in means], fontsize=8)
    axes.axhline(0.5, color="black", lw=0.8, ls=":")
    axes.set_xticks(range(len(systems)), [system.replace(" + ", " +\n") for system in systems], fontsize=8)
    axes.set(ylim=(0.4, 1.05), ylabel="accuracy", title="negated_reviews: the label hangs on the order of the words")
    axes.legend(frameon=False, loc="upper left")
    axes.spines[["top", "right"]].set_visible(False)
    figure.savefig(HERE / "order.png")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--seeds", nargs="*", type=int, default=[0, 1, 2])
    seeds = parser.parse_args().seeds
    rows = []
    with tempfile.TemporaryDirectory() as folder:
        for model in MODELS:
            for seed in seeds:
                rows += train(model, seed, Path(folder))
    with open(HERE / "results.csv", "w", newline="") as file:
        writer = csv.DictWriter(file, COLUMNS)
        writer.writeheader()
        writer.writerows(rows)
    draw(rows)


if __name__ == "__main__":
    main()

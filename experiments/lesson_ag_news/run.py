"""The lesson's networks on AG News: ours from the registry and the notebooks' recipe in plain Keras, one epoch each.

    python experiments/lesson_ag_news/run.py --data ../shared/data/ag_news [--seeds 0 1 2] [--skip-notebooks]

Rows go to results.csv in this folder; with --skip-notebooks those of the notebooks stay as they are. Times are whole
processes without the start of Python and TensorFlow: text on disk to trained epoch. Ours is the `keras-rnn train`
command that is printed; the notebooks' is notebook.py.
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

from keras_rnn import list_models  # noqa: E402

NOTEBOOKS = {
    "tf1": "lesson_tf1_simple_rnn_16",
    "tf2": "lesson_tf2_simple_rnn_16_masked",
    "tf3": "lesson_tf3_lstm_8",
    "tf4": "lesson_tf4_bilstm_2x64",
}
TITLES_ONLY = "lesson_tf1_simple_rnn_16"
COLUMNS = ["system", "model", "seed", "test_accuracy", "examples_per_second", "seconds"]


def ours(model: str, seed: int, data: Path, folder: Path) -> dict:
    run = folder / f"{model}-{seed}"
    command = ["keras-rnn", "train", "--data", data, "--model", model, "--seed", seed, "--no-export", "--out", run]
    if model == TITLES_ONLY:
        command += ["--text-column", "2", "--label-column", "1", "--no-header"]
    print(" ".join(map(str, command)), flush=True)
    measured(command)
    metrics = json.loads((run / "metrics.json").read_text())
    environment = json.loads((run / "environment.json").read_text())
    return {
        "system": "keras_rnn",
        "model": model,
        "seed": seed,
        "test_accuracy": round(metrics["test"]["accuracy"], 4),
        "examples_per_second": round(environment["examples_per_second"]),
        "seconds": round(environment["seconds"], 1),
    }


def notebook(name: str, seed: int, data: Path) -> dict:
    command = [sys.executable, HERE / "notebook.py", name, "--data", data, "--seed", seed]
    print(" ".join(map(str, command)), flush=True)
    row = json.loads(measured(command).output.splitlines()[-1])
    return {
        "system": "notebook recipe",
        "model": NOTEBOOKS[name],
        "seed": seed,
        **{column: row[column] for column in COLUMNS[3:]},
    }


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--data", type=Path, required=True)
    parser.add_argument("--seeds", nargs="*", type=int, default=[0])
    parser.add_argument("--skip-notebooks", action="store_true")
    arguments = parser.parse_args()
    models = ["bag_of_embeddings", *list_models("lesson_tf*"), *list_models("lesson_pytorch*")]
    rows = []
    if arguments.skip_notebooks and (HERE / "results.csv").exists():
        with open(HERE / "results.csv", newline="") as file:
            rows = [row for row in csv.DictReader(file) if row["system"] == "notebook recipe"]
    with tempfile.TemporaryDirectory() as folder:
        for seed in arguments.seeds:
            for model in models:
                rows.append(ours(model, seed, arguments.data, Path(folder)))
                print(rows[-1], flush=True)
                name = next((name for name, theirs in NOTEBOOKS.items() if theirs == model), None)
                if name and not arguments.skip_notebooks:
                    rows.append(notebook(name, seed, arguments.data))
                    print(rows[-1], flush=True)
                with open(HERE / "results.csv", "w", newline="") as file:
                    writer = csv.DictWriter(file, COLUMNS)
                    writer.writeheader()
                    writer.writerows(rows)
    for system, model in dict.fromkeys((row["system"], row["model"]) for row in rows):
        group = [row for row in rows if (row["system"], row["model"]) == (system, model)]
        means = [
            statistics.mean(float(row[column]) for row in group) for column in ("test_accuracy", "examples_per_second")
        ]
        print(f"| {model} | {system} | {means[0]:.4f} | {means[1]:,.0f} |")


if __name__ == "__main__":
    main()

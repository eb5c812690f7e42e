"""Span F1 of taggers on CoNLL-2000 chunks and SNIPS slots, three seeds each, and of the embedded default.

    python experiments/tagging/run.py --data ../shared/data [--only snips_slots] [--seeds 0 1 2]

`--data` holds the folders conll2000, snips_slots and glove. Every run is the `keras-rnn train` command that it prints;
rows go to results.csv in this folder, those of data sets run anew replaced. The settings were chosen on validation:
on the rows of SNIPS' own, and on a tenth of CoNLL-2000's training rows.
"""

import sys
from pathlib import Path

HERE = Path(__file__).parent
sys.path.insert(0, str(HERE.parent))

from seeds import baselines_of, run_seeds, trained_row  # noqa: E402

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
    figures = {"test_f1": ("test", "f1"), "validation_f1": ("validation", "f1")}
    row = trained_row(train, run, dataset, seed, figures)
    if seed == 0:
        row["word_list_f1"] = round(baselines_of(run)["word list"]["f1"], 4)
    print(row, flush=True)
    return row


if __name__ == "__main__":
    run_seeds(__doc__.splitlines()[0], HERE / "results.csv", COLUMNS, BAR, "test_f1", run_one)

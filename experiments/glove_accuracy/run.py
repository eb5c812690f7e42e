"""Test accuracy with GloVe vectors on AG News, IMDB and SST-2, three seeds each, beside TF-IDF + logistic regression.

    python experiments/glove_accuracy/run.py --data ../shared/data [--only sst2] [--seeds 0 1 2]

`--data` holds the folders ag_news, imdb, sst2 and glove. Every run is the `keras-rnn train` command that it prints;
rows go to results.csv in this folder, those of data sets run anew replaced.
"""

import sys
from pathlib import Path

HERE = Path(__file__).parent
sys.path.insert(0, str(HERE.parent))

from seeds import baselines_of, run_seeds, trained_row  # noqa: E402

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
    row = trained_row(train, run, dataset, seed, {"test_accuracy": ("test", "accuracy")})
    if seed == 0:
        row["tfidf_accuracy"] = round(baselines_of(run)["TF-IDF + logistic regression"], 4)
    print(row, flush=True)
    return row


if __name__ == "__main__":
    run_seeds(__doc__.splitlines()[0], HERE / "results.csv", COLUMNS, BAR, "test_accuracy", run_one)

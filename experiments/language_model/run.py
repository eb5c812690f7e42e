"""Perplexities of language models: the embedded default, Penn Treebank words and Tiny Shakespeare characters.

    python experiments/language_model/run.py --data ../shared/data [--only topics] [--seeds 0]

`--data` holds the folders ptb and tiny_shakespeare. Every run is the `keras-rnn train` command that it prints; rows go
to results.csv in this folder, those of data sets run anew replaced. The first seed of `topics` also writes sample.txt.
Settings are chosen on validation text alone.
"""

import subprocess
import sys
from pathlib import Path

HERE = Path(__file__).parent
sys.path.insert(0, str(HERE.parent))

from seeds import baselines_of, run_seeds, trained_row  # noqa: E402

OPTIONS = {
    "topics": "",
    "ptb": "--tokens word --vocabulary-size 10002 --model awd_lstm --epochs 30 --patience 30 --averaging 0.999",
    "tiny_shakespeare": "--tokens character --vocabulary-size 100 --model char_lstm_lm --chunk-length 128 --epochs 12",
}
SOURCES = {"ptb": "ptb", "tiny_shakespeare": "tiny_shakespeare/input.txt.gz"}
# Perplexities of the test text: a bigram of the same tokens on topics, and exp(1.50 nats) on Tiny Shakespeare.
BAR = {"topics": 250, "ptb": 95, "tiny_shakespeare": 4.48}
COLUMNS = [
    "dataset",
    "seed",
    "test_perplexity",
    "validation_perplexity",
    "test_bits_per_character",
    "bigram_perplexity",
    "best_epoch",
    "seconds",
    "peak_mib",
]
SAMPLE = ["--prompt", "The import statement", "--length", "250", "--seed", "1"]


def run_one(dataset: str, seed: int, data: Path, folder: Path) -> dict:
    run = folder / f"{dataset}-{seed}"
    train = ["keras-rnn", "train", "--task", "language_model", *OPTIONS[dataset].split()]
    if dataset in SOURCES:
        train += ["--data", data / SOURCES[dataset]]
    figures = {
        "test_perplexity": ("test", "perplexity"),
        "validation_perplexity": ("validation", "perplexity"),
        "test_bits_per_character": ("test", "bits_per_character"),
    }
    row = trained_row(train, run, dataset, seed, figures)
    if seed == 0:
        row["bigram_perplexity"] = round(baselines_of(run)["bigram"]["perplexity"], 2)
        if dataset == "topics":
            text = subprocess.run(["keras-rnn", "generate", run, *SAMPLE], check=True, capture_output=True, text=True)
            (HERE / "sample.txt").write_text(text.stdout, encoding="utf-8")
    print(row, flush=True)
    return row


if __name__ == "__main__":
    run_seeds(__doc__.splitlines()[0], HERE / "results.csv", COLUMNS, BAR, "test_perplexity", run_one)

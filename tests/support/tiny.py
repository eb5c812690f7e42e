"""A dataset small enough to train on within a test, whose label is the order of two words."""

import csv
from pathlib import Path

import numpy as np

from keras_rnn.datasets import Split, TextDataset

CLASSES = ("negative", "positive")
FILLERS = ("really", "quite", "the", "film", "was", "it", "and", "very")


def split(rows: int, seed: int) -> Split:
    rng = np.random.default_rng(seed)
    texts, labels = [], []
    for _ in range(rows):
        label = int(rng.integers(2))
        pair = ["good", "bad"] if label else ["bad", "good"]
        filler = [str(word) for word in rng.choice(FILLERS, rng.integers(0, 7))]
        texts.append(" ".join([pair[0], *filler, pair[1]]))
        labels.append(label)
    return Split(texts, np.array(labels, np.int32))


def dataset() -> TextDataset:
    return TextDataset("tiny", CLASSES, split(192, 0), split(48, 1), split(40, 2), {"other": split(24, 3)})


def write_csv(path: Path, rows: Split) -> Path:
    with open(path, "w", newline="", encoding="utf-8") as file:
        writer = csv.writer(file)
        writer.writerow(["text", "label"])
        writer.writerows((text, CLASSES[label]) for text, label in zip(rows.texts, rows.labels, strict=True))
    return path


# Options that make a run a matter of seconds.
SMALL = {"model": "gru_64", "hidden_size": 8, "embedding_size": 8, "batch_size": 16, "learning_rate": 0.02}

"""Texts that a language model can learn something of within a test, and the options of a small one."""

import numpy as np

from keras_rnn.datasets.dataset import Dataset, Split

NOUNS, VERBS = ("cat", "dog", "bird", "cow"), ("sees", "likes", "hears")

# Options that make a run a matter of seconds.
SMALL = {
    "task": "language_model",
    "embedding_size": 8,
    "hidden_size": 12,
    "num_layers": 1,
    "batch_size": 4,
    "chunk_length": 12,
    "learning_rate": 0.02,
    "epochs": 2,
}


def sentences(count: int, seed: int) -> list[str]:
    rng = np.random.default_rng(seed)

    def noun() -> str:
        return ("a " if rng.random() < 0.5 else "the ") + str(rng.choice(NOUNS))

    return [f"{noun()} {rng.choice(VERBS)} {noun()}" for _ in range(count)]


def text(lines: int, seed: int) -> str:
    return "".join(f"{sentence}\n" for sentence in sentences(lines, seed))


def dataset(split) -> Dataset:
    """`split(rows, seed)` is the column `text` of a split."""
    train, validation, test = (Split(text=split(rows, seed)) for seed, rows in enumerate((60, 12, 9)))
    return Dataset("little", (), train, validation, test, {"again": validation})


def one_text() -> Dataset:
    """One document a split, whose end is not predicted."""
    return dataset(lambda rows, seed: [text(rows, seed)])


def many_texts() -> Dataset:
    """Many documents, of one line or of two; some tokens of the test split were never seen."""

    def split(rows, seed):
        lines = sentences(rows, seed)
        unseen = ["a zebra\nsees x"] if seed == 2 else []
        return [*lines[::2], *map("\n".join, zip(lines[::2], lines[1::2], strict=False)), *unseen]

    return dataset(split)

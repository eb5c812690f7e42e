"""What every dataset becomes: class names, and texts with integer labels for train, validation and test."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

import numpy as np

from keras_rnn import checks
from keras_rnn.datasets.stored_texts import StoredTexts
from keras_rnn.errors import UsageError


@dataclass(frozen=True)
class Split:
    """Texts (`str`, one a row) and their labels (int32, shape `(rows,)`, indices into the class names).

    A list of texts will do. Those of files and of TFDS are `StoredTexts`, which take hardly any memory.
    """

    texts: Sequence[str]
    labels: np.ndarray

    def __post_init__(self):
        if len(self.texts) != len(self.labels):
            raise ValueError(
                f"a split takes one label a text, got {len(self.texts)} texts and {len(self.labels)} labels"
            )

    def __len__(self) -> int:
        return len(self.texts)

    def take(self, rows: np.ndarray) -> "Split":
        """The split of these row numbers, in this order."""
        texts = self.texts.take(rows) if isinstance(self.texts, StoredTexts) else [self.texts[row] for row in rows]
        return Split(texts, np.asarray(self.labels)[rows])


@dataclass(frozen=True)
class TextDataset:
    """A text classification dataset.

    `test` is None where there is none. `extra` holds further labelled splits by name (for example
    `negated_reviews`' "held_out"), evaluated beside the test split and never trained on.
    """

    name: str
    class_names: tuple[str, ...]
    train: Split
    validation: Split
    test: Split | None = None
    extra: Mapping[str, Split] = field(default_factory=dict)

    def __post_init__(self):
        splits = {"train": self.train, "validation": self.validation, "test": self.test, **self.extra}
        for name, split in splits.items():
            if split is None or not len(split):
                continue
            lowest, highest, last = np.min(split.labels), np.max(split.labels), len(self.class_names) - 1
            if lowest < 0 or highest > last:
                raise UsageError(
                    f"dataset {self.name!r}: labels of the {name} split take 0 to {last}, got {lowest} to {highest}"
                )


def carve(split: Split, fraction: float, seed: int) -> tuple[Split, Split]:
    """Cuts `split` into (rest, carved), stratified by label and seeded; both keep the order of the rows.

    Each class gives `fraction` of its rows, rounded; one of two or more rows gives at least one and keeps at
    least one, so that no class leaves the training data.
    """
    checks.fraction("fraction", fraction)
    rng = np.random.default_rng(seed)
    carved = np.zeros(len(split), dtype=bool)
    for label in np.unique(split.labels):
        rows = np.flatnonzero(split.labels == label)
        if len(rows) < 2:
            continue
        count = min(max(round(fraction * len(rows)), 1), len(rows) - 1)
        carved[rng.choice(rows, size=count, replace=False)] = True
    return split.take(np.flatnonzero(~carved)), split.take(np.flatnonzero(carved))

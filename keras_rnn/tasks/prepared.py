"""A dataset made ready to train on: each field encoded, in files that are memory-mapped."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING, Any

import numpy as np

if TYPE_CHECKING:
    import keras

SAMPLES = 16  # and the longest one


@dataclass(frozen=True)
class EncodedSplit:
    """The columns that a model reads and those that it learns, by name.

    The first input is one of token ids; its lengths say which rows go into a batch together.
    """

    inputs: Mapping[str, Any]  # each a keras_rnn.text.columns.Column
    targets: Mapping[str, Any]

    def __len__(self) -> int:
        return len(self.tokens)

    @property
    def tokens(self) -> Any:
        """The first input."""
        return next(iter(self.inputs.values()))

    @property
    def lengths(self) -> np.ndarray:
        """Tokens in each row, int64 `(rows,)`."""
        return self.tokens.lengths

    def for_model(self, model: "keras.Model") -> "EncodedSplit":
        """The split with only the inputs that a model reads, by the names of the model's inputs."""
        names = {tensor.name for tensor in model.inputs}
        if len(self.inputs) == len(names):
            return self
        return replace(self, inputs={name: column for name, column in self.inputs.items() if name in names})

    def take_inputs(self, rows: np.ndarray) -> dict[str, np.ndarray]:
        """The inputs of these rows by name, right-padded to the longest of them."""
        return {name: column.padded(rows) for name, column in self.inputs.items()}

    def take_targets(self, rows: np.ndarray) -> dict[str, np.ndarray]:
        """The targets of these rows by name, right-padded to the longest of them."""
        return {name: column.padded(rows) for name, column in self.targets.items()}


@dataclass(frozen=True)
class PreparedData:
    """The encoded splits of a dataset by name ("train", "validation", "test", ...), and what a run must know of it.

    `facts` go into the run directory as JSON. `samples` are raw inputs of the test split, or of the validation split
    where there is none. A task's own class adds what its network is built from.
    """

    name: str
    splits: Mapping[str, EncodedSplit]
    facts: Mapping[str, Any]
    samples: Sequence = field(default_factory=list)

    def __str__(self) -> str:
        rows = ", ".join(f"{len(split):,} {name}" for name, split in self.splits.items())
        return f"{self.name}: {self.summary()}, {rows} rows"

    def summary(self) -> str:
        """A few words on the dataset, such as the number of its classes."""
        return f"{len(self.facts)} facts"


def sample_rows(rows: Sequence, count: int = SAMPLES) -> list:
    """`count` of the rows, evenly spaced, and the longest one after them; each once."""
    indices = np.linspace(0, len(rows) - 1, min(count, len(rows))).astype(int)
    samples = [*(rows[index] for index in indices), max(rows, key=len)]
    return [row for index, row in enumerate(samples) if row not in samples[:index]]

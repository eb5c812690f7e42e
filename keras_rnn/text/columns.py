"""The encoded columns of a split: one value a row, ids of a length of their own, or ids that index a table."""

from dataclasses import dataclass
from pathlib import Path

import numpy as np

from keras_rnn.text.encoded import EncodedTexts


@dataclass(frozen=True)
class RowValues:
    """One value a row: int32 or float32 `(rows,)`."""

    values: np.ndarray

    def __len__(self) -> int:
        return len(self.values)

    def padded(self, rows: np.ndarray) -> np.ndarray:
        """The values of these rows, `(len(rows),)`."""
        return np.asarray(self.values[rows], self.dtype)

    @property
    def dtype(self) -> type:
        """np.float32 of values with fractions, np.int32 of others."""
        return np.float32 if np.issubdtype(np.asarray(self.values[:0]).dtype, np.floating) else np.int32

    def save(self, folder: Path, name: str) -> None:
        np.save(folder / f"{name}.npy", np.asarray(self.values, self.dtype))

    @classmethod
    def open(cls, folder: Path, name: str) -> "RowValues":
        """The values that `save` wrote under `name`, memory-mapped and read-only."""
        return cls(np.load(folder / f"{name}.npy", mmap_mode="r"))


@dataclass(frozen=True)
class TableRows:
    """Ids that index the rows of a table, such as a word's characters: the table has one row for each distinct word.

    `ids` pads with 0, and row 0 of `table`, int32 `(distinct, width)`, is the padding.
    """

    ids: EncodedTexts
    table: np.ndarray

    def __len__(self) -> int:
        return len(self.ids)

    @property
    def lengths(self) -> np.ndarray:
        return self.ids.lengths

    def padded(self, rows: np.ndarray) -> np.ndarray:
        """The table's rows, int32 `(len(rows), longest of them, width)`."""
        return self.table[self.ids.padded(rows)]


Column = EncodedTexts | RowValues | TableRows

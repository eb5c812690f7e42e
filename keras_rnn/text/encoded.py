"""Texts as token ids, kept flat: tokenised once, trained on many times, memory-mapped from disk."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np

ENCODE_BATCH = 1024


@dataclass(frozen=True)
class EncodedTexts:
    """The token ids of many texts in one array.

    `ids` is int32, shape `(tokens,)`, every row's ids after the last row's; `offsets` is int64, shape
    `(rows + 1,)`: row i is `ids[offsets[i]:offsets[i + 1]]`.
    """

    ids: np.ndarray
    offsets: np.ndarray

    def __len__(self) -> int:
        return len(self.offsets) - 1

    @property
    def lengths(self) -> np.ndarray:
        """Tokens in each row, int64, shape `(rows,)`."""
        return np.diff(self.offsets)

    def padded(self, rows: np.ndarray) -> np.ndarray:
        """The ids of these rows as int32 `(len(rows), longest of them)`, right-padded with 0."""
        starts, ends = self.offsets[rows], self.offsets[np.asarray(rows) + 1]
        lengths = ends - starts
        batch = np.zeros((len(rows), int(lengths.max(initial=0))), np.int32)
        for row, (start, end) in enumerate(zip(starts, ends, strict=True)):
            batch[row, : end - start] = self.ids[start:end]
        return batch

    def save(self, folder: Path, name: str) -> None:
        np.save(folder / f"{name}.ids.npy", self.ids)
        np.save(folder / f"{name}.offsets.npy", self.offsets)

    @classmethod
    def open(cls, folder: Path, name: str) -> "EncodedTexts":
        """The texts saved under `name`, memory-mapped and read-only."""
        return cls(
            np.load(folder / f"{name}.ids.npy", mmap_mode="r"),
            np.load(folder / f"{name}.offsets.npy"),
        )


def encode(vectorizer: Callable, texts: Sequence[str], max_length: int | None = None) -> EncodedTexts:
    """`texts` through an adapted TextVectorization layer, each row cut to its first `max_length` tokens."""
    ids, lengths = [], []
    for start in range(0, len(texts), ENCODE_BATCH):
        batch = np.asarray(vectorizer(list(texts[start : start + ENCODE_BATCH])))[:, :max_length]
        real = batch != 0
        ids.append(batch[real].astype(np.int32))
        lengths.append(real.sum(axis=1))
    offsets = np.concatenate([[0], *map(np.asarray, lengths)]).cumsum(dtype=np.int64)
    return EncodedTexts(np.concatenate(ids) if ids else np.zeros(0, np.int32), offsets)

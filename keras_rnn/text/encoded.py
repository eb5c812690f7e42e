"""Texts as token ids, kept flat: tokenised once, trained on many times, memory-mapped from disk."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np

ENCODE_CHARACTERS = 2**18  # of a batch, padding included; tokens are fewer


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
    rows: list[np.ndarray] = [np.zeros(0, np.int32)] * len(texts)
    for batch in length_batches(np.array([len(text) for text in texts], np.int64), ENCODE_CHARACTERS):
        array = np.array([texts[row] for row in batch], object)  # of a list Keras would look at each text
        token_ids = np.asarray(vectorizer(array))[:, :max_length].astype(np.int32)
        for row, length, ids in zip(batch, np.count_nonzero(token_ids, axis=1), token_ids, strict=True):
            rows[row] = ids[:length].copy()
    offsets = np.cumsum([0, *map(len, rows)], dtype=np.int64)
    return EncodedTexts(np.concatenate(rows) if rows else np.zeros(0, np.int32), offsets)


def length_batches(lengths: np.ndarray, budget: int) -> list[np.ndarray]:
    """Rows of like length together, longest first, so many a batch that rows times the longest stay in `budget`.

    A longer row has a batch of its own.
    """
    order = np.argsort(-lengths, kind="stable")
    batches, start = [], 0
    while start < len(order):
        size = max(1, budget // max(1, int(lengths[order[start]])))
        batches.append(order[start : start + size])
        start += size
    return batches


def in_length_batches(function: Callable[[list[str]], np.ndarray], texts: Sequence[str], budget: int) -> np.ndarray:
    """`function` of all `texts`, one row a text, called on texts of like length so that one long text pads no other.

    `budget` bounds the texts of a call times the characters of the longest.
    """
    batches = length_batches(np.array([len(text) for text in texts], np.int64), budget)
    results = np.concatenate([function([texts[row] for row in batch]) for batch in batches])
    return results[np.argsort(np.concatenate(batches))]

"""Texts as token ids, kept flat: tokenised once, trained on many times, memory-mapped from disk."""

import os
from collections.abc import Callable, Iterable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path
from typing import Any, BinaryIO

import numpy as np

ENCODE_CHARACTERS = 2**18  # of a batch, padding included; tokens are fewer
# Texts are encoded and written in blocks of this size, which is enough for batches of texts of like length.
BLOCK_CHARACTERS, BLOCK_ROWS = 2**21, 2**15
RENUMBERED_IDS = 2**20  # at a time


@dataclass(frozen=True)
class EncodedTexts:
    """The token ids of many texts in one array.

    `ids` is int32, shape `(tokens,)`, every row's ids after the last row's; `offsets` is int64, shape
    `(rows + 1,)`: row i is `ids[offsets[i]:offsets[i + 1]]`. A batch is padded with `padding`.
    """

    ids: np.ndarray
    offsets: np.ndarray
    padding: int = 0

    def __len__(self) -> int:
        return len(self.offsets) - 1

    @property
    def lengths(self) -> np.ndarray:
        """Tokens in each row, int64, shape `(rows,)`."""
        return np.diff(self.offsets)

    def padded(self, rows: np.ndarray) -> np.ndarray:
        """The ids of these rows as int32 `(len(rows), longest of them)`, right-padded with `padding`."""
        starts, ends = self.offsets[rows], self.offsets[np.asarray(rows) + 1]
        lengths = ends - starts
        batch = np.full((len(rows), int(lengths.max(initial=0))), self.padding, np.int32)
        for row, (start, end) in enumerate(zip(starts, ends, strict=True)):
            batch[row, : end - start] = self.ids[start:end]
        return batch

    @classmethod
    def open(cls, folder: Path, name: str, padding: int = 0) -> "EncodedTexts":
        """The texts that `save` wrote under `name`, memory-mapped and read-only."""
        return cls(
            np.load(folder / f"{name}.ids.npy", mmap_mode="r"),
            np.load(folder / f"{name}.offsets.npy", mmap_mode="r"),
            padding,
        )


def encode(vectorizer: Callable, texts: Iterable[str], max_length: int | None = None) -> Iterator[EncodedTexts]:
    """`texts` through an adapted TextVectorization layer, each row cut to its first `max_length` tokens.

    The ids come in blocks, in the order of the texts, so that neither all texts nor all ids are in memory at once.
    """

    def encode_batch(texts: list[str]) -> list[np.ndarray]:
        array = np.array(texts, object)  # Keras would inspect each text of a list
        token_ids = np.asarray(vectorizer(array))[:, :max_length].astype(np.int32)
        return [ids[:length] for ids, length in zip(token_ids, np.count_nonzero(token_ids, axis=1), strict=True)]

    for block in blocks(texts, BLOCK_CHARACTERS, BLOCK_ROWS):
        rows: list[np.ndarray] = [np.zeros(0, np.int32)] * len(block)
        batches = length_batches(_lengths(block), ENCODE_CHARACTERS)
        with ThreadPoolExecutor(os.cpu_count()) as threads:  # the layer's operations take one each
            encoded = threads.map(encode_batch, ([block[row] for row in batch] for batch in batches))
        for batch, batch_ids in zip(batches, encoded, strict=True):
            for row, ids in zip(batch, batch_ids, strict=True):
                rows[row] = ids
        yield EncodedTexts(np.concatenate(rows), np.cumsum([0, *map(len, rows)], dtype=np.int64))


def save(blocks: Iterable[EncodedTexts], folder: Path, name: str) -> None:
    """Writes blocks of texts, one after the other, for `EncodedTexts.open`."""
    lengths, tokens = [np.zeros(1, np.int64)], 0
    with open(folder / f"{name}.ids.npy", "wb") as file:
        _write_header(file, tokens)
        for block in blocks:
            block.ids.tofile(file)
            lengths.append(block.lengths)
            tokens += len(block.ids)
        file.seek(0)
        _write_header(file, tokens)  # of the same length: NumPy leaves room for arrays to grow
    np.save(folder / f"{name}.offsets.npy", np.cumsum(np.concatenate(lengths)))


def renumber(folder: Path, name: str, new_ids: np.ndarray) -> None:
    """Puts `new_ids[id]` in place of each id of the texts that `save` wrote under `name`; `new_ids` is int32."""
    tokens: Any = EncodedTexts.open(folder, name).ids  # a np.memmap
    with open(folder / f"{name}.ids.npy", "r+b") as file:  # not mapped: what is written would stay in memory
        for start in range(0, len(tokens), RENUMBERED_IDS):
            position = tokens.offset + start * tokens.itemsize
            file.seek(position)
            ids = np.fromfile(file, np.int32, min(RENUMBERED_IDS, len(tokens) - start))
            file.seek(position)
            new_ids[ids].tofile(file)


def _write_header(file: BinaryIO, tokens: int) -> None:
    """Writes the header of a .npy file of `tokens` int32 numbers."""
    header = {"descr": np.lib.format.dtype_to_descr(np.dtype(np.int32)), "fortran_order": False, "shape": (tokens,)}
    np.lib.format.write_array_header_1_0(file, header)


def blocks(texts: Iterable[str], most_characters: int, most_rows: int) -> Iterator[list[str]]:
    """The texts in order, in blocks that end at `most_rows` texts or at the text that reaches `most_characters`."""
    block, characters = [], 0
    for text in texts:
        block.append(text)
        characters += len(text)
        if characters >= most_characters or len(block) == most_rows:
            yield block
            block, characters = [], 0
    if block:
        yield block


def _lengths(texts: Sequence[str]) -> np.ndarray:
    return np.fromiter(map(len, texts), np.int64, len(texts))


def length_batches(lengths: np.ndarray, budget: int) -> list[np.ndarray]:
    """Batches of rows of like length, longest first; rows times the longest of a batch stay in `budget`.

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
    batches = length_batches(_lengths(texts), budget)
    results = np.concatenate([function([texts[row] for row in batch]) for batch in batches])
    return results[np.argsort(np.concatenate(batches))]

"""Texts in a temporary file instead of in memory, where only their places stay: a sequence of strings all the same."""

import os
import tempfile
import weakref
from array import array
from collections.abc import Iterable, Iterator, Sequence
from typing import Any

import numpy as np

from keras_rnn.datasets.readers import listed

BUFFER_BYTES = 2**20
BLOCK_ROWS = 1024  # that are read at once, where they lie within BLOCK_BYTES
BLOCK_BYTES = 2**22


def stored(texts: Iterable[str]) -> "StoredTexts":
    """These texts, in a file of their own."""
    file = TextFile()
    for text in texts:
        file.append(text)
    return file.texts()


def _decode(data: bytes) -> str:
    return data.decode("utf-8", "surrogatepass")


def _full(error: OSError) -> OSError:
    """The error of a folder that texts cannot be written to."""
    reason = f"cannot keep the texts in {tempfile.gettempdir()}: {error.strerror or error}"
    return OSError(error.errno, f"{reason}; TMPDIR names another folder for temporary files")


class TextFile:
    """A temporary file that texts are appended to, and then read from.

    It has no name, so it is gone with this object or with its process, however that ends. It is read by position
    only: threads and forked processes do not disturb each other. It is not memory-mapped, since mapped pages count as
    memory. Half a surrogate pair, which UTF-8 has no bytes for, comes back as it went in.

    Raises:
        OSError: the folder for temporary files (TMPDIR) is missing or full.
    """

    def __init__(self):
        self._file = tempfile.TemporaryFile(buffering=BUFFER_BYTES)  # noqa: SIM115  as long as this object
        weakref.finalize(self, self._file.raw.close)  # what is still buffered need not be written
        self._ends = array("q", [0])
        self._size = 0

    def __len__(self) -> int:
        return len(self._ends) - 1

    def append(self, text: str) -> None:
        data = text.encode("utf-8", "surrogatepass")
        try:
            self._file.write(data)
        except OSError as error:
            raise _full(error) from error
        self._size += len(data)
        self._ends.append(self._size)

    def texts(self) -> "StoredTexts":
        """All texts; no more can be appended."""
        try:
            self._file.flush()
        except OSError as error:
            raise _full(error) from error
        self._places = np.frombuffer(self._ends, np.int64)
        return StoredTexts(self, np.arange(len(self)))

    def text(self, row: int) -> str:
        return _decode(self._bytes(self._ends[row], self._ends[row + 1]))

    def read(self, rows: np.ndarray) -> Iterator[str]:
        """The texts of these row numbers, one at least."""
        starts, ends = self._places[rows], self._places[rows + 1]
        first, last = int(starts.min()), int(ends.max())
        if last - first > BLOCK_BYTES:  # long texts, or far from each other
            yield from map(self.text, rows)
            return
        data = self._bytes(first, last)
        for start, end in zip((starts - first).tolist(), (ends - first).tolist(), strict=True):
            yield _decode(data[start:end])

    def _bytes(self, start: int, end: int) -> bytes:
        return os.pread(self._file.fileno(), end - start, start)


class StoredTexts(Sequence[str]):
    """Rows of a TextFile, read when they are asked for. Equal to a list of the same texts; slices are not copies."""

    def __init__(self, file: TextFile, rows: np.ndarray):
        self._file, self._rows = file, rows

    def __len__(self) -> int:
        return len(self._rows)

    def __getitem__(self, index: int | slice) -> Any:  # a text, or StoredTexts
        if isinstance(index, slice):
            return self.take(index)
        return self._file.text(self._rows[index])

    def __iter__(self) -> Iterator[str]:
        for start in range(0, len(self), BLOCK_ROWS):
            yield from self._file.read(self._rows[start : start + BLOCK_ROWS])

    def __eq__(self, other: object) -> bool:
        if not isinstance(other, list | StoredTexts):
            return NotImplemented
        return len(self) == len(other) and all(mine == its for mine, its in zip(self, other, strict=True))

    def __repr__(self) -> str:
        return f"<{len(self):,} texts: {listed(self[:4], most=3)}>"

    def __reduce__(self):  # another process has another file
        return stored, (list(self),)

    def take(self, rows: np.ndarray | slice) -> "StoredTexts":
        """The texts of these row numbers, in this order, in the same file."""
        return StoredTexts(self._file, self._rows[rows])

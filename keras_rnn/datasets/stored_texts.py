"""A sequence of strings in a temporary file; only their offsets stay in memory."""

import os
import tempfile
import weakref
from array import array
from collections.abc import Iterable, Iterator, Sequence
from typing import Any

import numpy as np

from keras_rnn.datasets.readers import listed

BUFFER_BYTES = 2**20
BLOCK_ROWS = 1024  # read at once where they lie within BLOCK_BYTES
BLOCK_BYTES = 2**22


def stored(texts: Iterable[str]) -> "StoredTexts":
    """These texts, in a file of their own."""
    file = TextFile()
    for text in texts:
        file.append(text)
    return file.texts()


def _decode(data: bytes) -> str:
    return data.decode("utf-8", "surrogatepass")


def _write_error(error: OSError) -> OSError:
    """The error of a folder that texts cannot be written to."""
    reason = f"cannot keep the texts in {tempfile.gettempdir()}: {error.strerror or error}"
    return OSError(error.errno, f"{reason}; TMPDIR names another folder for temporary files")


class TextFile:
    """A temporary file that texts are appended to, and then read from.

    It has no name, so it disappears with this object or its process, however that ends. It is read by position
    only: threads and forked processes do not disturb each other. It is not memory-mapped, since mapped pages count as
    memory. Half a surrogate pair, which UTF-8 has no bytes for, comes back as it went in.

    Raises:
        OSError: the folder for temporary files (TMPDIR) is missing or full.
    """

    def __init__(self):
        self._file = tempfile.TemporaryFile(buffering=BUFFER_BYTES)  # noqa: SIM115  open as long as this object lives
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
            raise _write_error(error) from error
        self._size += len(data)
        self._ends.append(self._size)

    def texts(self) -> "StoredTexts":
        """All texts; no more can be appended."""
        try:
            self._file.flush()
        except OSError as error:
            raise _write_error(error) from error
        self._boundaries = np.frombuffer(self._ends, np.int64)
        return StoredTexts(self, np.arange(len(self)))

    def text(self, row: int) -> str:
        return _decode(self._bytes(self._ends[row], self._ends[row + 1]))

    def read(self, rows: np.ndarray) -> Iterator[str]:
        """The texts of these row numbers, one at least."""
        starts, ends = self._boundaries[rows], self._boundaries[rows + 1]
        block_start, block_end = int(starts.min()), int(ends.max())
        if block_end - block_start > BLOCK_BYTES:  # long texts, or far from each other
            yield from map(self.text, rows)
            return
        data = self._bytes(block_start, block_end)
        for start, end in zip((starts - block_start).tolist(), (ends - block_start).tolist(), strict=True):
            yield _decode(data[start:end])

    def _bytes(self, start: int, end: int) -> bytes:
        return os.pread(self._file.fileno(), end - start, start)


class StoredTexts(Sequence[str]):
    """Rows of a TextFile, read on access. Equal to a list of the same texts; slices are not copies."""

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
        return len(self) == len(other) and all(text == other_text for text, other_text in zip(self, other, strict=True))

    def __repr__(self) -> str:
        return f"<{len(self):,} texts: {listed(self[:4], max_values=3)}>"

    def __reduce__(self):  # another process has another file
        return stored, (list(self),)

    def take(self, rows: np.ndarray | slice) -> "StoredTexts":
        """The texts of these row numbers, in this order, in the same file."""
        return StoredTexts(self._file, self._rows[rows])

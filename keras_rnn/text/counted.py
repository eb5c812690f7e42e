"""The tokens of texts, counted, and kept as numbers meanwhile: a vocabulary follows from the counts of all of them.

A text is so split only once. The ids are in the file before anybody knows them, and `renumber` puts them right.
"""

import os
from collections import defaultdict, deque
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import ThreadPoolExecutor
from itertools import count

import numpy as np
import tensorflow as tf

from keras_rnn.text.encoded import EncodedTexts, blocks

# Of a batch: enough that most of its tokens stand there before, and so few that all cores have some.
BATCH_CHARACTERS, BATCH_ROWS = 2**19, 2**12


class TokenCounts:
    """How often each token stands in texts. A token's number is how many others were met before it.

    Args:
        split: strings `(batch,)` to their tokens, a ragged tensor `(batch, None)` of strings; called in threads.
    """

    def __init__(self, split: Callable[[np.ndarray], tf.RaggedTensor]):
        self.split = split
        self._numbers: dict[bytes, int] = defaultdict(count().__next__)
        self._counts = np.zeros(0, np.int64)

    @property
    def counts(self) -> np.ndarray:
        """Of the tokens, in the order of their numbers: int64 `(tokens,)`."""
        return self._counts[: len(self._numbers)]

    @property
    def tokens(self) -> list[bytes]:
        """In the order of their numbers, as UTF-8."""
        return list(self._numbers)

    def count(self, texts: Iterable[str]) -> "TokenCounts":
        """Counts all tokens of `texts`, and returns itself."""
        for _ in self.numbered(texts):
            pass
        return self

    def numbered(self, texts: Iterable[str], max_length: int | None = None) -> Iterator[EncodedTexts]:
        """Counts all tokens of `texts`, and says the numbers of the first `max_length` of each, in blocks of rows."""

        def counted(batch: list[str]) -> tuple[list[bytes], np.ndarray, np.ndarray, np.ndarray]:
            tokens = self.split(np.array(batch, object))
            found, places, counts = (x.numpy() for x in tf.unique_with_counts(tokens.flat_values))
            return found.tolist(), counts, *_cut(places, tokens.row_lengths().numpy(), max_length)

        for found, counts, places, lengths in _on_all_cores(counted, blocks(texts, BATCH_CHARACTERS, BATCH_ROWS)):
            numbers = np.fromiter(map(self._numbers.__getitem__, found), np.int32, len(found))
            if len(self._numbers) > len(self._counts):  # room for as many again
                self._counts = np.concatenate([self._counts, np.zeros(len(self._numbers), np.int64)])
            self._counts[numbers] += counts
            yield EncodedTexts(numbers[places], np.cumsum([0, *lengths], dtype=np.int64))

    def ids(self, vocabulary: Iterable[str], unknown: int) -> np.ndarray:
        """The id of each token, int32, in the order of their numbers, where those of a vocabulary follow `unknown`."""
        ids = np.full(len(self._numbers), unknown, np.int32)
        for place, token in enumerate(vocabulary, unknown + 1):
            number = self._numbers.get(token.encode())
            if number is not None:
                ids[number] = place
        return ids


def _cut(places: np.ndarray, lengths: np.ndarray, max_length: int | None) -> tuple[np.ndarray, np.ndarray]:
    """What is left of rows that stand one after the other, and their lengths."""
    if max_length is None or lengths.max(initial=0) <= max_length:
        return places, lengths
    in_row = np.arange(len(places)) - np.repeat(np.cumsum(lengths) - lengths, lengths)
    return places[in_row < max_length], np.minimum(lengths, max_length)


def _on_all_cores(function: Callable, batches: Iterable) -> Iterator:
    """`function` of each batch, in their order; few are under way at a time, so that few need stand in memory."""
    cores = os.cpu_count() or 1
    with ThreadPoolExecutor(cores) as threads:
        waiting: deque = deque()
        for batch in batches:
            waiting.append(threads.submit(function, batch))
            if len(waiting) > 2 * cores:
                yield waiting.popleft().result()
        while waiting:
            yield waiting.popleft().result()

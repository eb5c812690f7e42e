"""Counts of the tokens of texts, which are numbered as they appear; the vocabulary follows from the counts.

Each text is split only once: the file gets token numbers first, and `renumber` replaces them by ids.
"""

import os
from collections import defaultdict, deque
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import ThreadPoolExecutor
from itertools import count

import numpy as np
import tensorflow as tf

from keras_rnn.text.encoded import EncodedTexts, blocks

# The size of a batch: large enough that most tokens repeat in it, small enough that every core gets batches.
BATCH_CHARACTERS, BATCH_ROWS = 2**19, 2**12


class TokenCounts:
    """How often each token occurs in texts. A token's number is its place in the order of appearance.

    Args:
        split: strings `(batch,)` to their tokens, a ragged tensor `(batch, None)` of strings; called in threads.
    """

    def __init__(self, split: Callable[[np.ndarray], tf.RaggedTensor]):
        self.split = split
        self._numbers: dict[bytes, int] = defaultdict(count().__next__)
        self._counts = np.zeros(0, np.int64)

    @property
    def counts(self) -> np.ndarray:
        """The counts of the tokens, in the order of their numbers: int64 `(tokens,)`."""
        return self._counts[: len(self._numbers)]

    @property
    def tokens(self) -> list[bytes]:
        """The tokens as UTF-8, in the order of their numbers."""
        return list(self._numbers)

    def count(self, texts: Iterable[str]) -> "TokenCounts":
        """Counts all tokens of `texts`, and returns itself."""
        for _ in self.numbered(texts):
            pass
        return self

    def numbered(self, texts: Iterable[str], max_length: int | None = None) -> Iterator[EncodedTexts]:
        """Counts all tokens of `texts`; yields the numbers of the first `max_length` of each, in blocks of rows."""

        def count_batch(batch: list[str]) -> tuple[list[bytes], np.ndarray, np.ndarray, np.ndarray]:
            tokens = self.split(np.array(batch, object))
            batch_tokens, token_indices, counts = (
                tensor.numpy() for tensor in tf.unique_with_counts(tokens.flat_values)
            )
            return batch_tokens.tolist(), counts, *_cut(token_indices, tokens.row_lengths().numpy(), max_length)

        for batch_tokens, counts, token_indices, lengths in map_on_all_cores(
            count_batch, blocks(texts, BATCH_CHARACTERS, BATCH_ROWS)
        ):
            numbers = np.fromiter(map(self._numbers.__getitem__, batch_tokens), np.int32, len(batch_tokens))
            if len(self._numbers) > len(self._counts):  # double the room
                self._counts = np.concatenate([self._counts, np.zeros(len(self._numbers), np.int64)])
            self._counts[numbers] += counts
            yield EncodedTexts(numbers[token_indices], np.cumsum([0, *lengths], dtype=np.int64))

    def ids(self, vocabulary: Iterable[str], unknown: int) -> np.ndarray:
        """The id of each token, int32, in the order of their numbers; the ids of `vocabulary` start after `unknown`."""
        ids = np.full(len(self._numbers), unknown, np.int32)
        for token_id, token in enumerate(vocabulary, unknown + 1):
            number = self._numbers.get(token.encode())
            if number is not None:
                ids[number] = token_id
        return ids


def _cut(token_indices: np.ndarray, lengths: np.ndarray, max_length: int | None) -> tuple[np.ndarray, np.ndarray]:
    """Concatenated rows cut to `max_length`, and their lengths."""
    if max_length is None or lengths.max(initial=0) <= max_length:
        return token_indices, lengths
    positions = np.arange(len(token_indices)) - np.repeat(np.cumsum(lengths) - lengths, lengths)
    return token_indices[positions < max_length], np.minimum(lengths, max_length)


def map_on_all_cores(function: Callable, batches: Iterable) -> Iterator:
    """`function` of each batch, in order; a few batches at a time are in memory."""
    cores = os.cpu_count() or 1
    with ThreadPoolExecutor(cores) as threads:
        futures: deque = deque()
        for batch in batches:
            futures.append(threads.submit(function, batch))
            if len(futures) > 2 * cores:
                yield futures.popleft().result()
        while futures:
            yield futures.popleft().result()

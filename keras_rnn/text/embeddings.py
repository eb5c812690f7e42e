"""Pretrained word vectors from a text file in GloVe's layout: a word and its numbers a line, separated by spaces."""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from keras_rnn.datasets.readers import at_line, shown, text_lines
from keras_rnn.errors import UsageError


@dataclass(frozen=True)
class WordVectors:
    """`words`, most frequent first as in the file, and their `vectors`, float32 `(words, size)`."""

    words: Sequence[str]
    vectors: np.ndarray

    @property
    def size(self) -> int:
        return self.vectors.shape[1]


def load_word_vectors(path: str | Path) -> WordVectors:
    """Reads a GloVe text file (.gz too; a word2vec-style first line "rows columns" is passed over).

    Raises:
        UsageError: the file is missing, empty, not UTF-8 or a gzip file cut short, or a line has another number
            of values than the first, or a value that is no finite number.
    """
    path = Path(path)
    vectors: dict[str, np.ndarray] = {}
    size = None
    for number, line in text_lines(path):
        word, *values = line.rstrip().split(" ")
        if number == 1 and len(values) == 1:
            continue
        if size is None:
            size = len(values)
        if len(values) != size or not size:
            raise at_line(path, number, f"{len(values)} numbers after {shown(word)}, but the first line has {size}")
        try:
            vector = np.array(values, dtype=np.float32)
        except ValueError as error:
            raise at_line(path, number, str(error)) from None
        if not np.isfinite(vector).all():
            raise at_line(path, number, f"the vector of {shown(word)} holds a number that is not finite")
        vectors.setdefault(word, vector)
    if not vectors:
        raise UsageError(f"{path}: holds no vectors")
    return WordVectors(list(vectors), np.stack(list(vectors.values())))


def embedding_matrix(word_vectors: WordVectors, vocabulary: Sequence[str], seed: int = 0) -> np.ndarray:
    """The Embedding weights of `vocabulary` (all ids, padding first): float32 `(len(vocabulary), size)`.

    Padding is zeros; a word without a vector is drawn from a normal of the vectors' own mean and deviation.
    """
    rng = np.random.default_rng(seed)
    vectors = word_vectors.vectors
    matrix = rng.normal(vectors.mean(), vectors.std(), (len(vocabulary), word_vectors.size)).astype(np.float32)
    source_rows = {word: row for row, word in enumerate(word_vectors.words)}
    row_pairs = [(row, source_rows[word]) for row, word in enumerate(vocabulary) if word in source_rows]
    if row_pairs:
        rows, sources = np.array(row_pairs).T
        matrix[rows] = vectors[sources]
    matrix[0] = 0.0
    return matrix

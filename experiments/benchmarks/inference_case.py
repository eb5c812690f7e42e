"""A classifier in use, the same for every peer: its sizes, vocabulary and weights, and the texts it is asked about."""

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property

import numpy as np
from step_case import CLASSES, EMBEDDING, FIRST_WORD, zipf

GATES = {"lstm": 4, "gru": 3}
LETTERS = list("abcdefghijklmnopqrstuvwxyz")
SHORTEST, MEAN, SPREAD, LONGEST = 10, 40, 12, 100  # tokens of a text, as in AG News


@dataclass(frozen=True)
class InferenceCase:
    """Two bidirectional layers, their last states, probabilities of four classes; weights in Keras' order."""

    cell: str
    hidden_size: int
    vocabulary_size: int
    seed: int

    @cached_property
    def words(self) -> list[str]:
        """The vocabulary without padding (id 0) and the unknown token (id 1), words of 2 to 9 letters."""
        rng = np.random.default_rng(self.seed)
        words = {}
        while len(words) < self.vocabulary_size - FIRST_WORD:
            words["".join(rng.choice(LETTERS, rng.integers(2, 10)))] = None
        return list(words)

    def texts(self, count: int) -> list[str]:
        """Frequent words often, now and then an unknown one; a capital first, commas, a full stop."""
        rng = np.random.default_rng(self.seed + 1)
        words = np.array([*self.words, "unknownword"])
        lengths = rng.normal(MEAN, SPREAD, count).clip(SHORTEST, LONGEST).astype(int)
        return [_sentence(words[zipf(rng, len(words), length)]) for length in lengths]

    def weights(self) -> list[np.ndarray]:
        """Embedding; kernel, recurrent kernel and bias of each layer and direction; kernel and bias of the classes."""
        rng = np.random.default_rng(self.seed + 2)
        units, gates = self.hidden_size, GATES[self.cell]
        bias = (2, gates * units) if self.cell == "gru" else (gates * units,)
        shapes = [(self.vocabulary_size, EMBEDDING)]
        for features in (EMBEDDING, 2 * units):
            shapes += 2 * [(features, gates * units), (units, gates * units), bias]
        shapes += [(2 * units, CLASSES), (CLASSES,)]
        scales = [1, *[units**-0.5] * (len(shapes) - 3), 1, 1]
        return [scale * rng.standard_normal(shape, np.float32) for scale, shape in zip(scales, shapes, strict=True)]

    def directions(self) -> list[list[np.ndarray]]:
        """Those of `weights` that are recurrent: kernel, recurrent kernel, bias of each direction, layer by layer."""
        weights = self.weights()[1:-2]
        return [weights[first : first + 3] for first in range(0, len(weights), 3)]


def _sentence(words: Sequence[str]) -> str:
    clauses = [" ".join(words[first : first + 8]) for first in range(0, len(words), 8)]
    return ", ".join(clauses).capitalize() + "."

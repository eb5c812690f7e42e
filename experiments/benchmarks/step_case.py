"""A classifier's train step to be timed: the sizes of the model and of its batches, the same for every peer."""

from dataclasses import dataclass

import numpy as np

CLASSES = 4
EMBEDDING = 128
LEARNING_RATE = 3e-3
CLIP_NORM = 1.0
BATCHES = 16  # which then come again
FIRST_WORD = 2  # after padding and the unknown token


@dataclass(frozen=True)
class StepCase:
    """Texts of `shortest` to `time` tokens, evenly, right-padded with 0; the longest of a batch has `time`."""

    batch: int
    time: int
    shortest: int
    vocabulary_size: int
    hidden_size: int
    num_layers: int
    seed: int

    def batches(self) -> list[tuple[np.ndarray, np.ndarray]]:
        """Token ids int32 `(batch, time)` and labels int32 `(batch,)`."""
        rng = np.random.default_rng(self.seed)
        return [(self._token_ids(rng), rng.integers(0, CLASSES, self.batch, np.int32)) for _ in range(BATCHES)]

    def _token_ids(self, rng: np.random.Generator) -> np.ndarray:
        lengths = rng.integers(self.shortest, self.time, self.batch, endpoint=True)
        lengths[0] = self.time
        words = zipf(rng, self.vocabulary_size - FIRST_WORD, (self.batch, self.time))
        is_real = np.arange(self.time) < lengths[:, np.newaxis]
        return np.where(is_real, words + FIRST_WORD, 0).astype(np.int32)


def zipf(rng: np.random.Generator, words: int, shape) -> np.ndarray:
    """Words from 0 to `words` - 1, the n-th as frequent as 1 / n, as in texts (Zipf's law)."""
    return ((words + 1) ** rng.random(shape)).astype(np.int64) - 1

"""What all contenders train on."""

import numpy as np

CLASSES, EMBEDDING = 4, 128


def rows(*, vocabulary_size: int, batch: int, time: int, steps: int, padded: bool) -> tuple[np.ndarray, np.ndarray]:
    """Token ids int32 `(steps * batch, time)`, right-padded with 0 where `padded`, and labels."""
    rng = np.random.default_rng(0)
    token_ids = rng.integers(2, vocabulary_size, (steps * batch, time), np.int32)
    if padded:
        lengths = rng.integers(time // 2, time, len(token_ids), endpoint=True)
        token_ids[np.arange(time) >= lengths[:, np.newaxis]] = 0
    return token_ids, rng.integers(0, CLASSES, len(token_ids), np.int32)

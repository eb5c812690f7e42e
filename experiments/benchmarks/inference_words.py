"""A tokeniser in plain Python, for the peers that bring none: of the texts here it makes the ids of the SavedModels."""

import re
from collections.abc import Sequence

import numpy as np

WORD = re.compile(r"\w+")
FIRST_ID, UNKNOWN = 2, 1


class Words:
    def __init__(self, words: Sequence[str]):
        self.ids = {word: index for index, word in enumerate(words, FIRST_ID)}

    def __call__(self, texts: Sequence[str]) -> tuple[np.ndarray, np.ndarray]:
        """int64 ids `(texts, longest)`, right-padded with 0, and lengths `(texts,)`."""
        get = self.ids.get
        rows = [[get(word, UNKNOWN) for word in WORD.findall(text.lower())] for text in texts]
        lengths = np.array([len(row) for row in rows])
        ids = np.zeros((len(rows), lengths.max()), np.int64)
        for row, values in enumerate(rows):
            ids[row, : len(values)] = values
        return ids, lengths

"""Synthetic labelled texts as a CSV file: made up words, as frequent as real ones, in texts as long as real ones."""

from pathlib import Path

import numpy as np
from step_case import CLASSES, zipf

WORDS = 50_000
MEDIAN_LENGTH, SPREAD, LONGEST = 34, 0.45, 400  # words: 38 a text on average, as in AG News
CHUNK = 10_000  # rows that are made at once
SYLLABLES = [consonant + vowel for consonant in "bcdfghjklmnprstvwxyz" for vowel in "aeiou"]


def word(number: int) -> str:
    """The word of this rank: two syllables, then three; each word once."""
    first, last = divmod(number + len(SYLLABLES), len(SYLLABLES))
    return (word(first - len(SYLLABLES)) if first >= len(SYLLABLES) else SYLLABLES[first]) + SYLLABLES[last]


def write_rows(path: Path, rows: int, seed: int) -> None:
    rng = np.random.default_rng(seed)
    words = [word(number) for number in range(WORDS)]
    with open(path, "w") as file:
        file.write("label,text\n")
        for start in range(0, rows, CHUNK):
            count = min(CHUNK, rows - start)
            lengths = rng.lognormal(np.log(MEDIAN_LENGTH), SPREAD, count).astype(int).clip(1, LONGEST)
            ends = np.cumsum(lengths)
            chosen_words = [words[number] for number in zipf(rng, WORDS, ends[-1])]
            labels = rng.integers(0, CLASSES, count)
            file.writelines(
                f"{label},{' '.join(chosen_words[end - length : end])}\n"
                for label, length, end in zip(labels, lengths, ends, strict=True)
            )

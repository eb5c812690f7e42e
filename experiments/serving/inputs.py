"""The model that is served, which is the pretrained one of the source tree, and texts that it never saw."""

from functools import cache
from pathlib import Path

from keras_rnn.datasets import load_dataset

MODELS = Path(__file__).parents[2] / "saved_models"
MODEL = "negated_reviews"


@cache
def short_texts() -> list[str]:
    """The 2,000 texts of the test split of negated_reviews; 16 words on average."""
    return load_dataset(MODEL).test.texts


@cache
def long_texts() -> list[str]:
    """The 2,000 texts of the held-out split; 39 words on average, which is the length of AG News' items."""
    return load_dataset(MODEL).extra["held_out"].texts

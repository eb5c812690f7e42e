"""Rows of classification: a text and a label each, as token ids and class indices."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import keras
import numpy as np

from keras_rnn import datasets
from keras_rnn.datasets import DataOptions, Dataset, Split
from keras_rnn.errors import UsageError
from keras_rnn.tasks.prepared import EncodedSplit, PreparedData, sample_rows
from keras_rnn.tasks.task import Facts
from keras_rnn.text.columns import RowValues
from keras_rnn.text.embeddings import embedding_matrix, load_word_vectors
from keras_rnn.text.encoded import EncodedTexts, renumber, save
from keras_rnn.text.encoded import encode as encode_texts
from keras_rnn.text.options import TextOptions
from keras_rnn.text.vectorizer import PADDING, UNKNOWN, most_frequent, token_counts, vectorizer_from_vocabulary

EMBEDDINGS = "embeddings.npy"


@dataclass(frozen=True)
class LabelledSplit(EncodedSplit):
    """Token ids and labels."""

    @property
    def texts(self) -> EncodedTexts:
        return self.inputs["token_ids"]

    @property
    def labels(self) -> np.ndarray:
        """Int32 `(rows,)`."""
        return self.targets["label"].values


@dataclass(frozen=True)
class ClassificationData(PreparedData):
    """Token ids and labels of each split, and what made them.

    `vocabulary` leaves padding and the unknown token out; `embeddings` is float32
    `(vocabulary_size, embedding_size)` or None.
    """

    tokens: str = "word"
    embeddings: np.ndarray | None = None

    @property
    def class_names(self) -> tuple[str, ...]:
        return tuple(self.facts["class_names"])

    @property
    def vocabulary(self) -> list[str]:
        return self.facts["vocabulary"]

    @property
    def vocabulary_size(self) -> int:
        return len(self.vocabulary) + 2

    def summary(self) -> str:
        return f"{len(self.class_names)} classes"

    def __str__(self) -> str:
        return f"{super().__str__()}, {self.vocabulary_size:,} token ids"

    def vectorizer(self) -> keras.layers.TextVectorization:
        return vectorizer_from_vocabulary(self.vocabulary, tokens=self.tokens)


def load_dataset(options: DataOptions, seed: int) -> Dataset:
    """The dataset that options name, divided with this seed."""
    return datasets.load_dataset(**vars(options), seed=seed)


def load_split(options: DataOptions, facts: Facts) -> Split:
    """The rows of a labelled file or folder, whose labels are the run's classes."""
    return datasets.load_split(
        options.source,
        facts["class_names"],
        text_columns=options.text_columns,
        label_column=options.label_column,
        header=options.header,
    )


def check_dataset(dataset: Dataset, facts: Facts) -> None:
    """UsageError where the dataset has other classes than the run."""
    if tuple(dataset.class_names) != tuple(facts["class_names"]):
        raise UsageError(
            f"dataset {dataset.name!r} has the classes {', '.join(dataset.class_names)}, "
            f"but the run was trained on {', '.join(facts['class_names'])}"
        )


def encode(dataset: Dataset, options: TextOptions, seed: int, folder: Path) -> dict[str, Any]:
    """Counts the tokens of the training texts, and writes the token ids and labels of every split.

    Words of the embeddings file that the training texts lack fill the room that the vocabulary has left.
    """
    word_vectors = load_word_vectors(options.embeddings) if options.embeddings else None
    counts = token_counts(options.tokens)
    save(counts.numbered(dataset.train.texts, options.max_length), folder, "train")
    vocabulary = most_frequent(counts, options.vocabulary_size, word_vectors.words if word_vectors else ())
    renumber(folder, "train", counts.ids(vocabulary, unknown=1))
    vectorizer = vectorizer_from_vocabulary(vocabulary, tokens=options.tokens)
    for name, split in dataset.splits.items():
        if name != "train":
            save(encode_texts(vectorizer, split.texts, options.max_length), folder, name)
        RowValues(split.labels).save(folder, f"{name}.labels")
    if word_vectors:
        np.save(folder / EMBEDDINGS, embedding_matrix(word_vectors, [PADDING, UNKNOWN, *vocabulary], seed))
    return {
        "class_names": list(dataset.class_names),
        "tokens": options.tokens,
        "vocabulary": vocabulary,
        "sample_texts": sample_rows((dataset.test or dataset.validation).texts),
    }


def open_prepared(folder: Path, name: str, values: Mapping[str, Any], splits: Iterable[str]) -> ClassificationData:
    """What `encode` wrote and returned, memory-mapped."""
    embeddings = folder / EMBEDDINGS
    return ClassificationData(
        name,
        {
            split: LabelledSplit(
                {"token_ids": EncodedTexts.open(folder, split)},
                {"label": RowValues.open(folder, f"{split}.labels")},
            )
            for split in splits
        },
        {"class_names": values["class_names"], "vocabulary": values["vocabulary"]},
        values["sample_texts"],
        values["tokens"],
        np.load(embeddings, mmap_mode="r") if embeddings.exists() else None,
    )

"""A dataset made ready to train on: texts tokenised once, token ids kept in files that are memory-mapped."""

import json
import os
import shutil
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

import keras
import numpy as np

from keras_rnn.datasets import Split, TextDataset, load_dataset
from keras_rnn.errors import UsageError
from keras_rnn.files import write_json
from keras_rnn.text.embeddings import embedding_matrix, load_word_vectors
from keras_rnn.text.encoded import EncodedTexts, encode, renumber, save
from keras_rnn.text.vectorizer import PADDING, UNKNOWN, most_frequent, token_counts, vectorizer_from_vocabulary
from keras_rnn.training.config import RunConfig, TextConfig

MANIFEST = "prepared.json"  # written last
SAMPLE_TEXTS = 16  # and the longest one


@dataclass(frozen=True)
class EncodedSplit:
    texts: EncodedTexts
    labels: np.ndarray

    def __len__(self) -> int:
        return len(self.labels)


@dataclass(frozen=True)
class PreparedData:
    """Token ids and labels of each split, by name ("train", "validation", "test", ...), and what made them.

    `vocabulary` leaves padding and the unknown token out; `embeddings` is float32
    `(vocabulary_size, embedding_size)` or None; `sample_texts` are raw texts of the test split.
    """

    name: str
    class_names: tuple[str, ...]
    tokens: str
    vocabulary: list[str]
    sample_texts: list[str] = field(default_factory=list)
    splits: Mapping[str, EncodedSplit] = field(default_factory=dict)
    embeddings: np.ndarray | None = None

    @property
    def vocabulary_size(self) -> int:
        return len(self.vocabulary) + 2

    def __str__(self) -> str:
        rows = ", ".join(f"{len(split):,} {name}" for name, split in self.splits.items())
        return f"{self.name}: {len(self.class_names)} classes, {rows} rows, {self.vocabulary_size:,} token ids"

    def vectorizer(self) -> keras.layers.TextVectorization:
        return vectorizer_from_vocabulary(self.vocabulary, tokens=self.tokens)


def load_configured_dataset(config: RunConfig) -> TextDataset:
    """The dataset that a run's config names, as the run split it."""
    return load_dataset(
        config.data.dataset,
        data=config.data.data,
        text_columns=config.data.text_columns,
        label_column=config.data.label_column,
        header=config.data.header,
        tfds_manual_dir=config.data.tfds_manual_dir,
        validation_fraction=config.data.validation_fraction,
        limit=config.data.limit,
        seed=config.training.seed,
    )


def prepare_configured(config: RunConfig, folder: Path, dataset: TextDataset | None = None) -> PreparedData:
    """`prepare` for a run's config: of the dataset it names, or of `dataset`.

    Raises:
        UsageError: it has no rows to train on or to validate with.
    """
    dataset = dataset or load_configured_dataset(config)
    for split in ("train", "validation"):
        if not len(getattr(dataset, split)):
            raise UsageError(f"dataset {dataset.name!r} has no {split} rows")
    return prepare(dataset, config.text, folder, config.training.seed)


def prepare(dataset: TextDataset, config: TextConfig, folder: Path, seed: int = 0) -> PreparedData:
    """Adapts a vectorizer to the training texts, encodes every split, and writes all of it to `folder`.

    `folder` is whole or absent. Words of the embeddings file that the training texts lack fill what room the
    vocabulary has left.
    """
    word_vectors = load_word_vectors(config.embeddings) if config.embeddings else None
    temp_folder = folder.with_name(f"{folder.name}.{os.getpid()}.tmp")
    temp_folder.mkdir(parents=True)
    try:
        counts = token_counts(config.tokens)
        save(counts.numbered(dataset.train.texts, config.max_length), temp_folder, "train")
        vocabulary = most_frequent(counts, config.vocabulary_size, word_vectors.words if word_vectors else ())
        renumber(temp_folder, "train", counts.ids(vocabulary, unknown=1))
        vectorizer = vectorizer_from_vocabulary(vocabulary, tokens=config.tokens)
        splits = _splits(dataset)
        for split_name, split in splits.items():
            if split_name != "train":
                save(encode(vectorizer, split.texts, config.max_length), temp_folder, split_name)
            np.save(temp_folder / f"{split_name}.labels.npy", np.asarray(split.labels, np.int32))
        if word_vectors:
            matrix = embedding_matrix(word_vectors, [PADDING, UNKNOWN, *vocabulary], seed)
            np.save(temp_folder / "embeddings.npy", matrix)
        manifest = {
            "name": dataset.name,
            "class_names": list(dataset.class_names),
            "tokens": config.tokens,
            "vocabulary": vocabulary,
            "sample_texts": sample_texts((dataset.test or dataset.validation).texts),
            "splits": list(splits),
        }
        write_json(temp_folder / MANIFEST, manifest)
        shutil.rmtree(folder, ignore_errors=True)
        temp_folder.rename(folder)
    except OSError as error:
        raise OSError(error.errno, f"cannot write {folder}: {error.strerror or error}") from error
    finally:
        shutil.rmtree(temp_folder, ignore_errors=True)
    return open_prepared(folder)


def open_prepared(folder: Path) -> PreparedData:
    """What `prepare` wrote to `folder`, memory-mapped."""
    manifest = json.loads((folder / MANIFEST).read_text(encoding="utf-8"))
    splits = {
        name: EncodedSplit(EncodedTexts.open(folder, name), np.load(folder / f"{name}.labels.npy", mmap_mode="r"))
        for name in manifest.pop("splits")
    }
    embeddings = folder / "embeddings.npy"
    return PreparedData(
        **{**manifest, "class_names": tuple(manifest["class_names"])},
        splits=splits,
        embeddings=np.load(embeddings, mmap_mode="r") if embeddings.exists() else None,
    )


def sample_texts(texts: Sequence[str], count: int = SAMPLE_TEXTS) -> list[str]:
    """`count` of the texts, evenly spaced, and the longest one after them; each text once."""
    rows = np.linspace(0, len(texts) - 1, min(count, len(texts))).astype(int)
    return list(dict.fromkeys([*(texts[row] for row in rows), max(texts, key=len)]))


def _splits(dataset: TextDataset) -> dict[str, Split]:
    splits = {"train": dataset.train, "validation": dataset.validation, "test": dataset.test, **dataset.extra}
    return {name: split for name, split in splits.items() if split is not None}

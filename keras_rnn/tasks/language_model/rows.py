"""Rows of a language model: documents, each a run of token ids between two boundaries."""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np

from keras_rnn.datasets import DataOptions, Dataset, Split
from keras_rnn.datasets.documents import load_documents, load_documents_split
from keras_rnn.errors import UsageError
from keras_rnn.tasks.language_model.chunks import ChunkOptions
from keras_rnn.tasks.language_model.options import LanguageModelOptions
from keras_rnn.tasks.prepared import EncodedSplit, PreparedData, sample_rows
from keras_rnn.tasks.task import Facts
from keras_rnn.text.documents import encode_documents
from keras_rnn.text.encoded import EncodedTexts, save
from keras_rnn.text.piece_tokenizer import BOUNDARY_ID, FIRST_PIECE_ID
from keras_rnn.text.tokenizers import learn_tokenizer, make_tokenizer

SAMPLE_CHARACTERS = 120  # of the texts that an export is checked on


class Reading(NamedTuple):
    """How a run reads texts: the kind of its tokens, its direction, and whether a document's end is predicted."""

    tokens: str
    direction: str
    ends: str

    @property
    def predicts_ends(self) -> bool:
        return self.ends == "ends"


def reading_of(facts: Facts) -> Reading:
    """How the run of these facts reads texts; UsageError where the facts are damaged."""
    values = facts["reading"]
    if len(values) != len(Reading._fields):
        raise UsageError(f"reading.json takes {', '.join(Reading._fields)}, got {', '.join(values) or 'nothing'}")
    return Reading(*values)


def tokenizer_of(facts: Facts) -> Any:
    """The tokenizer of a run: a layer, see `keras_rnn.text.tokenizers`."""
    return make_tokenizer(reading_of(facts).tokens, facts["pieces"], facts["merges"])


@dataclass(frozen=True)
class DocumentsSplit(EncodedSplit):
    """Documents as token ids; `characters` counts those of their texts, `chunks` says how training cuts them."""

    characters: int
    chunks: ChunkOptions | None = None

    @property
    def predictions(self) -> int:
        """Tokens that are predicted: all but a document's first."""
        return int((self.lengths - 1).sum())


class LanguageModelData(PreparedData):
    """Token ids of each split."""

    @property
    def vocabulary_size(self) -> int:
        return len(self.facts["pieces"]) + FIRST_PIECE_ID

    def summary(self) -> str:
        return f"{self.vocabulary_size:,} token ids"

    def __str__(self) -> str:
        tokens = ", ".join(f"{split.predictions:,} {name}" for name, split in self.splits.items())  # type: ignore[attr-defined]
        return f"{self.name}: {self.summary()}, {tokens} tokens"


def load_dataset(options: DataOptions, seed: int) -> Dataset:
    """The documents that options name, divided."""
    return load_documents(options, seed)


def load_split(options: DataOptions, facts: Facts) -> Split:
    """The documents of one file or folder."""
    return load_documents_split(options)


def check_dataset(dataset: Dataset, facts: Facts) -> None:
    """A language model can read whatever text there is; UsageError where a split has none."""
    for name, split in dataset.splits.items():
        if all(not text or text.isspace() for text in split["text"]):
            raise UsageError(f"dataset {dataset.name!r}: the {name} split holds no text")


def encode(dataset: Dataset, options: LanguageModelOptions, seed: int, folder: Path) -> dict[str, Any]:
    """Learns a tokenizer from the training documents, and writes the token ids of every split.

    The end of a document is predicted where there are several to learn from: that of a single text is an accident.
    """
    check_dataset(dataset, {})
    pieces, merges = learn_tokenizer(
        dataset.train["text"], tokens=options.tokens, vocabulary_size=options.vocabulary_size
    )
    reading = Reading(options.tokens, options.direction, "ends" if len(dataset.train) > 1 else "no ends")
    facts = {"pieces": list(pieces), "merges": list(merges), "reading": list(reading)}
    tokenizer = tokenizer_of(facts)
    for name, split in dataset.splits.items():
        save(documents_ids(tokenizer, split["text"], reading), folder, name)
    predictions = int((EncodedTexts.open(folder, "train").lengths - 1).sum())
    if predictions < options.chunk_length:
        raise UsageError(
            f"dataset {dataset.name!r}: {predictions} tokens to train on are fewer than chunk_length "
            f"{options.chunk_length}; it takes a longer text"
        )
    samples = [text[:SAMPLE_CHARACTERS] for text in (dataset.test or dataset.validation)["text"]]
    return {
        **facts,
        "sample_texts": sample_rows(samples),
        "characters": {name: sum(map(len, split["text"])) for name, split in dataset.splits.items()},
        "chunks": {
            "length": options.chunk_length,
            "random": options.random_chunks,
            "by_document": options.state == "document",
        },
    }


def documents_ids(tokenizer: Any, documents: Sequence[str], reading: Reading) -> Iterator[EncodedTexts]:
    """The ids of each document between boundaries, as blocks of one; without the last boundary where no end counts."""
    for ids in encode_documents(tokenizer, documents):
        ids = ids[::-1] if reading.direction == "backward" else ids
        row = np.concatenate([[BOUNDARY_ID], ids, [BOUNDARY_ID] if reading.predicts_ends else []]).astype(np.int32)
        yield EncodedTexts(row, np.array([0, len(row)], np.int64))


def encoded_documents(facts: Facts, tokenizer: Any, split: Split) -> DocumentsSplit:
    """The documents of a split in memory."""
    rows = [block.ids for block in documents_ids(tokenizer, split["text"], reading_of(facts))]
    token_ids = EncodedTexts(np.concatenate(rows), np.cumsum([0, *map(len, rows)], dtype=np.int64))
    return DocumentsSplit({"token_ids": token_ids}, {}, sum(map(len, split["text"])))


def open_prepared(folder: Path, name: str, values: Mapping[str, Any], splits: Iterable[str]) -> LanguageModelData:
    """What `encode` wrote and returned, memory-mapped."""
    chunks = ChunkOptions(**values["chunks"])
    return LanguageModelData(
        name,
        {
            split: DocumentsSplit(
                {"token_ids": EncodedTexts.open(folder, split)}, {}, values["characters"][split], chunks
            )
            for split in splits
        },
        {fact: values[fact] for fact in ("pieces", "merges", "reading")},
        values["sample_texts"],
    )

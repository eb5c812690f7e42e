"""Rows of tagging: the tokens of a sentence, and a tag for each."""

from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from itertools import chain
from pathlib import Path
from typing import Any

import keras
import numpy as np

from keras_rnn.datasets import DataOptions, Dataset, Split
from keras_rnn.datasets.load import load_from
from keras_rnn.datasets.readers import listed
from keras_rnn.datasets.registry import embedded_datasets
from keras_rnn.datasets.span_tags import are_span_tags, to_iob2
from keras_rnn.datasets.tagged_files import load_tagged
from keras_rnn.datasets.tagged_tfds import load_tagged_tfds
from keras_rnn.errors import UsageError
from keras_rnn.layers.crf_functions import PADDING_TAG
from keras_rnn.tasks.prepared import EncodedSplit, PreparedData, sample_rows
from keras_rnn.tasks.task import Facts
from keras_rnn.text.columns import TableRows
from keras_rnn.text.embeddings import embedding_matrix, load_word_vectors
from keras_rnn.text.encoded import EncodedTexts, save
from keras_rnn.text.options import TextOptions
from keras_rnn.text.tokens import MAX_CHARACTERS, padded_tokens, token_features
from keras_rnn.text.vectorizer import PADDING, UNKNOWN

EMBEDDINGS, CHARACTERS = "embeddings.npy", "characters.npy"
FORMS = 2**14  # tokens that are looked up at a time


@dataclass(frozen=True)
class TaggingData(PreparedData):
    """Token ids, characters and tags of each split; `embeddings` is float32 `(vocabulary_size, features)` or None."""

    embeddings: np.ndarray | None = None

    @property
    def tag_names(self) -> tuple[str, ...]:
        return tuple(self.facts["tag_names"])

    def summary(self) -> str:
        return f"{len(self.tag_names)} tags"


def load_dataset(options: DataOptions, seed: int) -> Dataset:
    """The dataset that options name: `slot_requests`, CoNLL or JSON-lines files, or a TFDS set, divided."""
    options.refuse("tagging", "header")
    return load_from(options, seed, _read_files, _read_tfds)


def _read_files(options: DataOptions) -> tuple[tuple[str, ...], dict[str, Split]]:
    splits = load_tagged(options.source, token_column=_token_column(options), tag_column=options.label_column)
    return (), {name: Split(**columns) for name, columns in splits.items()}


def _read_tfds(options: DataOptions) -> tuple[tuple[str, ...], dict[str, Split]]:
    splits = load_tagged_tfds(
        options.source,
        token_column=_token_column(options),
        tag_column=options.label_column,
        manual_dir=options.tfds_manual_dir,
        other_names=list(embedded_datasets()),
    )
    return (), {name: Split(**columns) for name, columns in splits.items()}


def _token_column(options: DataOptions) -> str | None:
    if len(options.text_columns) > 1:
        raise UsageError(f"tagging takes one --text-column, the tokens', got {', '.join(options.text_columns)}")
    return next(iter(options.text_columns), None)


def load_split(options: DataOptions, facts: Facts) -> Split:
    """The rows of one file of tagged sentences, whose tags the run knows."""
    options.refuse("tagging", "header")
    _, splits = _read_files(options)
    if "all" not in splits:
        raise UsageError(f"{options.data}: holds splits; give one of its files")
    _check_tags(splits["all"], facts["tag_names"], options.source)
    return splits["all"]


def check_dataset(dataset: Dataset, facts: Facts) -> None:
    """UsageError where the dataset has tags that the run does not know."""
    check_rows(dataset)
    for split in dataset.splits.values():
        _check_tags(split, facts["tag_names"], f"dataset {dataset.name!r}")


def check_rows(dataset: Dataset) -> None:
    """UsageError where a dataset of the user's own holds rows that could be read wrong.

    Each row has tokens, none of them "", which stands for padding, and a tag for each. Span tags are IOB2: the figures
    and the transitions of a CRF are those of this scheme.
    """
    has_spans = are_span_tags(_distinct(dataset, "tags"))
    for name, split in dataset.splits.items():
        for row, (tokens, tags) in enumerate(zip(split["tokens"], split["tags"], strict=True)):
            if fault := _row_fault(tokens, tags, has_spans):
                raise UsageError(f"dataset {dataset.name!r}, row {row} of {name}: {fault}")


def _row_fault(tokens: Sequence[str], tags: Sequence[str], has_spans: bool) -> str | None:
    if not len(tokens) or not all(tokens):
        return f"takes one token at least, none of them empty, got {listed(tokens)}"
    if len(tokens) != len(tags):
        return f"takes a tag for each token, got {len(tokens)} tokens and {len(tags)} tags"
    if has_spans and to_iob2([tags])[0] != list(tags):
        return f"takes IOB2, which keras_rnn.datasets.span_tags.to_iob2 makes of other schemes, got {listed(tags)}"
    return None


def _check_tags(split: Split, tag_names: Sequence[str], source: str) -> None:
    unknown = sorted(set(chain.from_iterable(split["tags"])) - set(tag_names))
    if unknown:
        raise UsageError(f"{source}: the run knows no tag {unknown[0]!r}; it knows {', '.join(tag_names)}")


def encode(dataset: Dataset, options: TextOptions, seed: int, folder: Path) -> dict[str, Any]:
    """Counts the training words, and writes the ids of tokens, their characters and the tags of every split.

    Words of the embeddings file that the training rows lack fill the room that the vocabulary has left. Training rows
    are cut to `max_length` tokens.
    """
    if options.tokens != "word":
        raise UsageError(f"tagging takes tokens 'word', which it reads with their characters, got {options.tokens!r}")
    check_rows(dataset)
    word_vectors = load_word_vectors(options.embeddings) if options.embeddings else None
    train = dataset.train["tokens"]
    tag_names = sorted(_distinct(dataset, "tags"))
    if len(tag_names) < 2:
        raise UsageError(f"dataset {dataset.name!r}: takes at least two tags, got {tag_names[0]!r} alone")
    vocabulary = _vocabulary(train, options.vocabulary_size, word_vectors.words if word_vectors else ())
    characters = sorted(set(chain.from_iterable(chain.from_iterable(train))) - {"\0"})
    facts = {"tag_names": tag_names, "vocabulary": vocabulary, "characters": characters}
    encoder = TokenEncoder(facts, _distinct(dataset, "tokens"))
    np.save(folder / CHARACTERS, encoder.characters)
    for name, split in dataset.splits.items():
        max_length = options.max_length if name == "train" else None
        for column, encoded in encoder.columns(split, max_length).items():
            save([encoded], folder, f"{name}.{column}")
    if word_vectors:
        np.save(folder / EMBEDDINGS, embedding_matrix(word_vectors, [PADDING, UNKNOWN, *vocabulary], seed))
    samples = sample_rows((dataset.test or dataset.validation)["tokens"])
    return {**facts, "sample_texts": samples}


def _distinct(dataset: Dataset, column: str) -> list[str]:
    """The distinct strings of a column in all splits, in the order of their appearance."""
    rows = chain.from_iterable(split[column] for split in dataset.splits.values())
    return list(dict.fromkeys(chain.from_iterable(rows)))


def _vocabulary(sentences: Sequence[Sequence[str]], size: int, further_words: Iterable[str]) -> list[str]:
    """Lower-case words, the most frequent first, then further ones; ids from 2 on."""
    counts = Counter(token.lower() for token in chain.from_iterable(sentences))
    words = [word for word, _ in sorted(counts.items(), key=lambda item: (-item[1], item[0]))]
    unique_words = dict.fromkeys(word for word in chain(words, further_words) if word not in (PADDING, UNKNOWN))
    return list(unique_words)[: size - 2]


class TokenEncoder:
    """The ids of tokens by the layers that the exported model has, each distinct token looked up once.

    Args:
        facts: of the run.
        forms: all distinct tokens.

    Attributes:
        characters: int32 `(1 + forms, MAX_CHARACTERS)`, row 0 for padding.
    """

    def __init__(self, facts: Facts, forms: Sequence[str]):
        self.tag_ids = {name: index for index, name in enumerate(facts["tag_names"])}
        self.form_ids = {form: index for index, form in enumerate(forms, 1)}
        tokens = keras.Input((None,), dtype="string")
        model = keras.Model(tokens, token_features(tokens, facts["vocabulary"], facts["characters"]))
        blocks = [
            model(padded_tokens([[form] for form in forms[start : start + FORMS]]))
            for start in range(0, len(forms), FORMS)
        ]
        padding = {"token_ids": np.zeros((1, 1), np.int32), "character_ids": np.zeros((1, 1, MAX_CHARACTERS), np.int32)}
        self.token_ids, self.characters = (
            np.concatenate([block[name] for block in (padding, *blocks)])[:, 0] for name in padding
        )

    def columns(self, split: Split, max_length: int | None = None) -> dict[str, EncodedTexts]:
        """`token_ids`, `form_ids`, which index `characters`, and `tags` of each row."""
        form_ids = [[self.form_ids[token] for token in row[:max_length]] for row in split["tokens"]]
        tags = [[self.tag_ids[tag] for tag in row[:max_length]] for row in split["tags"]]
        offsets = np.cumsum([0, *map(len, form_ids)], dtype=np.int64)
        flat = np.fromiter(chain.from_iterable(form_ids), np.int32, offsets[-1])
        flat_tags = np.fromiter(chain.from_iterable(tags), np.int32, offsets[-1])
        return {
            "token_ids": EncodedTexts(self.token_ids[flat], offsets),
            "form_ids": EncodedTexts(flat, offsets),
            "tags": EncodedTexts(flat_tags, offsets, PADDING_TAG),
        }


def encoded_split(columns: Mapping[str, EncodedTexts], characters: np.ndarray) -> EncodedSplit:
    """The split of these columns, as `TokenEncoder.columns` gives them."""
    inputs = {"token_ids": columns["token_ids"], "character_ids": TableRows(columns["form_ids"], characters)}
    return EncodedSplit(inputs, {"tags": columns["tags"]})


def open_prepared(folder: Path, name: str, values: Mapping[str, Any], splits: Iterable[str]) -> TaggingData:
    """What `encode` wrote and returned, memory-mapped."""
    embeddings = folder / EMBEDDINGS
    characters = np.load(folder / CHARACTERS, mmap_mode="r")
    paddings = {"token_ids": 0, "form_ids": 0, "tags": PADDING_TAG}

    def columns(split: str) -> dict[str, EncodedTexts]:
        return {column: EncodedTexts.open(folder, f"{split}.{column}", padding) for column, padding in paddings.items()}

    return TaggingData(
        name,
        {split: encoded_split(columns(split), characters) for split in splits},
        {fact: values[fact] for fact in ("tag_names", "vocabulary", "characters")},
        values["sample_texts"],
        np.load(embeddings, mmap_mode="r") if embeddings.exists() else None,
    )

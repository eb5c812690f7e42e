"""Tagged sentences of TensorFlow Datasets (TFDS): sequences of texts with as many labels, to tokens and tags."""

from collections.abc import Iterable, Sequence
from pathlib import Path

import numpy as np

from keras_rnn.datasets.readers import listed
from keras_rnn.datasets.tagged_files import Columns, spans_to_iob2
from keras_rnn.datasets.tagged_json import TAG_NAMES, TOKEN_NAMES
from keras_rnn.datasets.tfds import BATCH, download_and_prepare, open_builder
from keras_rnn.errors import UsageError


def load_tagged_tfds(
    name: str,
    *,
    token_column: str | None = None,
    tag_column: str | None = None,
    manual_dir: str | Path | None = None,
    data_dir: str | Path | None = None,
    other_names: Sequence[str] = (),
) -> dict[str, Columns]:
    """Loads a TFDS set, downloading and preparing it where that is not done yet.

    Span tags are converted to IOB2, see `span_tags.to_iob2`. Rows without tokens are left out.

    Parameters:
        name: the set as TFDS names it: `set`, `set/config`, with an optional `:version`.
        token_column: the feature of the tokens, a sequence of texts; None to find it by `TOKEN_NAMES`.
        tag_column: the feature of the tags, a sequence of class labels or texts; None to find it by `TAG_NAMES`.
        manual_dir: a folder with files that TFDS would otherwise download, by the names it knows them by.
        data_dir: the folder of prepared sets; None for TFDS' own, `~/tensorflow_datasets`.
        other_names: names of sets elsewhere, which the error for an unknown name may propose.

    Returns:
        The columns "tokens" and "tags" by split: "train"; "test", which is the set's own or, where it has none with
        tags, its "validation"; and "validation" where the set has one that is not the test.

    Raises:
        UsageError: the set or a feature is unknown, the features cannot be told, a row is malformed, the train split
            has no tags, or the set cannot be downloaded.
    """
    builder = open_builder(name, data_dir, other_names)
    token_column, tag_column = _features(name, builder.info, token_column, tag_column)
    download_and_prepare(name, builder, manual_dir)
    tag_names = getattr(builder.info.features[tag_column].feature, "names", None)
    split_names = [split for split in ("train", "test", "validation") if split in builder.info.splits]
    if "train" not in split_names:
        raise UsageError(f"{name} has no train split; it has {listed(sorted(builder.info.splits))}")
    splits: dict[str, Columns] = {}
    for split in split_names:
        columns = _read_split(name, builder, split, token_column, tag_column, tag_names)
        if columns is None and split == "train":
            raise UsageError(f"{name}: its train split has no tags")
        if columns is not None:
            splits["test" if split == "validation" and "test" not in splits else split] = columns
    return spans_to_iob2(splits)


def _features(name: str, info, token_column: str | None, tag_column: str | None) -> tuple[str, str]:
    import tensorflow_datasets as tfds

    features = dict(info.features) if isinstance(info.features, tfds.features.FeaturesDict) else {}
    sequences = {
        key: feature.feature for key, feature in features.items() if isinstance(feature, tfds.features.Sequence)
    }
    texts = [key for key, inner in sequences.items() if isinstance(inner, tfds.features.Text)]
    labels = [key for key, inner in sequences.items() if isinstance(inner, tfds.features.ClassLabel)]
    token_column = _feature(name, token_column, texts, TOKEN_NAMES, "tokens", "--text-column")
    tag_choices = [key for key in [*labels, *texts] if key != token_column]
    return token_column, _feature(name, tag_column, tag_choices, TAG_NAMES, "tags", "--label-column")


def _feature(
    name: str, column: str | None, choices: Sequence[str], names: Iterable[str], kind: str, option: str
) -> str:
    """The feature of this kind: the one that is asked for, or has a known name, or is the only choice."""
    if column is not None and column not in choices:
        raise UsageError(
            f"{name} has no feature {column!r} for {kind}; it has the sequences {listed(choices) or 'none'}"
        )
    known = next((known for known in names if known in choices), choices[0] if len(choices) == 1 else None)
    if column is None and known is None:
        description = listed(choices) or "none"
        raise UsageError(
            f"{name} does not say what its {kind} are; it has the sequences {description}; name one with {option}"
        )
    return column or known


def _read_split(
    name: str, builder, split: str, token_column: str, tag_column: str, tag_names: Sequence[str] | None
) -> Columns | None:
    """One split, or None if no row of it has a tag."""
    import tensorflow_datasets as tfds

    decoders = tfds.decode.PartialDecoding({token_column: True, tag_column: True})
    dataset = builder.as_dataset(split=split, decoders=decoders)
    columns: Columns = {"tokens": [], "tags": []}
    untagged = row = 0
    for batch in dataset.ragged_batch(BATCH):
        pairs = zip(_lists(batch[token_column]), _lists(batch[tag_column]), strict=True)
        for tokens, tags in pairs:
            row += 1
            if len(tokens) != len(tags):
                counts = f"{len(tokens)} tokens and {len(tags)} tags"
                raise UsageError(f"{name}: row {row} of its {split} split takes one tag a token, got {counts}")
            if not len(tokens):
                continue
            if tag_names is not None and tags.min() < 0:
                untagged = untagged or row
                continue
            columns["tokens"].append(_decode(name, split, row, tokens))
            columns["tags"].append(
                [tag_names[tag] for tag in tags] if tag_names is not None else _decode(name, split, row, tags)
            )
    if not columns["tokens"]:
        return None
    if untagged:
        raise UsageError(f"{name}: row {untagged} of its {split} split has a token without a tag")
    return columns


def _lists(ragged) -> list[np.ndarray]:
    """The rows of a ragged tensor (rows, None)."""
    return np.split(ragged.values.numpy(), ragged.row_splits.numpy()[1:-1])


def _decode(name: str, split: str, row: int, values: Sequence[bytes]) -> list[str]:
    try:
        texts = [value.decode("utf-8") for value in values]
    except UnicodeDecodeError:
        raise UsageError(f"{name}: row {row} of its {split} split is not UTF-8 text") from None
    if not all(texts):
        raise UsageError(f"{name}: row {row} of its {split} split holds an empty token or tag")
    return texts

"""Texts of TensorFlow Datasets (TFDS) to documents; labels are left aside."""

from collections.abc import Iterator, Sequence
from pathlib import Path

from keras_rnn.datasets.columns import TEXT_NAMES
from keras_rnn.datasets.plain_text import Documents, keep_documents
from keras_rnn.datasets.readers import listed
from keras_rnn.datasets.tfds import (
    BATCH,
    KNOWN_SETS,
    download_and_prepare,
    joined_texts,
    open_builder,
    text_features,
)
from keras_rnn.errors import UsageError

SPLITS = ("train", "validation", "test")


def read_document_tfds(
    name: str,
    *,
    text_columns: Sequence[str] = (),
    manual_dir: str | Path | None = None,
    data_dir: str | Path | None = None,
    other_names: Sequence[str] = (),
) -> dict[str, Documents]:
    """Reads the texts of a TFDS set, downloading and preparing it where that is not done yet.

    Parameters:
        name: the set as TFDS names it: `set`, `set/config`, with an optional `:version`.
        text_columns: the text features, joined by a space; empty to take those of `KNOWN_SETS`, the input of the set's
            supervised pair, the only one, or those of a name in `columns.TEXT_NAMES`.
        manual_dir: a folder with files that TFDS would otherwise download, by the names it knows them by.
        data_dir: the folder of prepared sets; None for TFDS' own, `~/tensorflow_datasets`.
        other_names: names of sets elsewhere, which the error for an unknown name may propose.

    Returns:
        The documents of the split "train", and of "validation" and "test" where the set has them.

    Raises:
        UsageError: the set or a feature is unknown, the features cannot be told, a split holds no text, or the set
            cannot be downloaded.
    """
    builder = open_builder(name, data_dir, other_names)
    columns = _text_columns(name, builder.info, text_columns)
    download_and_prepare(name, builder, manual_dir)
    own = set(builder.info.splits) or {"train", "test"}  # a mocked builder knows no splits
    if "train" not in own:
        raise UsageError(f"{name} has no train split; it has {listed(sorted(own))}")
    parts = {}
    for split in SPLITS:
        if split in own:
            parts[split] = keep_documents(_texts(name, builder, split, columns))
            if not len(parts[split].texts):
                raise UsageError(f"{name}: its {split} split holds no text in {listed(columns)}")
    return parts


def _text_columns(name: str, info, text_columns: Sequence[str]) -> tuple[str, ...]:
    texts = text_features(info)
    for column in text_columns:
        if column not in texts:
            raise UsageError(f"{name} has no text feature {column!r}; it has the texts {listed(texts) or 'none'}")
    if text_columns:
        return tuple(text_columns)
    if found := KNOWN_SETS.get(name.partition(":")[0]):
        return found.texts
    pair = info.supervised_keys or ()
    if pair and pair[0] in texts:
        return (pair[0],)
    group = next((group for group in TEXT_NAMES if set(group) <= set(texts)), ())
    if not group and len(texts) != 1:
        fault = f"it has the texts {listed(texts)}; name one with --text-column" if texts else "it has none"
        raise UsageError(f"{name} does not say what its text is; {fault}")
    return group or tuple(texts)


def _texts(name: str, builder, split: str, columns: Sequence[str]) -> Iterator[str]:
    import tensorflow_datasets as tfds

    wanted = tfds.decode.PartialDecoding(dict.fromkeys(columns, True))
    rows = 0
    for batch in tfds.as_numpy(builder.as_dataset(split=split, batch_size=BATCH, decoders=wanted)):
        values = [batch[column] for column in columns]
        yield from joined_texts(name, split, rows, values)
        rows += len(values[0])

"""One function from a name or a path to a Dataset of documents, which a language model is made of."""

from dataclasses import dataclass
from pathlib import Path

from keras_rnn.datasets.dataset import Dataset, Split
from keras_rnn.datasets.document_files import read_document_files
from keras_rnn.datasets.document_tfds import read_document_tfds
from keras_rnn.datasets.load import load_from
from keras_rnn.datasets.options import DataOptions
from keras_rnn.datasets.plain_text import Documents, divide_in_order
from keras_rnn.datasets.readers import listed
from keras_rnn.datasets.registry import embedded_datasets
from keras_rnn.errors import UsageError

KIND = "a set of documents"


@dataclass(frozen=True)
class DocumentDataset(Dataset):
    """A Dataset whose splits have the one column `text`, a document a row.

    Args:
        empty_documents: how many documents of the source hold no text; they are in no split.
    """

    empty_documents: int = 0


def load_documents(options: DataOptions, seed: int = 0) -> DocumentDataset:
    """Loads documents by a dataset's name, or from local files; labels are left aside.

    - Local files and folders: see `keras_rnn.datasets.document_files`.
    - A TFDS set: its text features, see `document_tfds.read_document_tfds`.
    - An embedded dataset: its texts, or its tokens joined by a space.

    Several documents that the source leaves undivided are divided as those of a classifier are, with the seed: a tenth
    of 10 documents or more is the test split, and `validation_fraction` of the others the validation split. They are
    not the same rows, for a classifier's are drawn by class.

    A single document is divided in order and never shuffled, at ends of lines, see `plain_text.divide_in_order`. The
    last `validation_fraction` of an undivided one is held out, its first half for validation and the rest for the
    test: 90, 5 and 5 percent of the characters by default. Of a train split without a validation split beside it, the
    last `validation_fraction` is for validation.

    Texts of folders, tables and TFDS stand in a temporary file (below TMPDIR) as long as they are in use, those of
    text files in memory.

    Parameters:
        options: name a dataset or data. `limit` counts documents. `label_column` is refused.
        seed: of all cuts between documents.

    Raises:
        UsageError: the name is unknown, or the data is missing, malformed, no text, unclear or too little.
        OSError: there is no space for the temporary file.
    """
    options.refuse(KIND, "label_column")
    empty_documents = 0

    def divided(parts: dict[str, Documents]) -> tuple[tuple[str, ...], dict[str, Split]]:
        nonlocal empty_documents
        empty_documents = sum(part.empty for part in parts.values())
        return (), _divide_single(options, {name: Split(text=part.texts) for name, part in parts.items()})

    def read_files(options: DataOptions) -> tuple[tuple[str, ...], dict[str, Split]]:
        return divided(_read_files(options))

    def read_tfds(options: DataOptions) -> tuple[tuple[str, ...], dict[str, Split]]:
        options.refuse("TFDS", "header")
        parts = read_document_tfds(
            options.source,
            text_columns=options.text_columns,
            manual_dir=options.tfds_manual_dir,
            other_names=list(embedded_datasets()),
        )
        return divided(parts)

    dataset = load_from(options, seed, read_files, read_tfds)
    texts = {name: _texts_alone(dataset.name, split) for name, split in dataset.splits.items()}
    train, validation, test = texts.pop("train"), texts.pop("validation"), texts.pop("test", None)
    return DocumentDataset(dataset.name, (), train, validation, test, texts, empty_documents)


def load_documents_split(options: DataOptions) -> Split:
    """Loads the documents of one file, or of a folder of them that holds no splits, to evaluate on.

    The column is `text`, undivided.

    Raises:
        UsageError: the data is missing, malformed, no text or unclear, or holds splits.
    """
    options.refuse(KIND, "label_column")
    options.refuse("local data", "tfds_manual_dir")
    parts = _read_files(options)
    if "all" not in parts:
        raise UsageError(f"{options.source}: holds the splits {listed(parts)}; give one of its files")
    return Split(text=parts["all"].texts)


def _read_files(options: DataOptions) -> dict[str, Documents]:
    return read_document_files(Path(options.source), text_columns=options.text_columns, header=options.header)


def _divide_single(options: DataOptions, splits: dict[str, Split]) -> dict[str, Split]:
    """The splits with those that a single training document lacks, cut from its end."""
    whole = "all" if "all" in splits else "train"
    if len(splits[whole]) != 1:
        return splits
    if options.limit is not None:
        raise UsageError(
            f"{options.source}: limit counts documents, and it has one to train on; takes no limit, got {options.limit}"
        )
    if "validation" in splits:
        return splits
    share = options.validation_fraction
    new = {"train": 1 - share, "validation": share / 2, "test": share / 2}
    if whole == "train":
        new = {"train": 1 - share, "validation": share}
    parts = divide_in_order(options.source, splits[whole].texts[0], list(new.values())[1:])
    others = {name: split for name, split in splits.items() if name != whole}
    return {name: Split(text=[part]) for name, part in zip(new, parts, strict=True)} | others


def _texts_alone(name: str, split: Split) -> Split:
    if "text" in split.columns:
        return Split(text=split.texts)
    if "tokens" in split.columns:
        return Split(text=[" ".join(tokens) for tokens in split["tokens"]])
    raise UsageError(f"dataset {name!r} has no text: its columns are {listed(split.columns)}")

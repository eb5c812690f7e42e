"""Text classification sets of TensorFlow Datasets (TFDS) to splits.

TFDS is imported only when a set is asked for. Nothing here goes to the network except the download of a set
that is not prepared yet, and that is not tried where none of its hosts can be reached: TFDS itself would
retry for minutes.
"""

import contextlib
import difflib
import socket
import sys
import urllib.parse
import urllib.request
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from keras_rnn.datasets.dataset import Split
from keras_rnn.datasets.readers import listed
from keras_rnn.datasets.stored_texts import TextFile
from keras_rnn.errors import UsageError, unknown_name


@dataclass(frozen=True)
class TfdsColumns:
    """The features that make a set's text and its label, and its labelled test split (None: to find)."""

    texts: tuple[str, ...]
    label: str
    test: str | None = None


KNOWN_SETS = {
    # Its supervised pair drops the title.
    "ag_news_subset": TfdsColumns(("title", "description"), "label", "test"),
    "imdb_reviews": TfdsColumns(("text",), "label", "test"),
    # Its test split has no labels.
    "glue/sst2": TfdsColumns(("sentence",), "label", "validation"),
}

BATCH = 1024
CONNECT_SECONDS = 5


def load_tfds(
    name: str,
    *,
    text_columns: Sequence[str] = (),
    label_column: str | None = None,
    manual_dir: str | Path | None = None,
    data_dir: str | Path | None = None,
    other_names: Sequence[str] = (),
) -> tuple[tuple[str, ...], dict[str, Split]]:
    """Loads a TFDS set, downloading and preparing it where that is not done yet.

    Parameters:
        name: the set as TFDS names it: `set`, `set/config`, with an optional `:version`.
        text_columns: the text features, joined by a space; empty to take those of `KNOWN_SETS`, or else
            of the set's supervised pair.
        label_column: the label feature, a ClassLabel; None to take it from the same places.
        manual_dir: a folder with files that TFDS would otherwise download, by the names it knows them by.
        data_dir: the folder of prepared sets; None for TFDS' own, `~/tensorflow_datasets`.
        other_names: names of sets elsewhere, which the error for an unknown name may propose.

    Returns:
        The class names, and the splits by name: "train"; "test", which is the set's own or, where it has
        none with labels, its "validation"; and "validation" where the set has one that is not the test.

    Raises:
        UsageError: the set or a feature is unknown, the features cannot be told, some rows of a split have
            no label, or the set cannot be downloaded.
    """
    builder = open_builder(name, data_dir, other_names)
    columns = _columns(name, builder.info, text_columns, label_column)
    download_and_prepare(name, builder, manual_dir)
    class_names = tuple(builder.info.features[columns.label].names)
    # A mocked builder knows no splits, the table does.
    own_splits = set(builder.info.splits) or {"train", columns.test}
    if "train" not in own_splits:
        raise UsageError(f"{name} has no train split; it has {listed(sorted(own_splits))}")
    splits = {"train": _read_split(name, builder, "train", columns)}
    for split in [columns.test] if columns.test else ["test", "validation"]:
        if split in own_splits and (part := _read_split(name, builder, split, columns)) is not None:
            splits["validation" if "test" in splits else "test"] = part
    if splits["train"] is None:
        raise UsageError(f"{name}: its train split has no labels")
    return class_names, splits


def open_builder(name: str, data_dir: str | Path | None, other_names: Sequence[str]):
    """The builder of a set; UsageError with near misses where there is none."""
    import tensorflow_datasets as tfds

    # Community sets are left out: TFDS lists them from the network.
    builder_names = tfds.list_builders(with_community_datasets=False)
    base, _, config = name.partition(":")[0].partition("/")
    if base not in builder_names:
        # Where nothing is near, the built-in sets: the list of all TFDS names would be no help.
        near_misses = difflib.get_close_matches(name, {*builder_names, *KNOWN_SETS, *other_names}, n=3, cutoff=0.5)
        raise unknown_name("dataset", name, near_misses or [*other_names, *KNOWN_SETS])
    configs = tfds.builder_cls(base).builder_configs
    if config and config not in configs:
        if not configs:
            raise UsageError(f"unknown dataset {name!r}; {base} has no configs")
        raise unknown_name(f"config of {base}", config, configs)
    try:
        return tfds.builder(name, data_dir=data_dir)
    except (ValueError, AssertionError, ImportError) as error:
        raise UsageError(f"TFDS cannot make {name!r}: {_first_line(error)}") from error


def text_features(info) -> list[str]:
    """The names of a set's features that are one text a row."""
    features = _features(info).items()
    return [key for key, feature in features if feature.shape == () and feature.np_dtype == np.object_]


def _features(info) -> dict:
    import tensorflow_datasets as tfds

    return dict(info.features) if isinstance(info.features, tfds.features.FeaturesDict) else {}


def _columns(name: str, info, text_columns: Sequence[str], label_column: str | None) -> TfdsColumns:
    import tensorflow_datasets as tfds

    texts = text_features(info)
    labels = [key for key, feature in _features(info).items() if isinstance(feature, tfds.features.ClassLabel)]
    description = f"it has the texts {listed(texts) or 'none'} and the labels {listed(labels) or 'none'}"
    for chosen_columns, kind, choices in [(text_columns, "text", texts), ([label_column], "label", labels)]:
        for column in chosen_columns:
            if column is not None and column not in choices:
                raise UsageError(f"{name} has no {kind} feature {column!r}; {description}")
    known_columns = KNOWN_SETS.get(name.partition(":")[0])
    if known_columns is None:
        pair = info.supervised_keys or ()
        is_pair = len(pair) == 2 and pair[0] in texts and pair[1] in labels
        known_columns = TfdsColumns((pair[0],) if is_pair else (), pair[1] if is_pair else "")
    texts, label = tuple(text_columns) or known_columns.texts, label_column or known_columns.label
    if not texts or not label:
        raise UsageError(
            f"{name} does not say what its text and label are; {description}; name --text-column and --label-column"
        )
    return TfdsColumns(texts, label, known_columns.test)


def download_and_prepare(name: str, builder, manual_dir: str | Path | None) -> None:
    """Downloads and prepares a set that is not prepared yet; UsageError where it cannot be."""
    import tensorflow_datasets as tfds
    from tensorflow_datasets.core.download.download_manager import NonMatchingChecksumError
    from tensorflow_datasets.core.download.extractor import ExtractError
    from tensorflow_datasets.core.download.util import DownloadError

    if manual_dir is not None and not Path(manual_dir).is_dir():
        raise UsageError(f"--tfds-manual-dir {manual_dir}: no such folder")
    files = _download_files(builder)
    names = listed(files, 3) or "its files"
    advice = f"put {names} into a folder and give it as --tfds-manual-dir"
    if manual_dir is not None:
        advice = f"--tfds-manual-dir {manual_dir} takes {names}"
    make_download_manager = getattr(builder, "_make_download_manager", None)

    def make_if_reachable(*args, **kwargs):
        if hosts := _unreachable(builder, files, manual_dir):
            raise UsageError(f"cannot download {name}: no connection to {', '.join(hosts)}; {advice}")
        return make_download_manager(*args, **kwargs)

    # TFDS has no public hook between "this set is not prepared" and its first request.
    if make_download_manager is not None:
        builder._make_download_manager = make_if_reachable
    try:
        with contextlib.redirect_stdout(sys.stderr):  # TFDS prints its progress where answers go
            builder.download_and_prepare(
                download_config=tfds.download.DownloadConfig(manual_dir=manual_dir and str(manual_dir))
            )
    except NonMatchingChecksumError as error:
        raise UsageError(
            f"cannot prepare {name}: a file is not the one that TFDS knows by size and checksum: "
            f"{' '.join(str(error).split())}"
        ) from error
    except (OSError, AssertionError, ImportError, ExtractError, DownloadError) as error:
        raise UsageError(f"cannot prepare {name} ({_first_line(error)}); {advice}") from error


def _download_files(builder) -> dict[str, str]:
    """The URLs of the set's files, by the names under which TFDS looks for them in a manual folder."""
    files = {info.filename: url for url, info in (builder.url_infos or {}).items() if info.filename}
    # Several configs of one set (GLUE) share a list; the config says which of them is its own.
    own_url = getattr(builder.builder_config, "data_url", None)
    return {file: url for file, url in files.items() if own_url in (None, url)} or files


def _unreachable(builder, files: dict[str, str], manual_dir: str | Path | None) -> list[str]:
    """The hosts of the set's files, if these must be downloaded and no host takes a connection."""
    is_manual = manual_dir is not None and any((Path(manual_dir) / file).exists() for file in files)
    is_cached = any((Path(builder.data_dir_root) / "downloads" / builder.name).rglob("*.INFO"))
    if is_manual or is_cached or urllib.request.getproxies():
        return []
    hosts = []
    for url in files.values():
        parts = urllib.parse.urlsplit(url)
        if parts.scheme not in ("http", "https"):
            return []
        if parts.hostname in hosts:
            continue
        hosts.append(parts.hostname)
        try:
            port = parts.port or (443 if parts.scheme == "https" else 80)
            socket.create_connection((parts.hostname, port), CONNECT_SECONDS).close()
        except OSError:
            continue
        return []
    return hosts


def _read_split(name: str, builder, split: str, columns: TfdsColumns) -> Split | None:
    """One split, or None if no row of it has a label."""
    import tensorflow_datasets as tfds

    decoders = tfds.decode.PartialDecoding(dict.fromkeys((*columns.texts, columns.label), True))
    batches = tfds.as_numpy(builder.as_dataset(split=split, batch_size=BATCH, decoders=decoders))
    texts, labels = TextFile(), []
    for batch in batches:
        labels.append(batch[columns.label])
        for text in joined_texts(name, split, len(texts), [batch[column] for column in columns.texts]):
            texts.append(text)
    labels = np.concatenate(labels).astype(np.int32) if labels else np.zeros(0, np.int32)
    if len(labels) and labels.max() < 0:
        return None
    if len(labels) and labels.min() < 0:
        row = int(np.argmin(labels)) + 1
        raise UsageError(f"{name}: row {row} of its {split} split has no label")
    return Split(texts.texts(), labels)


def joined_texts(name: str, split: str, row: int, columns: Sequence[np.ndarray]) -> Iterator[str]:
    """The text of each row of a batch, whose columns are bytes `(rows,)`; `row` is the number of rows before it."""
    for values in zip(*columns, strict=True):
        row += 1
        try:
            yield b" ".join(values).decode("utf-8")
        except UnicodeDecodeError:
            raise UsageError(f"{name}: row {row} of its {split} split is not UTF-8 text") from None


def _first_line(error: Exception) -> str:
    return next(iter(str(error).strip().splitlines()), type(error).__name__)

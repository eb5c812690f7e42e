"""A dataset made ready to train on: encoded once, in files that are memory-mapped."""

import json
import os
import shutil
from pathlib import Path
from typing import Any

from keras_rnn.datasets import Dataset
from keras_rnn.errors import UsageError
from keras_rnn.files import write_json
from keras_rnn.tasks import DEFAULT_TASK, get_task
from keras_rnn.tasks.prepared import PreparedData
from keras_rnn.training.config import RunConfig

MANIFEST = "prepared.json"  # written last


def load_configured_dataset(config: RunConfig) -> Dataset:
    """The dataset that a run's config names, as the run split it."""
    return get_task(config.task).rows.load_dataset(config.data, config.training.seed)


def prepare_configured(config: RunConfig, folder: Path, dataset: Dataset | None = None) -> PreparedData:
    """`prepare` for a run's config, on the dataset it names or on `dataset`.

    Raises:
        UsageError: it has no rows to train on or to validate with.
    """
    dataset = dataset or load_configured_dataset(config)
    for split in ("train", "validation"):
        if not len(getattr(dataset, split)):
            raise UsageError(f"dataset {dataset.name!r} has no {split} rows")
    return prepare(dataset, config.text, folder, config.training.seed, task=config.task)


def prepare(dataset: Dataset, options: Any, folder: Path, seed: int = 0, *, task: str) -> PreparedData:
    """The task encodes every split into `folder`, which is complete or absent."""
    temp_folder = folder.with_name(f"{folder.name}.{os.getpid()}.tmp")
    temp_folder.mkdir(parents=True)
    try:
        values = get_task(task).rows.encode(dataset, options, seed, temp_folder)
        write_json(
            temp_folder / MANIFEST, {"task": task, "name": dataset.name, "splits": list(dataset.splits), **values}
        )
        shutil.rmtree(folder, ignore_errors=True)
        temp_folder.rename(folder)
    except OSError as error:
        raise OSError(error.errno, f"cannot write {folder}: {error.strerror or error}") from error
    finally:
        shutil.rmtree(temp_folder, ignore_errors=True)
    return open_prepared(folder)


def open_prepared(folder: Path) -> PreparedData:
    """What `prepare` wrote to `folder`, memory-mapped."""
    values = json.loads((folder / MANIFEST).read_text(encoding="utf-8"))
    task = get_task(values.pop("task", DEFAULT_TASK))  # a cache that version 0.1 left in an interrupted run has none
    name, splits = values.pop("name"), values.pop("splits")
    return task.rows.open_prepared(folder, name, values, splits)

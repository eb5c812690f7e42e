"""The datasets that are embedded in the package, by name; TFDS has the others."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from keras_rnn.datasets.dataset import Dataset, Split
from keras_rnn.registry import Registry


@dataclass(frozen=True)
class EmbeddedDataset:
    """`load()` returns the Dataset, divided; `task` is the task that it is made for."""

    load: Callable[[], Dataset]
    task: str


_DATASETS: Registry[EmbeddedDataset] = Registry("dataset")


def register_dataset(name: str, *, task: str):
    """Decorator that makes a function without arguments, which returns a Dataset, usable as `dataset=name`.

    Raises:
        UsageError: the name is taken.
    """
    return _DATASETS.register(name, lambda load: EmbeddedDataset(load, task))


def embedded_datasets(task: str | None = None) -> dict[str, EmbeddedDataset]:
    """The embedded datasets by name, all or those of a task."""
    entries = {name: _DATASETS.get(name) for name in _DATASETS.names()}
    return {name: entry for name, entry in entries.items() if task in (None, entry.task)}


@register_dataset("negated_reviews", task="classification")
def _negated_reviews() -> Dataset:
    from keras_rnn.datasets.negated_reviews import negated_reviews

    return negated_reviews()


@register_dataset("slot_requests", task="tagging")
def _slot_requests() -> Dataset:
    from keras_rnn.datasets.slot_requests import slot_requests

    splits: dict[str, Any] = {name: Split(**columns) for name, columns in slot_requests().items()}
    return Dataset("slot_requests", (), **splits)

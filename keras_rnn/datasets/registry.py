"""The datasets that are embedded in the package, by name; TFDS has the others."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from keras_rnn.datasets.dataset import Dataset, Split
from keras_rnn.registry import Registry


@dataclass(frozen=True)
class EmbeddedDataset:
    """`load()` returns the Dataset, divided; `task` is the task that it is made for; `note` is for model cards."""

    load: Callable[[], Dataset]
    task: str
    note: str = ""


_DATASETS: Registry[EmbeddedDataset] = Registry("dataset")


def register_dataset(name: str, *, task: str, note: str = ""):
    """Decorator that makes a function without arguments, which returns a Dataset, usable as `dataset=name`.

    Args:
        name: the dataset's name.
        task: the task that it is made for.
        note: what a model card says of a model that was trained on it.

    Raises:
        UsageError: the name is taken.
    """
    return _DATASETS.register(name, lambda load: EmbeddedDataset(load, task, note))


def embedded_datasets(task: str | None = None) -> dict[str, EmbeddedDataset]:
    """The embedded datasets by name, all or those of a task."""
    entries = {name: _DATASETS.get(name) for name in _DATASETS.names()}
    return {name: entry for name, entry in entries.items() if task in (None, entry.task)}


@register_dataset(
    "negated_reviews",
    task="classification",
    note="Trained on synthetic sentences made by a grammar, to show that a recurrent network follows negation and word "
    "order where a bag of words cannot. It knows the grammar's words only and is no judge of real reviews.",
)
def _negated_reviews() -> Dataset:
    from keras_rnn.datasets.negated_reviews import negated_reviews

    return negated_reviews()


@register_dataset(
    "slot_requests",
    task="tagging",
    note="Trained on synthetic requests made by a grammar, to show that a recurrent network reads a word by what is "
    "around it. It says nothing about requests in the real world.",
)
def _slot_requests() -> Dataset:
    from keras_rnn.datasets.slot_requests import slot_requests

    splits: dict[str, Any] = {name: Split(**columns) for name, columns in slot_requests().items()}
    return Dataset("slot_requests", (), **splits)


@register_dataset(
    "python_topics",
    task="language_model",
    note="Trained on the reference text that comes with Python, to show what a network learns of little English. It "
    "writes what sounds like a manual, and knows nothing.",
)
def _python_topics() -> Dataset:
    from keras_rnn.datasets.python_topics import python_topics

    return python_topics()

"""The tasks by name. A task is imported when it is asked for, so that the names cost no TensorFlow."""

from collections.abc import Mapping
from importlib import import_module
from types import ModuleType
from typing import Any

from keras_rnn.registry import Registry
from keras_rnn.tasks.task import Task

DEFAULT_TASK = "classification"

# Packages whose module `task` has a Task as TASK, beside a module `contract`.
_PACKAGES: Registry[str] = Registry("task")


def register_task(name: str, package: str) -> None:
    """Makes the package `package` usable as `task=name`.

    Args:
        name: what stands after `--task`.
        package: the import name of a package whose module `task` has a `Task` as TASK, beside a module `contract` (see
            `keras_rnn.tasks.task.Serving`).

    Raises:
        UsageError: the name is taken.
    """
    _PACKAGES.add(name, package)


def list_tasks(pattern: str = "*") -> list[str]:
    """The names that match a shell pattern, in the order of their registration."""
    return _PACKAGES.names(pattern)


def get_task(name: str) -> Task:
    """The task of this name; UsageError with near misses where there is none."""
    return import_module(f"{_PACKAGES.get(name)}.task").TASK


def load_tasks() -> None:
    """Imports all tasks, which registers what their packages register: models, and layers that model files name."""
    for name in list_tasks():
        get_task(name)


def get_contract(name: str) -> ModuleType:
    """The task's module `contract`, whose import loads neither TensorFlow nor Keras."""
    return import_module(f"{_PACKAGES.get(name)}.contract")


def task_name_of(card: Mapping[str, Any]) -> str:
    """The task of an export, by its model card. A card of version 0.1 names none: there was one task."""
    return card.get("config", {}).get("task", DEFAULT_TASK)


register_task("classification", "keras_rnn.tasks.classification")
register_task("tagging", "keras_rnn.tasks.tagging")
register_task("language_model", "keras_rnn.tasks.language_model")

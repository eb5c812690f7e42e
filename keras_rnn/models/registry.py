"""Named architectures: a builder, its hyperparameters and the training settings that suit it."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from inspect import signature
from typing import Any

import keras

from keras_rnn.errors import unknown_name
from keras_rnn.registry import Registry


@dataclass(frozen=True)
class ModelEntry:
    """What a name stands for.

    `build(**sizes_of_the_data, **hyperparameters)` returns an uncompiled keras.Model for the task `task`;
    `training` overrides the defaults of `keras_rnn.train`; `source` is a paper or page.
    """

    build: Callable[..., keras.Model]
    description: str
    hyperparameters: Mapping[str, Any] = field(default_factory=dict)
    training: Mapping[str, Any] = field(default_factory=dict)
    source: str = ""
    task: str = "classification"


_MODELS: Registry[ModelEntry] = Registry("model")


def register_model(name: str, /, **entry):
    """Decorator that registers a builder function under `name`; `entry` holds the other fields of `ModelEntry`.

    Raises:
        UsageError: the name is taken.
    """
    return _MODELS.register(name, lambda build: ModelEntry(build, **entry))


def list_models(pattern: str = "*", *, task: str | None = None) -> list[str]:
    """The registered names that match a shell pattern such as "*lstm*", of all tasks or of one, sorted."""
    return [name for name in _MODELS.names(pattern) if task in (None, _MODELS.get(name).task)]


def get_model_entry(name: str) -> ModelEntry:
    """The entry of this name; UsageError with near misses where there is none."""
    return _MODELS.get(name)


def create_model(name: str, /, **overrides) -> keras.Model:
    """Builds a registered model, uncompiled; `overrides` replace or add to its hyperparameters.

    `create_model("bilstm_2x64", num_classes=4, vocabulary_size=20_000)`

    Raises:
        UsageError: an unknown name, or a hyperparameter the builder refuses.
    """
    entry = get_model_entry(name)
    parameters = signature(entry.build).parameters
    for option in overrides:
        if option not in parameters:
            raise unknown_name(f"hyperparameter of model {name!r}:", option, parameters)
    return entry.build(**{"name": name, **entry.hyperparameters, **overrides})

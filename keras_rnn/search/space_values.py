"""Values of a space: sets that cover it, and the values of a trial as options of `keras_rnn.train`."""

import re
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    import keras_tuner

LAYER_SIZE_NAME = re.compile(r"hidden_size_([1-9]\d*)")  # layers count from 1


def covering_values(hyperparameters: "keras_tuner.HyperParameters") -> list[dict[str, Any]]:
    """A few sets of active values, the defaults first, that cover every choice and both ends of every range.

    Building a model with each set finds the values that it refuses, before any trial starts.
    """
    import keras_tuner

    columns = []
    for hyperparameter in hyperparameters.space:
        if hasattr(hyperparameter, "min_value"):
            values = [hyperparameter.min_value, hyperparameter.max_value]
        else:
            values = hyperparameter.values
        columns.append(list(dict.fromkeys([hyperparameter.default, *values])))
    sets = []
    for row in range(max(map(len, columns), default=0)):
        trial = keras_tuner.HyperParameters()
        for hyperparameter, values in zip(hyperparameters.space, columns, strict=True):
            trial.merge([hyperparameter])
            if trial.is_active(hyperparameter):
                trial.values[hyperparameter.name] = values[min(row, len(values) - 1)]
        sets.append(trial.values)
    return sets


def trial_options(values: Mapping[str, Any]) -> dict[str, Any]:
    """The active values of a trial as options of `keras_rnn.train`: hidden_size_1, ... become one list."""
    options, sizes = {}, {}
    for name, value in values.items():
        value = value.item() if hasattr(value, "item") else value  # numpy's scalars
        if match := LAYER_SIZE_NAME.fullmatch(name):
            sizes[int(match[1])] = value
        else:
            options[name] = value
    if sizes:
        options["hidden_size"] = [sizes[layer] for layer in sorted(sizes)]
    return options

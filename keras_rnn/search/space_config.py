"""Spaces as keras-tuner's configurations, which are JSON: conversion, description and differences."""

import copy
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from keras_rnn.search.ranges import parse_value

if TYPE_CHECKING:
    import keras_tuner


def space_config(hyperparameters: "keras_tuner.HyperParameters") -> dict[str, Any]:
    """`HyperParameters.get_config()` without the current values."""
    return {**hyperparameters.get_config(), "values": {}}


def space_from_config(config: Mapping[str, Any]) -> "keras_tuner.HyperParameters":
    """The inverse of `HyperParameters.get_config()`. Unlike keras-tuner's own it does not change `config`."""
    import keras_tuner

    return keras_tuner.HyperParameters.from_config(copy.deepcopy(dict(config)))


def describe_space(hyperparameters: "keras_tuner.HyperParameters") -> list[str]:
    """One line for each hyperparameter: "hidden_size: 32, 64, 128", "learning_rate: 0.0001 to 0.01, log"."""
    return [f"{name}: {text}" for name, text in _format_space(hyperparameters.get_config()).items()]


def space_differences(previous: Mapping[str, Any], current: Mapping[str, Any]) -> list[str]:
    """One line for each hyperparameter that differs between two configurations, or one if the order does."""
    old_texts, new_texts = _format_space(previous), _format_space(current)
    lines = [
        f"{name} was {old_texts[name]}, now {text}"
        for name, text in new_texts.items()
        if old_texts.get(name, text) != text
    ]
    lines += [f"{name} is new: {text}" for name, text in new_texts.items() if name not in old_texts]
    lines += [f"{name} is gone, it was {text}" for name, text in old_texts.items() if name not in new_texts]
    if not lines and list(old_texts) != list(new_texts):
        lines.append(f"the order was {', '.join(old_texts)}, now {', '.join(new_texts)}")
    return lines


def _format_space(config: Mapping[str, Any]) -> dict[str, str]:
    """The description of each hyperparameter, by name. Different hyperparameters have different descriptions."""
    texts: dict[str, str] = {}
    for entry in config["space"]:
        name, text = entry["config"]["name"], _format_hyperparameter(entry["class_name"], entry["config"])
        texts[name] = f"{texts[name]}; {text}" if name in texts else text  # one name under several conditions
    return texts


def _format_hyperparameter(kind: str, config: Mapping[str, Any]) -> str:
    if kind == "Fixed":
        text = _format_value(config["value"])
    elif kind == "Boolean":
        text = f"{config['default']}, {not config['default']}"
    elif kind == "Choice":
        text = _with_default(", ".join(map(_format_value, config["values"])), config, config["values"][0])
    else:
        text = f"{config['min_value']} to {config['max_value']}"
        if config["step"] not in (None, 1):
            text += f", step {config['step']}"
        if config["sampling"] != "linear":
            text += f", {config['sampling']}"
        text = _with_default(text, config, config["min_value"])
    for condition in config["conditions"]:
        parent = condition["config"]
        text += f" where {parent['name']} is {' or '.join(map(_format_value, parent['values']))}"
    return text


def _with_default(text: str, config: Mapping[str, Any], expected: Any) -> str:
    return text if config["default"] in (None, expected) else f"{text}, default {_format_value(config['default'])}"


def _format_value(value: Any) -> str:
    """The value as text. A string that looks like another type is quoted."""
    return value if isinstance(value, str) and parse_value(value) == value else repr(value)

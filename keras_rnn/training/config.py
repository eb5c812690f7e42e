"""What a training run is made of: a task and frozen dataclasses, written as JSON into the run directory."""

import dataclasses
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np

from keras_rnn.datasets.options import DataOptions
from keras_rnn.errors import UsageError, unknown_name
from keras_rnn.tasks import DEFAULT_TASK, get_contract, get_task
from keras_rnn.text.options import TextOptions
from keras_rnn.training.hyperparameters import hyperparameter_names
from keras_rnn.training.options import ModelOptions, TrainingOptions


@dataclass(frozen=True)
class RunConfig:
    """A task, and its options; `run_config` makes one.

    Raises:
        UsageError: the model is one of another task.
    """

    task: str
    data: DataOptions
    text: TextOptions
    model: ModelOptions
    training: TrainingOptions

    def __post_init__(self):
        from keras_rnn.models import get_model_entry

        if (model_task := get_model_entry(self.model.model).task) != self.task:
            raise UsageError(
                f"model {self.model.model!r} is for the task {model_task!r}, and the task is {self.task!r}; "
                f"give --task {model_task}, or another model"
            )


# Fields that older configs lack, with their values.
LATER_FIELDS: dict[str, dict[str, Any]] = {"training": {"batch_tokens": None, "averaging": 0.0}}
SECTIONS = ("data", "text", "model", "training")


def path_fields(options: Any) -> list[str]:
    """The fields of a dataclass of options that hold a local path."""
    return [option.name for option in dataclasses.fields(options) if option.metadata.get("path")]


def section_types(task: str) -> dict[str, type]:
    """The dataclass of each section of a task's config."""
    return dict(
        zip(SECTIONS, (DataOptions, get_contract(task).TEXT_OPTIONS, ModelOptions, TrainingOptions), strict=True)
    )


def run_config(task: str = DEFAULT_TASK, **options) -> RunConfig:
    """A RunConfig from a task, the fields of its sections and the model's hyperparameters, by bare name.

    Other options come from the model's registered training settings, then from the defaults; one hidden_size a
    layer says how many layers there are.

    Raises:
        UsageError: an unknown option, or a value out of its range.
    """
    from keras_rnn.models import get_model_entry

    task_object = get_task(task)
    options.setdefault("model", task_object.default_model)
    entry = get_model_entry(options["model"])
    types = section_types(task)
    section_of = {
        option.name: section
        for section, kind in types.items()
        for option in dataclasses.fields(kind)
        if option.name != "hyperparameters"
    }
    sections: dict[str, dict] = {section: {} for section in SECTIONS}
    sections["training"].update(entry.training)
    hyperparameters: dict[str, Any] = {}
    model_hyperparameters = hyperparameter_names(options["model"])
    for option, value in options.items():
        value = value.item() if isinstance(value, np.generic) else value
        if option in section_of:
            sections[section_of[option]][option] = value
        elif option in model_hyperparameters:
            hyperparameters[option] = value
        else:
            raise unknown_name("option", option, [*section_of, *model_hyperparameters])
    if isinstance(hyperparameters.get("hidden_size"), (list, tuple)) and "num_layers" in model_hyperparameters:
        hyperparameters.setdefault("num_layers", len(hyperparameters["hidden_size"]))
    sections["model"]["hyperparameters"] = hyperparameters
    if sections["data"].get("dataset") is None and sections["data"].get("data") is None:
        sections["data"]["dataset"] = task_object.default_dataset
    sections["data"] = dataclasses.asdict(DataOptions(**sections["data"]).absolute())
    return RunConfig(task, **{section: types[section](**values) for section, values in sections.items()})


def config_to_dict(config: RunConfig) -> dict:
    """As JSON holds it: lists for tuples."""
    values = dataclasses.asdict(config)
    values["data"]["text_columns"] = list(values["data"]["text_columns"])
    return values


def config_from_dict(values: Any) -> RunConfig:
    """The inverse of `config_to_dict`; UsageError on a section or field that is missing, unknown or of a wrong kind."""
    if isinstance(values, Mapping):
        values = {"task": DEFAULT_TASK, **values}  # configs of version 0.1 have no task
    _check_fields("a run's config", values, ("task", *SECTIONS))
    get_task(values["task"])  # whose import registers its models
    types = section_types(values["task"])
    sections = {
        section: {**LATER_FIELDS.get(section, {}), **values[section]}
        if isinstance(values[section], Mapping)
        else values[section]
        for section in SECTIONS
    }
    for section, kind in types.items():
        _check_fields(
            f"a run's {section} config", sections[section], [option.name for option in dataclasses.fields(kind)]
        )
    try:
        return RunConfig(values["task"], **{section: kind(**sections[section]) for section, kind in types.items()})
    except (TypeError, AttributeError) as error:  # a value of a kind that JSON has and no option takes
        raise UsageError(f"a run's config holds a value of a wrong kind: {error}") from error


def _check_fields(owner: str, values: Any, names: Iterable[str]) -> None:
    if not isinstance(values, Mapping):
        raise UsageError(f"{owner} takes an object, got {values!r}")
    for name in values:
        if name not in names:
            raise unknown_name(f"field of {owner}", name, names)
    for name in names:
        if name not in values:
            raise UsageError(f"{owner} lacks the field {name!r}")


def differences(previous: RunConfig, current: RunConfig) -> list[str]:
    """One line a field in which two configs differ."""
    previous_values, current_values = config_to_dict(previous), config_to_dict(current)
    if previous_values["task"] != current_values["task"]:
        return [f"task was {previous_values['task']!r}, now {current_values['task']!r}"]
    return [
        f"{option} was {previous_values[section][option]!r}, now {value!r}"
        for section in SECTIONS
        for option, value in current_values[section].items()
        if value != previous_values[section][option]
    ]

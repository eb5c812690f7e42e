"""Options of commands, from the dataclasses that define each of them once, with its type and its help."""

import dataclasses
import types
import typing
from collections.abc import Callable, Iterable
from inspect import Parameter, signature
from typing import Annotated, Any

import typer

from keras_rnn.cli.hyperparameters import HYPERPARAMETERS
from keras_rnn.datasets.options import DataOptions
from keras_rnn.errors import UsageError
from keras_rnn.tasks import DEFAULT_TASK, get_contract, list_tasks
from keras_rnn.training.options import ModelOptions, TrainingOptions

RunDirectory = Annotated[str, typer.Argument(metavar="RUN", help="A run directory that `keras-rnn train` made.")]


def with_options(parameters: Iterable[Parameter], after: str) -> Callable[[Callable], Callable]:
    """A decorator that gives a command further options, which it takes as `**options`.

    Args:
        parameters: the options, in the order of the help.
        after: the name of the parameter that they stand after.
    """

    def decorate(command: Callable) -> Callable:
        own_parameters = [
            value for value in signature(command).parameters.values() if value.kind is not Parameter.VAR_KEYWORD
        ]
        start = [value.name for value in own_parameters].index(after) + 1
        all_parameters = [*own_parameters[:start], *parameters, *own_parameters[start:]]
        command.__signature__ = signature(command).replace(parameters=all_parameters)
        command.__annotations__ = {value.name: value.annotation for value in all_parameters}
        return command

    return decorate


def task_option() -> Parameter:
    return _parameter("task", str, f"What is learned: {', '.join(list_tasks())}. Default: {DEFAULT_TASK}.")


def data_options() -> list[Parameter]:
    """Where the rows come from."""
    return _field_options(DataOptions)


def evaluation_options() -> list[Parameter]:
    """Where the rows to evaluate on come from."""
    names = ("data", "text_columns", "label_column", "header")
    return [parameter for parameter in data_options() if parameter.name in names]


def run_options(*, sweep: bool = False) -> list[Parameter]:
    """The options of a run, or of the runs of a sweep, whose hyperparameters may be choices and ranges."""
    text = {
        parameter.name: parameter
        for task in list_tasks()
        for parameter in _field_options(get_contract(task).TEXT_OPTIONS, sweep)
    }
    hyperparameters = [
        _parameter(
            name,
            str if sweep else hyperparameter.type,
            hyperparameter.sweep_help if sweep else hyperparameter.help,
            None if sweep else hyperparameter.declaration,
        )
        for name, hyperparameter in HYPERPARAMETERS.items()
    ]
    model = _field_options(ModelOptions, sweep)
    return [
        task_option(),
        *data_options(),
        *model,
        *hyperparameters,
        *text.values(),
        *_field_options(TrainingOptions, sweep),
    ]


def searched_options() -> list[str]:
    """The options that may be a choice or a range in a sweep."""
    training = [field.name for field in dataclasses.fields(TrainingOptions) if field.metadata.get("sweep_help")]
    return [*HYPERPARAMETERS, *training]


def _field_options(kind: type, sweep: bool = False) -> list[Parameter]:
    hints = typing.get_type_hints(kind)
    return [
        _parameter(
            field.name,
            str if sweep and field.metadata.get("sweep_help") else _option_type(hints[field.name]),
            field.metadata.get("sweep_help" if sweep and "sweep_help" in field.metadata else "help"),
            field.metadata.get("option"),
        )
        for field in dataclasses.fields(kind)
        if field.metadata and not (sweep and field.metadata.get("sweep_help", "") is None)
    ]


def _option_type(hint: Any) -> Any:
    """The type on the command line: int for `int | None`, a list for a tuple of strings."""
    if isinstance(hint, types.UnionType):
        hint = next(kind for kind in typing.get_args(hint) if kind is not type(None))
    return list[str] if typing.get_origin(hint) is tuple else hint


def _parameter(name: str, kind: Any, text: str, declaration: str | None = None) -> Parameter:
    option = typer.Option(*([declaration] if declaration else []), help=text)
    return Parameter(name, Parameter.POSITIONAL_OR_KEYWORD, default=None, annotation=Annotated[kind | None, option])


def hidden_size(text: str | None) -> int | list[int] | None:
    """ "64" or "128,64", one size a layer."""
    if text is None:
        return None
    try:
        sizes = [int(size) for size in text.split(",")]
    except ValueError:
        raise UsageError(f"--hidden-size takes a whole number, or one a layer parted by commas, got {text!r}") from None
    return sizes[0] if len(sizes) == 1 else sizes

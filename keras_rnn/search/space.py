"""Search spaces: the searched options of `keras_rnn.train` as keras-tuner's HyperParameters.

An option is searched if its value is a list (a choice) or a `Range`. keras-tuner 1.4 uses a range like this: random
search and Hyperband draw from all of it; Bayesian optimisation draws at first, then follows its model. A grid tries
every value of a linear range of whole numbers. Of any other range it tries the low end and ten values within, at 5 %,
15 %, ..., 95 % of the way (of the logarithm in a log range), so never the high end.
"""

import dataclasses
from collections.abc import Mapping, Sequence
from inspect import Parameter, signature
from typing import TYPE_CHECKING, Any

from keras_rnn.checks import whole_number
from keras_rnn.datasets.options import DataOptions
from keras_rnn.errors import UsageError, unknown_name
from keras_rnn.search.ranges import Range, check_choices, parse_range
from keras_rnn.search.space_values import LAYER_SIZE_NAME
from keras_rnn.tasks import get_contract
from keras_rnn.training.options import TrainingOptions

if TYPE_CHECKING:  # it imports TensorFlow, which reading a command line does not need
    import keras_tuner

SEARCHED_TRAINING = tuple(
    field.name for field in dataclasses.fields(TrainingOptions) if field.metadata.get("sweep_help")
)
ONE_VALUE, ONE_MODEL = "takes a single value in a sweep", "its space is that of one model's hyperparameters"


def search_space(
    options: Mapping[str, Any], hidden_size_per_layer: bool = False
) -> tuple[dict[str, Any], "keras_tuner.HyperParameters"]:
    """The fixed options, and the searched ones as hyperparameters. Their order depends on their names only.

    `search_space({"cell": ["lstm", "gru"], "learning_rate": Range(1e-4, 1e-2, log=True), "epochs": 2})`

    Args:
        options: by the names that `keras_rnn.train` takes. A list is a choice, whose default is its first value; a
            `Range`, or a string low:high[:log], a range, whose default is its low end. Any other value is fixed. The
            model's hyperparameters, batch_size, learning_rate, learning_rate_decay and clip_norm can be searched.
        hidden_size_per_layer: hidden_size, which must be searched, becomes hidden_size_1, hidden_size_2, ..., each
            active only if num_layers is that large.

    Returns:
        The fixed options and the space, which is empty if no option is searched.

    Raises:
        UsageError: an unknown option, an option that cannot be searched, or a value that it does not take. Values of
            hyperparameters are checked later, when models are built: see `covering_values`.
    """
    import keras_tuner

    from keras_rnn.tasks import DEFAULT_TASK, get_task
    from keras_rnn.training.config import run_config

    model = options.get("model", get_task(options.get("task", DEFAULT_TASK)).default_model)
    if not isinstance(model, str):
        raise UsageError(f"model {ONE_VALUE}, got {model}: {ONE_MODEL}")
    fixed, searched = {}, {}
    for option, value in options.items():
        if isinstance(value, str) and ":" in value and option in _searchable_names(model):
            value = parse_range(option, value)
        is_choice = isinstance(value, Sequence) and not isinstance(value, str) and option != "text_columns"
        if is_choice or isinstance(value, Range):
            _check_searchable(option, model, f"got {value}")
            searched[option] = value if isinstance(value, Range) else check_choices(option, value)
        else:
            fixed[option] = value
    run_config(**fixed)
    for option in searched.keys() & set(SEARCHED_TRAINING):
        for value in _extremes(searched[option]):
            run_config(**{**fixed, option: value})

    space = keras_tuner.HyperParameters()
    for option in sorted(searched, key=_searchable_names(model).index):
        if option == "hidden_size" and hidden_size_per_layer:
            depth = searched.get("num_layers", fixed.get("num_layers", _default("num_layers", model)))
            _declare_each_layer(space, searched[option], _default(option, model), depth)
        else:
            _declare(space, option, searched[option], _default(option, model))
    if hidden_size_per_layer and "hidden_size" not in searched:
        raise UsageError(
            f"hidden_size_per_layer takes a choice or a range of hidden_size, got {fixed.get('hidden_size', 'none')}"
        )
    return fixed, space


def _declare(space: "keras_tuner.HyperParameters", name: str, value: list | Range, default: Any) -> None:
    if isinstance(value, Range):
        if isinstance(default, (bool, str)):
            raise UsageError(f"{name} takes no range, as its values are no numbers; got {value}")
        is_whole = isinstance(value.low, int) and isinstance(value.high, int)
        if isinstance(default, int) and not is_whole:
            raise UsageError(f"{name} takes a range of whole numbers, got {value}")
        declare = space.Int if is_whole and not isinstance(default, float) else space.Float
        declare(name, value.low, value.high, sampling="log" if value.log else "linear")
    elif isinstance(value[0], bool):  # a Choice would turn bools into ints
        if len(value) == 1:
            space.Fixed(name, value[0])
        else:
            space.Boolean(name, default=value[0])
    else:
        space.Choice(name, value)


def _declare_each_layer(space: "keras_tuner.HyperParameters", sizes: list | Range, default: Any, depth: Any) -> None:
    if isinstance(depth, Range):
        depth = range(int(depth.low), int(depth.high) + 1)
    depths = [whole_number("num_layers", layers, 0) for layers in (depth if isinstance(depth, Sequence) else [depth])]
    if not max(depths):
        raise UsageError("hidden_size_per_layer takes num_layers of at least 1, got 0")
    for layer in range(1, max(depths) + 1):
        active_depths = [layers for layers in depths if layers >= layer]
        if active_depths == depths:
            _declare(space, f"hidden_size_{layer}", sizes, default)
        else:
            with space.conditional_scope("num_layers", active_depths):
                _declare(space, f"hidden_size_{layer}", sizes, default)


def _searchable_names(model: str) -> list[str]:
    """The names that can be searched, in the order of the space: parents before children, so num_layers first."""
    from keras_rnn.models import get_model_entry
    from keras_rnn.training.hyperparameters import hyperparameter_names

    hyperparameters = hyperparameter_names(model)
    ordered_names = [name for name in signature(get_model_entry(model).build).parameters if name in hyperparameters]
    return sorted([*ordered_names, *SEARCHED_TRAINING], key=lambda name: name != "num_layers")


def _default(option: str, model: str) -> Any:
    """The default of an option; None where it has none."""
    from keras_rnn.models import get_model_entry

    if option in SEARCHED_TRAINING:
        return getattr(TrainingOptions(), option)
    entry = get_model_entry(model)
    parameter = signature(entry.build).parameters.get(option)
    builder_default = None if parameter is None or parameter.default is Parameter.empty else parameter.default
    return entry.hyperparameters.get(option, builder_default)


def _check_searchable(option: str, model: str, got: str) -> None:
    """UsageError with the reason unless the option can be searched."""
    from keras_rnn.models import get_model_entry

    searchable = _searchable_names(model)
    if option in searchable:
        return
    data, text, training = (
        [field.name for field in dataclasses.fields(kind)]
        for kind in (DataOptions, get_contract(get_model_entry(model).task).TEXT_OPTIONS, TrainingOptions)
    )
    if option in [*data, *text, "task"]:
        reason = "token ids are made once for all trials"
    elif option == "model":
        reason = ONE_MODEL
    elif option in training:
        reason = "it is the same in all trials, so that they compare"
    else:
        raise unknown_name("hyperparameter", option, searchable)
    raise UsageError(f"{option} {ONE_VALUE}, {got}: {reason}")


def _extremes(value: list | Range) -> Sequence:
    return (value.low, value.high) if isinstance(value, Range) else value


def check_names(hyperparameters: "keras_tuner.HyperParameters", model: str) -> None:
    """UsageError unless there is a hyperparameter and a trial of the registered `model` can use every name."""
    names = {hyperparameter.name for hyperparameter in hyperparameters.space}
    if not names:
        raise UsageError("nothing to search: give at least one option several values or a range")
    layers = {int(match[1]) for name in names if (match := LAYER_SIZE_NAME.fullmatch(name))}
    for name in sorted(names):
        if not LAYER_SIZE_NAME.fullmatch(name):
            _check_searchable(name, model, "got it as a hyperparameter")
    if layers:
        _check_searchable("hidden_size", model, "got it a layer")
        if layers != set(range(1, len(layers) + 1)):
            raise UsageError(f"hidden_size_1, hidden_size_2, ... take every layer from 1, got {sorted(layers)}")
        if "hidden_size" in names:
            raise UsageError("hidden_size and hidden_size_1 exclude each other")

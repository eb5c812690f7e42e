"""Search spaces: options of `keras_rnn.train`, some of them open, as keras-tuner's HyperParameters, and values back.

An option is open where it is a list (a choice) or a `Range`. What keras-tuner 1.4 makes of a range: random search and
Hyperband draw from all of it, Bayesian optimisation draws at first and then looks where its model says. A grid tries
every value of a linear range of whole numbers; of any other range its low end and ten values within, at 5 %, 15 %, ...,
95 % of the way (of the logarithm's in a log range), so never the high end.
"""

import copy
import dataclasses
import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from inspect import Parameter, signature
from numbers import Integral, Real
from typing import TYPE_CHECKING, Any

from keras_rnn.checks import flag, whole_number
from keras_rnn.errors import UsageError, unknown_name

if TYPE_CHECKING:  # it imports TensorFlow, which reading a command line does not need
    import keras_tuner

SEARCHED_TRAINING = ("batch_size", "learning_rate", "learning_rate_decay", "clip_norm")
SIZE_OF_LAYER = re.compile(r"hidden_size_([1-9]\d*)")  # layers count from 1
KINDS = "a value, a choice like 1,2,3 or a range low:high[:log]"
ONE_VALUE, ONE_MODEL = "takes a single value in a sweep", "its space is that of one model's hyperparameters"


@dataclass(frozen=True)
class Range:
    """The numbers from `low` to `high`, both included; with `log`, every factor between them is as likely.

    Where both are ints, whole numbers alone, unless the option takes any number (dropout, learning_rate).

    Raises:
        UsageError: an end is no finite number, low is not below high, or a log range does not start above 0.
    """

    low: float
    high: float
    log: bool = False

    def __post_init__(self):
        for end in ("low", "high"):
            value = getattr(self, end)
            if isinstance(value, bool) or not isinstance(value, Real) or not abs(value) < float("inf"):
                raise UsageError(f"a range takes numbers, got {end} {value!r}")
            object.__setattr__(self, end, int(value) if isinstance(value, Integral) else float(value))
        if self.low >= self.high:
            raise UsageError(f"a range takes low below high, got low {self.low} and high {self.high}")
        if flag("log", self.log) and self.low <= 0:
            raise UsageError(f"a log range takes low above 0, got {self.low}")


def parse(option: str, text: str) -> Any:
    """What the text of an option says: "64" a value, "32,64" a list of them, "32:128" or "1e-4:1e-2:log" a `Range`.

    Values are ints, floats or bools where they look like it, else strings.

    Raises:
        UsageError: an empty or repeated choice, choices of several types, or a bad range; it names `option`.
    """
    if ":" in text:
        return _parse_range(option, text)
    parts = [part.strip() for part in text.split(",")]
    if "" in parts:
        raise UsageError(f"{option} takes {KINDS}, got {text!r} with an empty value")
    values = [_typed(part) for part in parts]
    return values[0] if len(values) == 1 else _choices(option, values)


def _parse_range(option: str, text: str) -> Range:
    low, high, *scale = map(str.strip, text.split(":"))
    if scale not in ([], ["log"]):
        raise UsageError(f"{option} takes {KINDS}, got {text!r}")
    try:
        return Range(_typed(low), _typed(high), log=bool(scale))
    except UsageError as error:
        raise UsageError(f"{option} got {text!r}: {error}") from None


def _typed(text: str) -> Any:
    if text.lower() in ("true", "false"):
        return text.lower() == "true"
    for kind in (int, float):
        try:
            value = kind(text)
        except ValueError:
            continue
        if abs(value) < float("inf"):
            return value
    return text


def _choices(option: str, values: Iterable) -> list:
    """The values as Python's own, of one type; ints become floats beside floats."""
    values = [value.item() if hasattr(value, "item") else value for value in values]  # numpy's scalars
    if not values:
        raise UsageError(f"{option} takes at least one value to choose from, got none")
    kinds = {type(value) for value in values}
    if kinds == {int, float}:
        values, kinds = [float(value) for value in values], {float}
    if len(kinds) > 1 or not kinds <= {int, float, str, bool}:
        raise UsageError(f"{option} takes numbers, or strings, or True and False to choose from, got {values}")
    for place, value in enumerate(values):
        if value in values[:place]:
            raise UsageError(f"{option} takes each value once, got {value!r} twice")
    return values


def search_space(
    options: Mapping[str, Any], hidden_size_per_layer: bool = False
) -> tuple[dict[str, Any], "keras_tuner.HyperParameters"]:
    """The fixed options, and the open ones as hyperparameters, in an order that hangs on their names alone.

    `search_space({"cell": ["lstm", "gru"], "learning_rate": Range(1e-4, 1e-2, log=True), "epochs": 2})`

    Args:
        options: by the names that `keras_rnn.train` takes. A list is a choice, whose default is its first value; a
            `Range`, or a string low:high[:log], a range, whose default is its low end; anything else is fixed. Open may
            be the model's hyperparameters and batch_size, learning_rate, learning_rate_decay, clip_norm.
        hidden_size_per_layer: hidden_size, which is open then, becomes hidden_size_1, hidden_size_2, ..., each active
            only where num_layers is that large.

    Returns:
        The fixed options and the space; it is empty where nothing is open.

    Raises:
        UsageError: an unknown option, one that may not be open, or a value that it does not take. Hyperparameters'
            values show when a model is built with them: see `covering_values`.
    """
    import keras_tuner

    from keras_rnn.training.config import DEFAULT_MODEL, run_config

    model = options.get("model", DEFAULT_MODEL)
    if not isinstance(model, str):
        raise UsageError(f"model {ONE_VALUE}, got {model}: {ONE_MODEL}")
    fixed, opened = {}, {}
    for option, value in options.items():
        if isinstance(value, str) and ":" in value and option in _searchable(model):
            value = _parse_range(option, value)
        several = isinstance(value, Sequence) and not isinstance(value, str) and option != "text_columns"
        if several or isinstance(value, Range):
            _check_searchable(option, model, f"got {value}")
            opened[option] = value if isinstance(value, Range) else _choices(option, value)
        else:
            fixed[option] = value
    run_config(**fixed)
    for option in opened.keys() & set(SEARCHED_TRAINING):
        for value in _ends(opened[option]):
            run_config(**{**fixed, option: value})

    space = keras_tuner.HyperParameters()
    for option in sorted(opened, key=_searchable(model).index):
        if option == "hidden_size" and hidden_size_per_layer:
            depth = opened.get("num_layers", fixed.get("num_layers", _default("num_layers", model)))
            _open_each_layer(space, opened[option], _default(option, model), depth)
        else:
            _open(space, option, opened[option], _default(option, model))
    if hidden_size_per_layer and "hidden_size" not in opened:
        raise UsageError(
            f"hidden_size_per_layer takes a choice or a range of hidden_size, got {fixed.get('hidden_size', 'none')}"
        )
    return fixed, space


def _open(space: "keras_tuner.HyperParameters", name: str, value: list | Range, default: Any) -> None:
    if isinstance(value, Range):
        if isinstance(default, (bool, str)):
            raise UsageError(f"{name} takes no range, as its values are no numbers; got {value}")
        whole = isinstance(value.low, int) and isinstance(value.high, int)
        if isinstance(default, int) and not whole:
            raise UsageError(f"{name} takes a range of whole numbers, got {value}")
        declare = space.Int if whole and not isinstance(default, float) else space.Float
        declare(name, value.low, value.high, sampling="log" if value.log else "linear")
    elif isinstance(value[0], bool):  # a Choice would make ints of them
        if len(value) == 1:
            space.Fixed(name, value[0])
        else:
            space.Boolean(name, default=value[0])
    else:
        space.Choice(name, value)


def _open_each_layer(space: "keras_tuner.HyperParameters", sizes: list | Range, default: Any, depth: Any) -> None:
    if isinstance(depth, Range):
        depth = range(depth.low, depth.high + 1)
    depths = [whole_number("num_layers", layers, 0) for layers in (depth if isinstance(depth, Sequence) else [depth])]
    if not max(depths):
        raise UsageError("hidden_size_per_layer takes num_layers of at least 1, got 0")
    for layer in range(1, max(depths) + 1):
        where = [layers for layers in depths if layers >= layer]
        if where == depths:
            _open(space, f"hidden_size_{layer}", sizes, default)
        else:
            with space.conditional_scope("num_layers", where):
                _open(space, f"hidden_size_{layer}", sizes, default)


def _searchable(model: str) -> list[str]:
    """What may be open, in the order of the space: parents before their children, so num_layers first."""
    from keras_rnn.models import get_model_entry
    from keras_rnn.training.config import hyperparameter_names

    takes = hyperparameter_names(model)
    ordered = [name for name in signature(get_model_entry(model).build).parameters if name in takes]
    return sorted([*ordered, *SEARCHED_TRAINING], key=lambda name: name != "num_layers")


def _default(option: str, model: str) -> Any:
    """The value of an option that is not given; None where there is none."""
    from keras_rnn.models import get_model_entry
    from keras_rnn.training.config import TrainingConfig

    if option in SEARCHED_TRAINING:
        return getattr(TrainingConfig(), option)
    entry = get_model_entry(model)
    parameter = signature(entry.build).parameters.get(option)
    written = None if parameter is None or parameter.default is Parameter.empty else parameter.default
    return entry.hyperparameters.get(option, written)


def _check_searchable(option: str, model: str, got: str) -> None:
    """UsageError with the reason unless the option may be open."""
    from keras_rnn.training.config import DataConfig, TextConfig, TrainingConfig

    searchable = _searchable(model)
    if option in searchable:
        return
    data, text, training = (
        [field.name for field in dataclasses.fields(kind)] for kind in (DataConfig, TextConfig, TrainingConfig)
    )
    if option in data + text:
        reason = "token ids are made once for all trials"
    elif option == "model":
        reason = ONE_MODEL
    elif option in training:
        reason = "it is the same in all trials, so that they compare"
    else:
        raise unknown_name("hyperparameter", option, searchable)
    raise UsageError(f"{option} {ONE_VALUE}, {got}: {reason}")


def _ends(value: list | Range) -> Sequence:
    return (value.low, value.high) if isinstance(value, Range) else value


def check_names(hyperparameters: "keras_tuner.HyperParameters", model: str) -> None:
    """UsageError unless a trial of the registered `model` can use every name, and there is one."""
    names = {hyperparameter.name for hyperparameter in hyperparameters.space}
    if not names:
        raise UsageError("nothing to search: give at least one option several values or a range")
    layers = {int(found[1]) for name in names if (found := SIZE_OF_LAYER.fullmatch(name))}
    for name in sorted(names):
        if not SIZE_OF_LAYER.fullmatch(name):
            _check_searchable(name, model, "got it as a hyperparameter")
    if layers:
        _check_searchable("hidden_size", model, "got it a layer")
        if layers != set(range(1, len(layers) + 1)):
            raise UsageError(f"hidden_size_1, hidden_size_2, ... take every layer from 1, got {sorted(layers)}")
        if "hidden_size" in names:
            raise UsageError("hidden_size and hidden_size_1 exclude each other")


def covering_values(hyperparameters: "keras_tuner.HyperParameters") -> list[dict[str, Any]]:
    """A few sets of active values, the defaults' first, that try every choice and both ends of every range.

    Building a model with each shows a value that it refuses before any trial has started.
    """
    import keras_tuner

    columns = []
    for hyperparameter in hyperparameters.space:
        ranged = hasattr(hyperparameter, "min_value")
        values = (
            [hyperparameter.min_value, hyperparameter.max_value] if ranged else [*dict.fromkeys(hyperparameter.values)]
        )
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


def space_config(hyperparameters: "keras_tuner.HyperParameters") -> dict[str, Any]:
    """`HyperParameters.get_config()` of the space alone, without the values that it happens to hold."""
    return {**hyperparameters.get_config(), "values": {}}


def space_of(config: Mapping[str, Any]) -> "keras_tuner.HyperParameters":
    """The inverse of `HyperParameters.get_config()`, which leaves `config` as it is: keras-tuner's own changes it."""
    import keras_tuner

    return keras_tuner.HyperParameters.from_config(copy.deepcopy(dict(config)))


def trial_options(values: Mapping[str, Any]) -> dict[str, Any]:
    """The active values of a trial as options of `keras_rnn.train`: hidden_size_1, ... become one list."""
    options, sizes = {}, {}
    for name, value in values.items():
        value = value.item() if hasattr(value, "item") else value  # numpy's scalars
        if found := SIZE_OF_LAYER.fullmatch(name):
            sizes[int(found[1])] = value
        else:
            options[name] = value
    if sizes:
        options["hidden_size"] = [sizes[layer] for layer in sorted(sizes)]
    return options


def describe(hyperparameters: "keras_tuner.HyperParameters") -> list[str]:
    """One line a hyperparameter: "hidden_size: 32, 64, 128", "learning_rate: 0.0001 to 0.01, log"."""
    return [f"{name}: {text}" for name, text in _texts(hyperparameters.get_config()).items()]


def differences(before: Mapping[str, Any], now: Mapping[str, Any]) -> list[str]:
    """One line a hyperparameter in which two `HyperParameters.get_config()`s differ, and one for another order."""
    old, new = _texts(before), _texts(now)
    lines = [f"{name} was {old[name]}, now {text}" for name, text in new.items() if old.get(name, text) != text]
    lines += [f"{name} is new: {text}" for name, text in new.items() if name not in old]
    lines += [f"{name} is gone, it was {text}" for name, text in old.items() if name not in new]
    if not lines and list(old) != list(new):
        lines.append(f"the order was {', '.join(old)}, now {', '.join(new)}")
    return lines


def _texts(config: Mapping[str, Any]) -> dict[str, str]:
    """What each name stands for, in words that differ where two differ."""
    texts: dict[str, str] = {}
    for entry in config["space"]:
        name, text = entry["config"]["name"], _text(entry["class_name"], entry["config"])
        texts[name] = f"{texts[name]}; {text}" if name in texts else text  # one name under several conditions
    return texts


def _text(kind: str, config: Mapping[str, Any]) -> str:
    if kind == "Fixed":
        text = _shown(config["value"])
    elif kind == "Boolean":
        text = f"{config['default']}, {not config['default']}"
    elif kind == "Choice":
        text = _with_default(", ".join(map(_shown, config["values"])), config, config["values"][0])
    else:
        text = f"{config['min_value']} to {config['max_value']}"
        if config["step"] not in (None, 1):
            text += f", step {config['step']}"
        if config["sampling"] != "linear":
            text += f", {config['sampling']}"
        text = _with_default(text, config, config["min_value"])
    for condition in config["conditions"]:
        parent = condition["config"]
        text += f" where {parent['name']} is {' or '.join(map(_shown, parent['values']))}"
    return text


def _with_default(text: str, config: Mapping[str, Any], usual: Any) -> str:
    return text if config["default"] in (None, usual) else f"{text}, default {_shown(config['default'])}"


def _shown(value: Any) -> str:
    """Bare, unless a string looks like something else."""
    return value if isinstance(value, str) and _typed(value) == value else repr(value)

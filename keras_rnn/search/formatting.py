"""Hyperparameters, metrics, times and errors as text for a person."""

from collections.abc import Mapping
from typing import Any

from keras_rnn.search.space_values import LAYER_SIZE_NAME


def format_value(value: Any) -> str:
    """A hyperparameter's value: a float with three significant digits, anything else in one line."""
    return f"{value:.3g}" if isinstance(value, float) else one_line(str(value))


def format_metric(value: float) -> str:
    """A metric with four decimals; a very small or large one with four significant digits."""
    return f"{value:.4f}" if value == 0 or 1e-3 <= abs(value) < 1000 else f"{value:.4g}"


def format_duration(seconds: float) -> str:
    """A time: "31.2 s", "12 min", "3 h 05 min"."""
    if seconds < 99.95:
        return f"{seconds:.1f} s"
    minutes = round(seconds / 60)
    return f"{minutes} min" if minutes < 100 else f"{minutes // 60} h {minutes % 60:02d} min"


def one_line(text: str) -> str:
    """`text` without line breaks and control characters, which would break a table or move the cursor."""
    return "".join(c for c in " ".join(text.split()) if c.isprintable())


def format_values(values: Mapping[str, Any]) -> str:
    """A trial's hyperparameters in a few words: "lstm 2x64, learning_rate 0.00123".

    The cell comes first, then layers x hidden size ("3x64/32/32" where each layer has its own), then the others.
    """
    other_values = dict(values)
    width_names = [name for name in values if name == "hidden_size" or LAYER_SIZE_NAME.fullmatch(name)]
    widths = [other_values.pop(name) for name in width_names]
    layers, cell = other_values.pop("num_layers", None), other_values.pop("cell", None)
    width = "/".join(map(format_value, widths))
    shape = [format_value(cell)] if cell is not None else []
    if layers is not None and widths:
        shape.append(f"{format_value(layers)}x{width}")
    elif layers is not None:
        shape.append(f"num_layers {format_value(layers)}")
    elif widths:
        shape.append(f"hidden_size {width}")
    return ", ".join(
        [" ".join(shape)] * bool(shape) + [f"{name} {format_value(value)}" for name, value in other_values.items()]
    )


def format_failure(failure: str, error: str) -> str:
    """Why a trial failed: "NaN loss: the loss of epoch 2 is nan"."""
    error = one_line(error)
    return f"{failure}: {error}" if error else failure

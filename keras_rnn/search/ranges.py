"""The values of a searched option: a choice, which is a list, or a `Range`; and how they are parsed from text."""

from collections.abc import Iterable
from dataclasses import dataclass
from numbers import Integral, Real
from typing import Any

from keras_rnn.checks import flag
from keras_rnn.errors import UsageError

OPTION_FORMS = "a value, a choice like 1,2,3 or a range low:high[:log]"


@dataclass(frozen=True)
class Range:
    """The numbers from `low` to `high`, both included. With `log` they are uniform in the logarithm.

    If both ends are ints, only whole numbers, unless the option takes any number (dropout, learning_rate).

    Raises:
        UsageError: an end is not a finite number, low is not below high, or low of a log range is not above 0.
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


def parse_option(option: str, text: str) -> Any:
    """Parses the text of an option: "64" is a value, "32,64" a list, "32:128" or "1e-4:1e-2:log" a `Range`.

    Values become ints, floats or bools if they look like them, else strings.

    Raises:
        UsageError: an empty or repeated choice, choices of several types, or a bad range; it names `option`.
    """
    if ":" in text:
        return parse_range(option, text)
    parts = [part.strip() for part in text.split(",")]
    if "" in parts:
        raise UsageError(f"{option} takes {OPTION_FORMS}, got {text!r} with an empty value")
    values = [parse_value(part) for part in parts]
    return values[0] if len(values) == 1 else check_choices(option, values)


def parse_range(option: str, text: str) -> Range:
    low, high, *scale = map(str.strip, text.split(":"))
    if scale not in ([], ["log"]):
        raise UsageError(f"{option} takes {OPTION_FORMS}, got {text!r}")
    try:
        return Range(parse_value(low), parse_value(high), log=bool(scale))
    except UsageError as error:
        raise UsageError(f"{option} got {text!r}: {error}") from None


def parse_value(text: str) -> Any:
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


def check_choices(option: str, values: Iterable) -> list:
    """The values as Python scalars of one type. Ints among floats become floats."""
    values = [value.item() if hasattr(value, "item") else value for value in values]  # numpy's scalars
    if not values:
        raise UsageError(f"{option} takes at least one value to choose from, got none")
    kinds = {type(value) for value in values}
    if kinds == {int, float}:
        values, kinds = [float(value) for value in values], {float}
    if len(kinds) > 1 or not kinds <= {int, float, str, bool}:
        raise UsageError(f"{option} takes numbers, or strings, or True and False to choose from, got {values}")
    for index, value in enumerate(values):
        if value in values[:index]:
            raise UsageError(f"{option} takes each value once, got {value!r} twice")
    return values

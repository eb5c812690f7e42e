"""Checks of single values, each with an error that names the value, what it got and what it takes."""

from collections.abc import Collection
from numbers import Integral, Real
from typing import Any

from keras_rnn.errors import UsageError, unknown_name


def _is_number(value: Any, kind: type) -> bool:
    return isinstance(value, kind) and not isinstance(value, bool)


def whole_number(name: str, value: Any, minimum: int = 1) -> int:
    if not _is_number(value, Integral) or value < minimum:
        raise UsageError(f"{name} takes a whole number of at least {minimum}, got {value!r}")
    return int(value)


def positive_number(name: str, value: Any) -> float:
    if not _is_number(value, Real) or not 0 < value < float("inf"):
        raise UsageError(f"{name} takes a number above 0, got {value!r}")
    return float(value)


def number_from_zero(name: str, value: Any) -> float:
    if not _is_number(value, Real) or not 0 <= value < float("inf"):
        raise UsageError(f"{name} takes a number of at least 0, got {value!r}")
    return float(value)


def rate(name: str, value: Any) -> float:
    if not _is_number(value, Real) or not 0 <= value < 1:
        raise UsageError(f"{name} takes a number from 0 up to, but not including, 1, got {value!r}")
    return float(value)


def fraction(name: str, value: Any) -> float:
    if not _is_number(value, Real) or not 0 < value < 1:
        raise UsageError(f"{name} takes a number between 0 and 1, got {value!r}")
    return float(value)


def vocabulary_size(value: Any) -> int:
    size = whole_number("vocabulary_size", value)
    if size < 3:
        raise UsageError(f"vocabulary_size takes at least 3 (padding, unknown and one token), got {value}")
    return size


def flag(name: str, value: Any) -> bool:
    if not isinstance(value, bool):
        raise UsageError(f"{name} takes True or False, got {value!r}")
    return value


def one_of(name: str, value: Any, choices: Collection[str]) -> str:
    if value not in choices:
        raise unknown_name(name, value, choices)
    return value

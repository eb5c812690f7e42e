"""Tolerances, and how results differ."""

import re
import traceback
from typing import NamedTuple

import numpy as np

from tests.layers.parity.cases import Case

OUTPUT_TOLERANCE = 1e-5  # absolute, or relative to the largest expected number
GRADIENT_TOLERANCE = 1e-4  # relative to the largest expected number
HALF_TOLERANCE = 5e-2  # of either, where numbers have 8 or 11 bits
SMALLEST_GRADIENT = 1e-6  # where all expected gradients are zero, or nearly so


class Verdict(NamedTuple):
    """What a comparison says.

    `status` is "same", "both raise" or one of FAILURES; or "lenient" where ours gives a number and Keras raises, or
    "static shape" where numbers are the same, and a traced function knows less of an output's shape.
    """

    status: str
    details: str = ""


FAILURES = ("different", "ours raises", "ours must raise", "crash", "hang", "harness")


def is_half(case: Case) -> bool:
    return "16" in case.policy or (case.dtype in ("float16", "bfloat16") and not case.autocast)


def difference(name: str, expected, actual, case: Case) -> str | None:
    """How `actual` is not what is expected, or None."""
    if isinstance(expected, np.ndarray) or isinstance(actual, np.ndarray):
        if expected is None:
            return None  # a gradient of nothing, and Keras has none
        if actual is None:
            return None if not np.any(expected) else f"{name} is None"
        if expected.dtype != actual.dtype:
            return f"{name} is {actual.dtype}, expected {expected.dtype}"
        if expected.shape != actual.shape:
            return f"{name} has shape {actual.shape}, expected {expected.shape}"
        expected, actual = (
            one.astype("complex128" if one.dtype.kind == "c" else "float64") for one in (expected, actual)
        )
        finite = np.isfinite(expected)
        if not np.all(np.isfinite(actual[finite])):
            return f"{name} is not finite at {np.sum(~np.isfinite(actual[finite]))} of {expected.size} numbers"
        if not np.any(finite):
            return None
        largest = np.abs(expected[finite]).max()
        error = np.abs(expected[finite] - actual[finite]).max()
        if is_half(case):
            tolerance = HALF_TOLERANCE * max(1.0, largest)
        elif name.startswith(("output", "variable", "loss", "weight")):
            tolerance = OUTPUT_TOLERANCE * max(1.0, largest)
        else:
            tolerance = max(GRADIENT_TOLERANCE * largest, SMALLEST_GRADIENT)
        return None if error <= tolerance else f"{name} is off by {error:.2g}, largest expected {largest:.2g}"
    if name.startswith("static shape"):
        if expected is None or actual is None or expected.rank is None:
            return None
        if actual.rank is None or any(e is not None and e != a for e, a in zip(expected, actual, strict=True)):
            return f"{name} is {actual}, expected {expected}"
    return None


def differences(expected: dict, actual: dict, case: Case) -> list[str]:
    """All that is not as expected."""
    result = [] if set(expected) == set(actual) else [f"names differ: {sorted(set(expected) ^ set(actual))}"]
    result += [difference(name, expected[name], actual[name], case) for name in expected if name in actual]
    return [one for one in result if one]


def short_message(error: Exception) -> str:
    """The error's message without what Keras and TensorFlow put around it, and where in `keras_rnn` it came from."""
    text = re.sub(r"\x1b\[[0-9;]*m", "", str(error))
    locations = re.findall(r'keras_rnn/layers/(\S+\.py)", line (\d+)', text)
    frames = [frame for frame in traceback.extract_tb(error.__traceback__) if "/keras_rnn/layers/" in frame.filename]
    locations += [(frame.filename.split("/keras_rnn/layers/")[1], frame.lineno) for frame in frames]
    message = " ".join(text.split()).split("Arguments received by")[0]
    message = re.sub(r"Exception encountered when calling \S+\s*|\{\{.*?\}\} *|\[\[.*?\]\]|File \"\S+\", ", "", message)
    message = message if len(message) < 300 else f"{message[:60]} ... {message[-240:]}"
    return f"{type(error).__name__}: {message}" + (f" ({locations[-1][0]}:{locations[-1][1]})" if locations else "")

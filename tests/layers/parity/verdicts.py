"""Runs a case on both sides, in this process, and compares the results."""

import collections
import contextlib
import dataclasses
import gc

import numpy as np

from tests.layers.parity.calls import Feed
from tests.layers.parity.cases import MODELS, Case
from tests.layers.parity.comparison import Verdict, difference, differences, short_message
from tests.layers.parity.data import make_data
from tests.layers.parity.runners import run_once
from tests.layers.parity.subjects import Subject

_subjects = collections.OrderedDict()
LAYER_FIELDS = (
    "kind direction features units return_sequences return_state zero_output_for_mask use_bias stateful dropout option "
    "policy autocast source change"
).split()
REUSED = "eager function dynamic unknown outside outside_dynamic threads functions_eagerly".split()


def subject_key(module, case: Case) -> tuple:
    key = (module.__name__, *(getattr(case, name) for name in LAYER_FIELDS), case.state == "dense")
    return key + ((case.batch, case.time) if case.stateful or case.option == "unroll" else ())


def subject_of(module, case: Case) -> Subject:
    """A layer for the case: that of a case before, if it has the same fields."""
    if case.runner not in REUSED or case.gradient == "frozen":
        return Subject(module, case)
    key = subject_key(module, case)
    if key not in _subjects:
        _subjects[key] = Subject(module, case)
        if len(_subjects) > 32:
            _subjects.popitem(last=False)
    return _subjects[key]


def clear() -> None:
    """Forgets layers and their traced functions."""
    import keras

    _subjects.clear()
    keras.backend.clear_session()
    gc.collect()


def run(module, case: Case) -> dict:
    """Numbers by name; raises what the layer raises."""
    import tensorflow as tf

    data = make_data(case)
    scope = contextlib.nullcontext()
    if case.runner == "mirrored":
        devices = tf.config.list_logical_devices("CPU")
        if len(devices) < 2:
            raise RuntimeError("no two logical CPUs are configured")
        scope = tf.distribute.MirroredStrategy([device.name for device in devices]).scope()
    with scope:
        subject = subject_of(module, case)
        result = {}
        for number in range(case.calls):
            if not number:
                subject.prepare(case)
            if number and number == case.calls - 1 and case.stateful:
                subject.layer.reset_state()
            feed = Feed(case, data)
            label = f" of call {number}" if number else ""
            result |= {name + label: value for name, value in run_once(subject, case, feed).items()}
            result |= {f"variable {n} after call {number}": np.array(one) for n, one in enumerate(subject.others())}
    return result


def is_excused(case: Case, expected: dict, actual: dict) -> bool:
    """Whether ours is as near to Keras' layer in float64 as Keras' layer in float32 is."""
    import keras

    if case.policy != "float32" or case.runner in MODELS or case.gradient == "none":
        return False
    exact_case = dataclasses.replace(case, policy="float64", runner="eager", container="tensor")
    try:
        exact = run(keras.layers, exact_case)
    except Exception:
        return False

    def error(result, name):
        distance = np.abs(result[name].astype("float64") - exact[name].astype("float64"))
        return np.nan_to_num(distance, nan=0.0).max(initial=0.0)

    for name in expected:
        if difference(name, expected[name], actual.get(name), case) is None:
            continue
        if exact.get(name) is None or not isinstance(actual.get(name), np.ndarray):
            return False
        if actual[name].shape != exact[name].shape or np.any(np.isnan(actual[name]) & ~np.isnan(expected[name])):
            return False
        if error(actual, name) > 4 * error(expected, name):
            return False
    return True


def attempt(module, case: Case):
    try:
        return run(module, case)
    except Exception as error:
        _subjects.pop(subject_key(module, case), None)  # a call that fails may leave a layer with its dropout masks
        return error


def verdict(case: Case) -> Verdict:
    """Compares Keras' layer and ours, in this process."""
    import keras

    import keras_rnn.layers as ours

    expected, actual = attempt(keras.layers, case), attempt(ours, case)
    if isinstance(expected, Exception):
        if isinstance(actual, Exception):
            return Verdict("both raise", f"{short_message(expected)} | {short_message(actual)}")
        return Verdict("ours must raise" if case.must_raise else "lenient", short_message(expected))
    if isinstance(actual, Exception):
        return Verdict("ours raises", short_message(actual))
    result = differences(expected, actual, case)
    shapes = [one for one in result if one.startswith("static shape")]
    if result == shapes and result:
        return Verdict("static shape", "; ".join(result)[:600])
    if result and not is_excused(case, expected, actual):
        return Verdict("different", "; ".join(result)[:600])
    return Verdict("same")

"""Converts the JSON bodies of TensorFlow Serving's REST API to arrays and back."""

import base64
import binascii
import json
from math import isfinite
from typing import Any

import numpy as np
from tensorflow.core.example.example_pb2 import Example
from tensorflow.core.example.feature_pb2 import Feature

from keras_rnn.serving.server.errors import ServingError, StatusCode, invalid, too_many_rows
from keras_rnn.serving.server.inference import join_context
from keras_rnn.serving.server.servable import Arrays, Signature, TensorSpec
from keras_rnn.serving.server.settings import ServerSettings

MAX_RANK = 8


def parse(body: bytes) -> dict[str, Any]:
    """Returns the JSON object in `body`. Raises ServingError (INVALID_ARGUMENT) for any other value."""
    if not body:
        raise invalid("JSON Parse error: The document is empty")
    try:
        document = json.loads(body)
    except json.JSONDecodeError as error:
        raise invalid(f"JSON Parse error: {error.msg} at offset: {error.pos}") from None
    except (ValueError, RecursionError):  # not UTF-8; a number of thousands of digits; nested too deeply
        raise invalid("JSON Parse error: Invalid value") from None
    if not isinstance(document, dict):
        raise invalid("JSON Value: Is not object")
    if not isinstance(document.get("signature_name", ""), str):
        raise invalid("JSON Value: not formatted correctly. 'signature_name' key must be a string value.")
    return document


def predict_inputs(document: dict[str, Any], signature: Signature, max_rows: int) -> tuple[Arrays, bool]:
    """Returns the inputs by name, at most `max_rows` rows each, and whether they have the row format."""
    if "instances" in document and "inputs" in document:
        raise invalid("JSON Value: Not formatted correctly expecting only one of 'inputs' or 'instances' keys to exist")
    if "instances" in document:
        return _from_rows(document["instances"], signature.inputs, max_rows), True
    if "inputs" in document:
        return _from_columns(document["inputs"], signature.inputs, max_rows), False
    raise invalid("Missing 'inputs' or 'instances' key")


def _from_rows(instances: Any, specs: dict[str, TensorSpec], max_rows: int) -> Arrays:
    if not isinstance(instances, list):
        raise invalid("JSON Value: Expecting 'instances' to be an list/array")
    if not instances:
        raise invalid("JSON Value: No values in 'instances' array")
    if len(instances) > max_rows:
        raise too_many_rows(len(instances), max_rows)
    is_named = _is_named(instances[0])
    if not is_named and len(specs) > 1:
        raise invalid("instances is a plain list, but expecting list of objects as multiple input tensors required")
    for number, instance in enumerate(instances):
        if _is_named(instance) != is_named:
            raise invalid(f"Failed to process element: {number} of 'instances' list: objects and values are mixed")
        if is_named and set(instance) != set(specs):
            raise invalid(
                f"Failed to process element: {number} of 'instances' list. JSON object must only have keys: "
                + ",".join(sorted(specs))
            )
    if is_named:
        columns = {name: [instance[name] for instance in instances] for name in specs}
        return {name: _tensor(columns[name], spec, name, max_rows) for name, spec in specs.items()}
    ((name, spec),) = specs.items()
    return {name: _tensor(instances, spec, name, max_rows)}


def _from_columns(inputs: Any, specs: dict[str, TensorSpec], max_rows: int) -> Arrays:
    if _is_named(inputs):
        for name in specs:
            if name not in inputs:
                raise invalid(f"Missing named input: {name} in 'inputs' object.")
        return {name: _tensor(inputs[name], spec, name, max_rows) for name, spec in specs.items()}
    if len(specs) > 1:
        raise invalid("inputs is a plain value/list, but expecting an object as multiple input tensors required")
    ((name, spec),) = specs.items()
    return {name: _tensor(inputs, spec, name, max_rows)}


def _is_base64(value: Any) -> bool:
    return isinstance(value, dict) and len(value) == 1 and isinstance(value.get("b64"), str)


def _is_named(value: Any) -> bool:
    return isinstance(value, dict) and not _is_base64(value)


def _tensor(value: Any, spec: TensorSpec, name: str, max_rows: int) -> np.ndarray:
    """Converts nested lists of equal sizes to an array of the input's dtype."""
    shape, first = [], value
    while isinstance(first, list):
        shape.append(len(first))
        if not first or len(shape) > MAX_RANK:
            break
        first = first[0]
    if len(shape) > MAX_RANK:
        raise invalid(f"input {name} takes lists nested at most {MAX_RANK} deep")
    if shape and shape[0] > max_rows:
        raise too_many_rows(shape[0], max_rows)
    leaves: list[Any] = [value]
    for level, size in enumerate(shape):
        if any(not isinstance(branch, list) or len(branch) != size for branch in leaves):
            raise invalid(f"input {name}: Encountered list at unexpected size at level: {level} expected size: {size}")
        leaves = [leaf for branch in leaves for leaf in branch]
    return _array(leaves, spec.dtype, name).reshape(shape)


def _array(values: list[Any], dtype: np.dtype, name: str) -> np.ndarray:
    """Converts values to an array of this dtype without changing any. Many numbers are checked at once."""
    if dtype.hasobject:
        return np.array([_bytes(value, f"input {name}") for value in values], object)
    if dtype.kind not in "iufb":
        raise ServingError(StatusCode.UNIMPLEMENTED, f"input {name}: no JSON value stands for {dtype.name}")
    types = {"b": {bool}, "f": {int, float}}.get(dtype.kind, {int})
    if set(map(type, values)) <= types and _in_range(values, dtype):
        return np.array(values, dtype)
    bad_value = next((value for value in values if type(value) not in types), 0)  # 0 stands for a number out of range
    raise invalid(f"input {name}: JSON Value of type {_json_type(bad_value)} is not of expected type: {dtype.name}")


def _in_range(numbers: list[Any], dtype: np.dtype) -> bool:
    """Whether all numbers are in the dtype's range. NaN and infinities are in that of floats."""
    if dtype.kind == "b":
        return True
    if dtype.kind == "f":
        limit = float(np.finfo(dtype).max)
        return all(-limit <= number <= limit or (type(number) is float and not isfinite(number)) for number in numbers)
    limits = np.iinfo(dtype)
    return not numbers or (limits.min <= min(numbers) and max(numbers) <= limits.max)


def _bytes(value: Any, subject: str) -> bytes:
    if isinstance(value, str):
        try:
            return value.encode()
        except UnicodeEncodeError:
            raise invalid(f"{subject} takes text, got half a surrogate pair") from None
    if _is_base64(value):
        try:
            text = value["b64"]  # TensorFlow Serving takes it without padding, too
            return base64.b64decode(text + "=" * (-len(text) % 4), validate=True)
        except (binascii.Error, ValueError):
            raise invalid("Unable to base64 decode") from None
    raise invalid(f"{subject}: JSON Value of type {_json_type(value)} is not of expected type: string")


def _json_type(value: Any) -> str:
    names = {type(None): "Null", bool: "Bool", dict: "Object", list: "Array", str: "String"}
    return names.get(type(value), "Number")


def predict_body(outputs: Arrays, in_rows: bool) -> bytes:
    """Returns the answer in the format of the request. A single output has no name."""
    columns = {name: _json_values(array, name) for name, array in sorted(outputs.items())}
    if not in_rows:
        return _dump({"outputs": columns if len(columns) > 1 else next(iter(columns.values()))})
    sizes = {len(array) if array.ndim else 0 for array in outputs.values()}
    if len(sizes) != 1 or 0 in sizes:
        raise invalid("the outputs have no common batch size; ask in the column format, by 'inputs'")
    if len(columns) == 1:
        return _dump({"predictions": next(iter(columns.values()))})
    rows = zip(*columns.values(), strict=True)
    return _dump({"predictions": [dict(zip(columns, row, strict=True)) for row in rows]})


def _json_values(array: np.ndarray, name: str) -> Any:
    if array.dtype.hasobject:
        convert = _base64_object if name.endswith("_bytes") else _text
        flat = [convert(value) for value in array.flat]
    elif array.dtype.kind == "f":
        flat = [float(str(value)) for value in array.flat]  # the shortest digits of the same float32
    else:
        flat = array.ravel().tolist()
    return np.array(flat, object).reshape(array.shape).tolist()


def _text(value: bytes) -> str:
    return value.decode("utf-8", errors="replace")


def _base64_object(value: bytes) -> dict[str, str]:
    return {"b64": base64.b64encode(value).decode("ascii")}


def classify_examples(document: dict[str, Any], settings: ServerSettings) -> list[bytes]:
    """Returns the serialized examples of a Classify request, each after the features of its context."""
    examples = document.get("examples")
    if examples is None:
        raise invalid("JSON Value: When method is classify, key 'examples' is expected and was not found")
    if not isinstance(examples, list):
        raise invalid("JSON Value: Expecting 'examples' value to be an list/array")
    if not examples:
        raise invalid("JSON Value: 'examples' value is an empty array")
    return join_context(_example(document.get("context", {})), examples, _example, settings)


def _example(value: Any) -> bytes:
    if not isinstance(value, dict):
        raise invalid(f"Example must be JSON object but got JSON {_json_type(value)}")
    example = Example()
    for name, content in value.items():
        example.features.feature[_key(name)].CopyFrom(_feature(name, content))
    return example.SerializeToString()


def _key(name: str) -> str:
    _bytes(name, "a feature's name")
    return name


def _feature(name: str, content: Any) -> Feature:
    values = content if isinstance(content, list) else [content]
    if all(isinstance(value, str) or _is_base64(value) for value in values):
        feature = Feature()
        feature.bytes_list.value.extend(_bytes(value, f"Feature: {name[:100]}") for value in values)
        return feature
    if all(isinstance(value, int) for value in values) and all(-(2**63) <= value < 2**63 for value in values):
        return Feature(int64_list={"value": [int(value) for value in values]})
    if all(isinstance(value, float) for value in values):
        return Feature(float_list={"value": [_float32(value, name) for value in values]})
    raise invalid(f"Feature: {name[:100]} has an element of unexpected JSON type, or of several types")


def _float32(value: float, name: str) -> float:
    if np.isfinite(value) and abs(value) > float(np.finfo(np.float32).max):
        raise invalid(f"Feature: {name[:100]}: Cannot convert JSON value to float without loss of precision.")
    return value


def classify_body(classes: np.ndarray, scores: np.ndarray) -> bytes:
    labels, values = _json_values(classes, "classes"), _json_values(scores, "scores")
    results = [
        [[label, score] for label, score in zip(row_labels, row_values, strict=True)]
        for row_labels, row_values in zip(labels, values, strict=True)
    ]
    return _dump({"results": results})


def _dump(value: Any) -> bytes:
    return json.dumps(value, ensure_ascii=False).encode()

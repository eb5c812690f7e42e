"""Whatever JSON comes, it becomes arrays that hold what it says, or a ServingError."""

import base64
import json
import math
import time

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from tensorflow.core.example.example_pb2 import Example

from keras_rnn.serving.server.errors import ServingError
from keras_rnn.serving.server.rest_json import classify_examples, parse, predict_body, predict_inputs
from keras_rnn.serving.server.servable import Signature, TensorSpec
from keras_rnn.serving.server.settings import ServerSettings

quick = settings(deadline=None, derandomize=True, max_examples=150, database=None)
MAX_ROWS = 3
LIMITS = ServerSettings(models=".", max_texts=MAX_ROWS, max_queue=MAX_ROWS)


def signature(**inputs):
    specs = {name: TensorSpec(np.dtype(dtype), shape) for name, (dtype, shape) in inputs.items()}
    return Signature("any", None, specs, lambda arrays: arrays)


signatures = st.sampled_from(
    [
        signature(x=(object, (None,))),
        signature(x=("int32", (None, None))),
        signature(x=("float16", ())),
        signature(x=("float64", (None, 2))),
        signature(x=("bool", None)),
        signature(x=("complex64", (None,))),
        signature(x=("uint8", (None,)), y=(object, (None,))),
    ]
)
leaves = st.one_of(
    st.sampled_from([None, True, "", "é", "\ud800", 255, -1, 2**31, 2**63, 10**400, 1.5, 1e39, -math.inf, math.nan]),
    st.sampled_from(["YQ==", "?", "é", "\udc00", 1, None]).map(lambda value: {"b64": value}),
)
values = st.recursive(
    leaves,
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.sampled_from("xyz"), inner, max_size=2),
    max_leaves=6,
)
documents = st.dictionaries(st.sampled_from(["instances", "inputs", "examples", "context", "signature_name"]), values)


def result_of(function, *arguments):
    """The result, or the HTTP status of a ServingError; any other exception is let through."""
    try:
        return function(*arguments)
    except ServingError as error:
        return error.http_status


@quick
@given(document=documents, asked=signatures)
def test_a_predict_document_becomes_the_signature_s_arrays_or_an_error(document, asked):
    def arrays():
        return predict_inputs(parse(json.dumps(document).encode()), asked, MAX_ROWS)[0]

    result = result_of(arrays)
    if isinstance(result, dict):
        assert {name: array.dtype for name, array in result.items()} == {
            name: spec.dtype for name, spec in asked.inputs.items()
        }
        assert all(array.ndim == 0 or len(array) <= MAX_ROWS for array in result.values())
    else:
        assert result in (400, 413, 501)


@quick
@given(document=documents)
def test_a_classify_document_becomes_examples_or_an_error(document):
    result = result_of(lambda: classify_examples(parse(json.dumps(document).encode()), LIMITS))
    if isinstance(result, list):
        assert [type(Example.FromString(example)) for example in result] == [Example] * len(document["examples"])
    else:
        assert result in (400, 413)


@quick
@given(body=st.binary(max_size=40) | st.text('{}[]":,0123eE+-.nulltrfsaNI\\ud8', max_size=40).map(str.encode))
def test_bytes_become_an_object_or_an_error(body):
    assert isinstance(result_of(parse, body), dict) or result_of(parse, body) == 400


ELEMENTS = {
    "float32": st.floats(width=32, allow_nan=False),
    "int64": st.integers(-(2**63), 2**63 - 1),
    "bool": st.booleans(),
    "object": st.binary(max_size=5),
}


@quick
@given(data=st.data(), dtype=st.sampled_from(sorted(ELEMENTS)), is_named=st.booleans(), in_rows=st.booleans())
def test_what_is_written_as_json_is_read_as_the_same_array(data, dtype, is_named, in_rows):
    columns = data.draw(st.integers(0, 2))
    rows = data.draw(st.lists(st.lists(ELEMENTS[dtype], min_size=columns, max_size=columns), min_size=1, max_size=3))
    array = np.empty((len(rows), columns), dtype)
    array[:] = np.array(rows, dtype).reshape(array.shape)
    parsed = json.loads(predict_body({"x_bytes": array}, in_rows=False))["outputs"]
    value = [{"x": row} for row in parsed] if is_named and in_rows else {"x": parsed} if is_named else parsed
    document = {"instances" if in_rows else "inputs": value}
    result, came_in_rows = predict_inputs(document, signature(x=(dtype, (None, None))), MAX_ROWS)
    np.testing.assert_array_equal(result["x"], array)
    assert result["x"].dtype == array.dtype
    assert came_in_rows == in_rows


def test_a_float_is_written_by_the_digits_that_tell_it_apart():
    outputs = {"x": np.array([0.1, 1 / 3, 1e-45, 3.4028235e38, 16777216.0], np.float32)}
    assert (
        predict_body(outputs, in_rows=True) == b'{"predictions": [0.1, 0.33333334, 1e-45, 3.4028235e+38, 16777216.0]}'
    )


def test_bytes_are_written_as_text_but_where_the_output_s_name_ends_on_bytes():
    outputs = {"a": np.array([b"a\xff"], object), "a_bytes": np.array([b"a\xff"], object)}
    assert json.loads(predict_body(outputs, in_rows=True)) == {
        "predictions": [{"a": "a�", "a_bytes": {"b64": base64.b64encode(b"a\xff").decode()}}]
    }


@pytest.mark.parametrize("shape", [(), (1,), (2, 3), (2, 0), (0, 2), (2, 1, 2)])
def test_outputs_of_any_shape_become_nested_lists(shape):
    array = np.arange(math.prod(shape), dtype=np.int64).reshape(shape)
    assert json.loads(predict_body({"x": array}, in_rows=False)) == {"outputs": array.tolist()}


def test_numbers_by_the_hundred_thousand_take_no_second_of_the_event_loop():
    start_time = time.process_time()
    predict_inputs({"instances": [[1] * 400_000]}, signature(x=("int32", (None, None))), MAX_ROWS)
    assert time.process_time() - start_time < 0.5

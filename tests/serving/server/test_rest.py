"""TensorFlow Serving's REST API, as https://www.tensorflow.org/tfx/serving/api_rest has it, over real sockets."""

import contextlib
import json
import socket

import numpy as np
import pytest
import tensorflow as tf

from tests.support.serving import ECHO, send

CLASSIFY = "/v1/models/classifier:classify"


def echoed(text, length, base64, version=2):
    return {"echo": text, "echo_bytes": {"b64": base64}, "length": length, "version": version}


ABC = echoed("abc", 3, "YWJj")
PREDICTIONS = {
    "rows": ({"instances": ["abc", "é"]}, {"predictions": [ABC, echoed("é", 2, "w6k=")]}),
    "named rows": ({"instances": [{"text": "abc"}]}, {"predictions": [ABC]}),
    "rows of bytes": (
        {"instances": [{"b64": "YWJj"}, {"b64": "/w=="}]},
        {"predictions": [ABC, echoed("�", 1, "/w==")]},
    ),
    "bytes without padding": ({"instances": [{"b64": "/w"}]}, {"predictions": [echoed("�", 1, "/w==")]}),
    "named rows of bytes": ({"instances": [{"text": {"b64": "YWJj"}}]}, {"predictions": [ABC]}),
    "an empty text": ({"instances": [""]}, {"predictions": [echoed("", 0, "")]}),
    "a text of no words, with a NUL": ({"instances": ["\0"]}, {"predictions": [echoed("\0", 1, "AA==")]}),
    "an escaped surrogate pair": (b'{"instances": ["\\ud83d\\ude00"]}', {"predictions": [echoed("😀", 4, "8J+YgA==")]}),
    "columns": (
        {"inputs": ["abc", ""]},
        {
            "outputs": {
                "echo": ["abc", ""],
                "echo_bytes": [{"b64": "YWJj"}, {"b64": ""}],
                "length": [3, 0],
                "version": [2, 2],
            }
        },
    ),
    "named columns": (
        {"inputs": {"text": ["é"]}},
        {"outputs": {"echo": ["é"], "echo_bytes": [{"b64": "w6k="}], "length": [2], "version": [2]}},
    ),
    "a signature by name": ({"signature_name": "serving_default", "instances": ["abc"]}, {"predictions": [ABC]}),
    "a signature by an empty name": ({"signature_name": "", "instances": ["abc"]}, {"predictions": [ABC]}),
    "two inputs, one output, rows": (
        {"signature_name": "numbers", "instances": [{"x": [1, 2.5], "y": 3}, {"x": [0, 1e-3], "y": -1}]},
        {"predictions": [6.5, -0.999]},
    ),
    "two inputs, one output, columns": (
        {"signature_name": "numbers", "inputs": {"x": [[1, 2]], "y": [2**40]}},
        {"outputs": [1099511600000.0]},
    ),
    "an output without rows": ({"signature_name": "total", "inputs": [[1, 2], [3, 4.5]]}, {"outputs": 10.5}),
    "the largest float32": (
        {"signature_name": "total", "inputs": [[3.4028234e38, 0]]},
        {"outputs": 3.4028235e38},
    ),
    "keys that are not known": ({"instances": ["abc"], "more": 1}, {"predictions": [ABC]}),
}


@pytest.mark.parametrize("case", PREDICTIONS)
def test_predict(case, server):
    body, expected = PREDICTIONS[case]
    answer = server.post(ECHO, body)
    assert (answer.status, answer.json) == (200, expected)
    assert answer.headers["content-type"] == "application/json"


@pytest.mark.parametrize("number", ["NaN", "Infinity", "-Infinity"])
def test_numbers_that_are_none_go_through_as_they_are_written(number, server):
    answer = server.post(ECHO, b'{"signature_name": "total", "inputs": [[1, %s]]}' % number.encode())
    assert (answer.status, answer.body) == (200, b'{"outputs": %s}' % number.encode())


@pytest.mark.parametrize(
    ("path", "version"),
    [
        ("/v1/models/echo:predict", 2),
        ("/v1/models/echo/versions/1:predict", 1),
        ("/v1/models/echo/versions/2:predict", 2),
        ("/v1/models/echo/versions/0002:predict", 2),
        ("/v1/models/echo/labels/old:predict", 1),
        ("/v1/Models/echo:Predict", 2),
        ("/v1/models/%65cho:predict?a=%ff#b", 2),
    ],
)
def test_the_latest_version_answers_unless_the_path_names_another(path, version, server):
    answer = server.post(path, {"instances": ["abc"]})
    assert (answer.status, answer.json) == (200, {"predictions": [echoed("abc", 3, "YWJj", version)]})


def test_a_text_model_answers_what_the_model_answers(server, classifier):
    texts = ["a good film", "", "wholly unknown", "bad " * 20]
    expected = tf.nn.softmax(classifier(tf.constant(texts))).numpy()
    names = ["negative", "neutral", "positive"]
    predictions = server.post("/v1/models/classifier:predict", {"instances": texts}).json["predictions"]
    np.testing.assert_allclose([row["probabilities"] for row in predictions], expected, atol=1e-6)
    assert [row["label"] for row in predictions] == [names[column] for column in expected.argmax(axis=-1)]


def test_the_signature_tokens_takes_ids(server, classifier):
    ids = [[2, 3, 0], [4, 2, 3]]
    expected = classifier.get_layer(index=-1)(np.array(ids)).numpy()
    body = {"signature_name": "tokens", "instances": ids}
    answer = server.post("/v1/models/classifier:predict", body)
    np.testing.assert_allclose(answer.json["predictions"], expected, atol=1e-6)


CLASSIFICATIONS = {
    "text": ({"examples": [{"text": "good"}, {"text": ["bad film"]}]}, ["good", "bad film"]),
    "bytes": ({"examples": [{"text": {"b64": "Z29vZA=="}}]}, ["good"]),
    "a feature more": ({"examples": [{"text": "good", "n": [1, 2], "x": 0.5, "flag": True, "none": []}]}, ["good"]),
    "context for all": ({"context": {"text": "bad"}, "examples": [{}, {"n": 1}]}, ["bad", "bad"]),
    "an example before its context": (
        {"context": {"text": "bad"}, "examples": [{"text": "good"}, {}]},
        ["good", "bad"],
    ),
}


@pytest.mark.parametrize("case", CLASSIFICATIONS)
def test_classify(case, server, classifier):
    body, texts = CLASSIFICATIONS[case]
    expected = tf.nn.softmax(classifier(tf.constant(texts))).numpy()
    answer = server.post(CLASSIFY, {"signature_name": "classify", **body})
    assert answer.status == 200, answer.body
    results = answer.json["results"]
    assert [[label for label, _ in row] for row in results] == [["negative", "neutral", "positive"]] * len(texts)
    np.testing.assert_allclose([[score for _, score in row] for row in results], expected, atol=1e-6)


AVAILABLE = {"state": "AVAILABLE", "status": {"error_code": "OK", "error_message": ""}}
BROKEN = {"state": "END", "status": {"error_code": "UNKNOWN", "error_message": "the version could not be loaded"}}
STATUS = {
    "/v1/models/echo": [{"version": "2", **AVAILABLE}, {"version": "1", **AVAILABLE}],
    "/v1/models/echo/versions/1": [{"version": "1", **AVAILABLE}],
    "/v1/models/echo/labels/old": [{"version": "1", **AVAILABLE}],
    "/v1/models/broken": [{"version": "2", **BROKEN}, {"version": "1", **AVAILABLE}],
    "/v1/models/broken/versions/2": [{"version": "2", **BROKEN}],
}


@pytest.mark.parametrize("path", STATUS)
def test_status(path, server):
    answer = server.get(path)
    assert (answer.status, answer.json) == (200, {"model_version_status": STATUS[path]})


@pytest.mark.parametrize(
    ("path", "version"),
    [("/metadata", "2"), ("/versions/1/metadata", "1"), ("/labels/old/metadata", "1")],
)
def test_metadata_tells_inputs_and_outputs(path, version, server):
    answer = server.get("/v1/models/echo" + path)
    assert answer.status == 200
    assert answer.json["model_spec"] == {"name": "echo", "signature_name": "", "version": version}
    signatures = answer.json["metadata"]["signature_def"]["signature_def"]
    assert set(signatures) == {"serving_default", "numbers", "total"}
    numbers = signatures["numbers"]
    assert numbers["method_name"] == "tensorflow/serving/predict"
    assert {name: tensor["dtype"] for name, tensor in numbers["inputs"].items()} == {"x": "DT_FLOAT", "y": "DT_INT64"}
    assert numbers["inputs"]["x"]["tensor_shape"] == {
        "dim": [{"size": "-1", "name": ""}, {"size": "2", "name": ""}],
        "unknown_rank": False,
    }
    assert set(signatures["serving_default"]["outputs"]) == {"echo", "echo_bytes", "length", "version"}


def test_the_signatures_of_an_export_are_told_with_their_methods(server):
    metadata = server.get("/v1/models/classifier/metadata").json["metadata"]
    methods = {name: signature["method_name"] for name, signature in metadata["signature_def"]["signature_def"].items()}
    assert methods == {
        "serving_default": "tensorflow/serving/predict",
        "tokens": "tensorflow/serving/predict",
        "classify": "tensorflow/serving/classify",
    }


BODIES = {
    "nothing": (b"", "JSON Parse error: The document is empty"),
    "half": (b'{"instances": [', "JSON Parse error: Expecting value at offset: 15"),
    "not UTF-8": (b'{"instances": ["\xff"]}', "JSON Parse error: Invalid value"),
    "no object": (b'["abc"]', "JSON Value: Is not object"),
    "lists nested without end": (b"[" * 200_000, "JSON Parse error: Invalid value"),
    "objects nested without end": (b'{"instances":' * 50_000, "JSON Parse error: Invalid value"),
    "a number without end": (b'{"instances": [' + b"1" * 5_000 + b"]}", "JSON Parse error: Invalid value"),
    "neither key": ({}, "Missing 'inputs' or 'instances' key"),
    "both keys": ({"instances": ["a"], "inputs": ["a"]}, "only one of 'inputs' or 'instances'"),
    "one instance": ({"instances": "abc"}, "Expecting 'instances' to be an list/array"),
    "no instances": ({"instances": []}, "No values in 'instances' array"),
    "no inputs": ({"inputs": []}, "input text takes at least one element, got the shape (0)"),
    "one input": ({"inputs": "abc"}, "input text takes the shape (None), got ()"),
    "a number for a text": ({"instances": [1]}, "JSON Value of type Number is not of expected type: string"),
    "null for a text": ({"instances": [None]}, "JSON Value of type Null is not of expected type: string"),
    "a text, then a number": ({"instances": ["abc", 1]}, "of type Number is not of expected type: string"),
    "a text, then an object": ({"instances": ["abc", {"text": "a"}]}, "element: 1 of 'instances' list: objects and"),
    "a text in a list": ({"instances": [["abc"]]}, "input text takes the shape (None), got (1, 1)"),
    "lists of several sizes": ({"instances": [["a"], ["a", "b"]]}, "list at unexpected size at level: 1"),
    "a list, then a text": ({"instances": [["a"], "b"]}, "Encountered list at unexpected size at level: 1"),
    "nine lists deep": (b'{"inputs": ' + b"[" * 9 + b"]" * 9 + b"}", "lists nested at most 8 deep"),
    "an input of another name": ({"instances": [{"words": "a"}]}, "JSON object must only have keys: text"),
    "a named input is missing": ({"inputs": {"words": ["a"]}}, "Missing named input: text in 'inputs' object"),
    "half a surrogate pair": (b'{"instances": ["\\ud83d"]}', "input text takes text, got half a surrogate pair"),
    "bad base64": ({"instances": [{"b64": "?"}]}, "Unable to base64 decode"),
    "base64 that is no ASCII": ({"instances": [{"b64": "é"}]}, "Unable to base64 decode"),
    "base64 that is no text": ({"instances": [{"b64": 1}]}, "JSON object must only have keys: text"),
    "a signature that there is not": (
        {"signature_name": "x", "instances": ["a"]},
        'Serving signature name: "x" not found in signature def',
    ),
    "a signature of half a pair": (b'{"signature_name": "\\udc00", "instances": ["a"]}', "not found in signature def"),
    "a signature that is no name": ({"signature_name": 1}, "'signature_name' key must be a string value"),
    "a text for a number": ({"signature_name": "total", "inputs": [["1", 2]]}, "of type String is not of expected"),
    "true for a number": ({"signature_name": "total", "inputs": [[True, 2]]}, "of type Bool is not of expected type"),
    "a number too large": ({"signature_name": "total", "inputs": [[1e39, 2]]}, "is not of expected type: float32"),
    "an integer much too large": ({"signature_name": "total", "inputs": [[10**400, 2]]}, "expected type: float32"),
    "a fraction for an integer": (
        {"signature_name": "numbers", "instances": [{"x": [1, 2], "y": 1.5}]},
        "input y: JSON Value of type Number is not of expected type: int64",
    ),
    "an integer too large": (
        {"signature_name": "numbers", "instances": [{"x": [1, 2], "y": 2**63}]},
        "input y: JSON Value of type Number is not of expected type: int64",
    ),
    "a column too many": ({"signature_name": "total", "inputs": [[1, 2, 3]]}, "the shape (None, 2), got (1, 3)"),
    "plain rows for two inputs": ({"signature_name": "numbers", "instances": [[1, 2]]}, "list of objects as multiple"),
    "a plain value for two inputs": ({"signature_name": "numbers", "inputs": [[1, 2]]}, "an object as multiple input"),
    "rows of an output without rows": (
        {"signature_name": "total", "instances": [[1, 2]]},
        "the outputs have no common batch size; ask in the column format, by 'inputs'",
    ),
    "inputs of several numbers of rows": (
        {"signature_name": "numbers", "inputs": {"x": [[1, 2], [3, 4]], "y": [1, 2, 3]}},
        "the model does not take this input",
    ),
    "what the model refuses": ({"instances": ["refuse"]}, "the model does not take this input"),
}


@pytest.mark.parametrize("case", BODIES)
def test_a_body_that_cannot_be_taken_is_400(case, server):
    body, words = BODIES[case]
    answer = server.post(ECHO, body)
    assert answer.status == 400, answer.body
    assert answer.headers["content-type"] == "application/json"
    assert list(answer.json) == ["error"]
    assert words in answer.json["error"]


EXAMPLES = {
    "no examples": ({}, "key 'examples' is expected and was not found"),
    "one example": ({"examples": {"text": "a"}}, "Expecting 'examples' value to be an list/array"),
    "an empty list": ({"examples": []}, "'examples' value is an empty array"),
    "a text for an example": ({"examples": ["a"]}, "Example must be JSON object but got JSON String"),
    "a list for the context": ({"context": [], "examples": [{}]}, "Example must be JSON object but got JSON Array"),
    "null for a feature": ({"examples": [{"text": None}]}, "Feature: text has an element of unexpected JSON type"),
    "a feature of several types": ({"examples": [{"text": ["a", 1]}]}, "or of several types"),
    "an object for a feature": ({"examples": [{"text": {"a": "b"}}]}, "Feature: text has an element of unexpected"),
    "lists in a feature": ({"examples": [{"text": [["a"]]}]}, "Feature: text has an element of unexpected JSON type"),
    "an integer too large": ({"examples": [{"text": "a", "n": 2**63}]}, "Feature: n has an element of unexpected"),
    "a number too large": ({"examples": [{"text": "a", "x": 1e39}]}, "Cannot convert JSON value to float"),
    "bad base64": ({"examples": [{"text": {"b64": "?"}}]}, "Unable to base64 decode"),
    "half a pair for a name": (
        b'{"signature_name": "classify", "examples": [{"\\ud800": "a"}]}',
        "half a surrogate pair",
    ),
    "a feature that is missing": ({"examples": [{}]}, "the model does not take this input"),
    "a feature of another type": ({"examples": [{"text": 1}]}, "the model does not take this input"),
    "a signature that is for predict": (
        {"signature_name": "serving_default", "examples": [{"text": "a"}]},
        "the signature serving_default is none for classify",
    ),
    "a signature that there is not": (
        {"signature_name": "x", "examples": [{"text": "a"}]},
        'Serving signature name: "x" not found in signature def',
    ),
}


@pytest.mark.parametrize("case", EXAMPLES)
def test_examples_that_cannot_be_taken_are_400(case, server):
    body, words = EXAMPLES[case]
    answer = server.post(CLASSIFY, body if isinstance(body, bytes) else {"signature_name": "classify", **body})
    assert answer.status == 400, answer.body
    assert words in answer.json["error"]


PATHS = {
    "POST /v1/models/none:predict": (404, "Servable not found for request: Latest(none)"),
    "POST /v1/models/echo/versions/7:predict": (404, "Servable not found for request: Specific(echo, 7)"),
    "POST /v1/models/broken/versions/2:predict": (404, "Servable not found for request: Specific(broken, 2)"),
    "POST /v1/models/echo/labels/new:predict": (400, "Unrecognized servable version label: new"),
    "POST /v1/models/classifier/labels/old:predict": (400, "Unrecognized servable version label: old"),
    f"POST /v1/models/echo/versions/{2**63}:predict": (400, f"Failed to convert version: {2**63} to numeric."),
    f"GET /v1/models/echo/versions/{'9' * 5000}": (400, f"Failed to convert version: {'9' * 100} to numeric."),
    "GET /v1/models/none": (404, "Could not find any versions of model none"),
    "GET /v1/models/echo/versions/7": (404, "Could not find version 7 of model echo"),
    "GET /v1/models/echo/labels/new": (400, "Unrecognized servable version label: new"),
    "GET /v1/models/none/metadata": (404, "Servable not found for request: Latest(none)"),
    "GET /v1/models/": (400, "Malformed request: GET /v1/models/"),
    "GET /v1/models/echo/versions/x": (400, "Malformed request: GET /v1/models/echo/versions/x"),
    "GET /v1/models/echo/versions/-1": (400, "Malformed request: GET /v1/models/echo/versions/-1"),
    "GET /v1/models/echo/versions/%D9%A1": (400, "Malformed request: GET /v1/models/echo/versions/١"),
    "GET /v1/models/echo:predict": (400, "Malformed request: GET /v1/models/echo:predict"),
    "POST /v1/models/echo": (400, "Malformed request: POST /v1/models/echo"),
    "POST /v1/models/echo:generate": (400, "Malformed request: POST /v1/models/echo:generate"),
    "PUT /v1/models/echo:predict": (400, "Malformed request: PUT /v1/models/echo:predict"),
    "TRACE /v1/models/echo": (405, "Malformed request: TRACE /v1/models/echo"),
    "GET /v1": (404, "Malformed request: GET /v1"),
    "GET /v2/models/echo": (404, "Malformed request: GET /v2/models/echo"),
    "GET /": (404, "Malformed request: GET /"),
    "GET /livez/": (404, "Malformed request: GET /livez/"),
    "POST /livez": (405, "Malformed request: POST /livez"),
    "GET /v1/models/..": (404, "Could not find any versions of model .."),
    "GET /v1/models/..%2fmodels%2fecho": (400, "Malformed request: GET /v1/models/../models/echo"),
    "GET /v1/models/%2e%2e%2f": (400, "Malformed request: GET /v1/models/../"),
    "GET /v1/models/../models/echo": (400, "Malformed request: GET /v1/models/../models/echo"),
    "GET /v1/models/echo%3f": (404, "Could not find any versions of model echo?"),
    "GET /v1/models/echo%00": (404, "Could not find any versions of model echo\0"),
    "GET /v1/models/%ff": (404, "Could not find any versions of model �"),
}


@pytest.mark.parametrize("request_line", PATHS)
def test_a_path_that_leads_nowhere_is_named(request_line, server):
    method, path = request_line.split(" ")
    status, message = PATHS[request_line]
    answer = server.request(method, path, {"instances": ["a"]} if method == "POST" else None)
    assert (answer.status, answer.json) == (status, {"error": message})


def test_what_fails_inside_tells_the_client_nothing(server):
    answer = server.post(ECHO, {"instances": ["crash"]})
    assert (answer.status, answer.json) == (500, {"error": "internal error"})


@pytest.mark.parametrize(
    "request_",
    [
        b"nonsense\r\n\r\n",
        b"GET /v1/models/\xff HTTP/1.1\r\n\r\n",
        b"GET /v1/models/echo?\xff HTTP/1.1\r\n\r\n",
        b"POST /v1/models/echo:predict HTTP/1.1\r\ncontent-length: x\r\n\r\n",
        b"POST /v1/models/echo:predict HTTP/1.1\r\ncontent-length: 5\r\ntransfer-encoding: chunked\r\n\r\n0\r\n\r\n",
    ],
)
def test_what_is_no_http_is_400(request_, server):
    with socket.create_connection(("127.0.0.1", server.rest_port), timeout=60) as client:
        client.sendall(request_)
        assert client.recv(1000).startswith(b"HTTP/1.1 400 ")


@pytest.mark.parametrize("host", [b"", b"[", b"a/b?c#d", b"\xff"])
def test_the_path_is_the_request_line_s_whatever_the_host_header(host, server):
    with socket.create_connection(("127.0.0.1", server.rest_port), timeout=60) as client:
        client.sendall(b"GET /v1/models/none HTTP/1.1\r\nhost: %s\r\nconnection: close\r\n\r\n" % host)
        answer = b"".join(iter(lambda: client.recv(1000), b""))
    assert answer.startswith(b"HTTP/1.1 404 ")
    assert json.loads(answer.split(b"\r\n\r\n")[1]) == {"error": "Could not find any versions of model none"}


def test_a_connection_goes_on_after_an_error(server):
    with contextlib.closing(server.connect()) as connection:
        assert send(connection, "POST", ECHO, b"{").status == 400
        assert send(connection, "GET", "/v1/models/none").status == 404
        assert send(connection, "POST", ECHO, {"instances": ["abc"]}).json == {"predictions": [ABC]}


def test_a_large_body_is_taken_whole_on_a_connection_that_goes_on(server):
    texts = ["a" * 49_000] * 20
    with contextlib.closing(server.connect()) as connection:
        for _ in range(2):
            answer = send(connection, "POST", ECHO, {"instances": texts})
            assert [row["length"] for row in answer.json["predictions"]] == [49_000] * 20


def test_a_body_may_come_in_chunks(server):
    with contextlib.closing(server.connect()) as connection:
        connection.request("POST", ECHO, iter([b'{"inst', b'ances": ["a', b'bc"]}']), encode_chunked=True)
        assert json.loads(connection.getresponse().read()) == {"predictions": [ABC]}


def test_health(server):
    assert (server.get("/livez").status, server.get("/livez").body) == (200, b"ok\n")
    assert (server.get("/readyz").status, server.get("/readyz").body) == (200, b"ready\n")

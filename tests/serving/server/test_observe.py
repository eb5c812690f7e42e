"""The server's metrics and access log."""

import contextlib
from concurrent.futures import ThreadPoolExecutor

import grpc
import pytest
import tensorflow as tf
from tensorflow_serving.apis.predict_pb2 import PredictRequest
from tensorflow_serving.apis.prediction_service_pb2_grpc import PredictionServiceStub

from tests.support.serving import ECHO, busy, until


@contextlib.contextmanager
def changes(server):
    """Yields a dict that holds the growth of each sample of /metrics at the end."""
    metrics_before, grown = server.metrics(), {}
    yield grown
    for name, value in server.metrics().items():
        if value != metrics_before.get(name, 0):
            grown[name] = value - metrics_before.get(name, 0)


def predict(server, text, **options):
    request = PredictRequest()
    request.model_spec.name = "echo"
    request.inputs["text"].CopyFrom(tf.make_tensor_proto([text]))
    with grpc.insecure_channel(server.grpc_address) as channel:
        return PredictionServiceStub(channel).Predict(request, 60, **options)


def lines_since(server, count, lines):
    """The access log's lines beyond the first `count`, as soon as there are so many."""

    def new_lines():
        return [line for line in server.log() if line["message"] == "request"][count:]

    return until(lambda: len(new_lines()) >= lines and new_lines())


@pytest.fixture
def logged(server):
    """A function that returns this test's lines of the access log."""
    server.get("/v1/models/none")  # its line comes after those of earlier requests
    until(lambda: server.log()[-1].get("error") == "Could not find any versions of model none")
    count = len([line for line in server.log() if line["message"] == "request"])
    return lambda lines: lines_since(server, count, lines)


def test_requests_and_errors_are_counted_by_protocol_method_and_model(server):
    with changes(server) as grown:
        for texts in (["a"], ["b"], ["refuse"], ["crash"]):
            server.post(ECHO, {"instances": texts})
        server.get("/v1/models/echo")
        predict(server, "a")
    labels = 'method="predict",model="echo",protocol="REST"'
    assert grown[f"keras_rnn_requests_total{{{labels}}}"] == 4
    assert grown[f'keras_rnn_errors_total{{code="INVALID_ARGUMENT",{labels}}}'] == 1
    assert grown[f'keras_rnn_errors_total{{code="INTERNAL",{labels}}}'] == 1
    assert grown['keras_rnn_requests_total{method="status",model="echo",protocol="REST"}'] == 1
    assert grown['keras_rnn_requests_total{method="Predict",model="echo",protocol="gRPC"}'] == 1
    assert grown[f"keras_rnn_request_seconds_count{{{labels}}}"] == 4
    assert grown[f'keras_rnn_request_seconds_bucket{{le="+Inf",{labels}}}'] == 4
    assert 0 < grown[f"keras_rnn_request_seconds_sum{{{labels}}}"] < 60


def test_texts_of_several_requests_are_one_call_and_counted_so(server, tmp_path):
    with changes(server) as grown:
        with ThreadPoolExecutor() as pool:
            with busy(server, tmp_path / "open"):
                pending = [pool.submit(server.post, ECHO, {"instances": [text]}) for text in "abcde"]
                until(lambda: server.metrics()["keras_rnn_queue_length"] == 5)
            assert [answer.result().json["predictions"][0]["echo"] for answer in pending] == list("abcde")
        assert server.metrics()["keras_rnn_queue_length"] == 0
    assert grown["keras_rnn_batch_size_count"] == 2
    assert grown["keras_rnn_batch_size_sum"] == 6
    assert "keras_rnn_queue_length" not in grown


def test_names_that_clients_invent_are_no_labels(server):
    for path in ("/v1/models/invented:predict", "/v1/models/invented/labels/invented:predict", "/v1/invented"):
        server.post(path, {"instances": ["a"]})
    server.post(ECHO, {"signature_name": "invented", "instances": ["a"]})
    server.get("/v1/models/invented")
    server.get("/invented")
    assert not [name for name in server.metrics() if "invented" in name]


def test_metrics_are_prometheus_text(server):
    answer = server.get("/metrics")
    assert answer.headers["content-type"].startswith("text/plain; version=0.0.4")
    assert b"# TYPE keras_rnn_request_seconds histogram\n" in answer.body


def test_a_request_leaves_a_line_in_the_access_log(server, logged):
    server.post(ECHO, {"instances": ["a", "b"]})
    (line,) = logged(1)
    assert 0 < line.pop("milliseconds") < 60_000
    assert len(line.pop("time")) == len("2026-01-01T00:00:00.000Z")
    assert line == {
        "level": "INFO",
        "message": "request",
        "protocol": "REST",
        "client": "127.0.0.1",
        "method": "predict",
        "model": "echo",
        "version": 2,
        "rows": 2,
        "code": "OK",
    }


def test_an_error_s_line_tells_its_code_and_message(server, logged):
    server.post("/v1/models/none:predict", {})
    with pytest.raises(grpc.RpcError):
        predict(server, "refuse")
    rest, rpc = logged(2)
    assert (rest["protocol"], rest["method"], rest["model"], rest["code"]) == ("REST", "predict", "", "NOT_FOUND")
    assert rest["error"] == "Servable not found for request: Latest(none)"
    assert (rpc["protocol"], rpc["method"], rpc["model"]) == ("gRPC", "Predict", "echo")
    assert (rpc["code"], rpc["error"]) == ("INVALID_ARGUMENT", "the model does not take this input")
    assert rpc["client"].startswith("ipv4:127.0.0.1:")


def test_what_failed_inside_stands_in_the_log_alone(server, logged):
    server.post(ECHO, {"instances": ["crash"]})
    logged(1)
    line = [line for line in server.log() if line["level"] == "ERROR"][-1]
    assert line["message"] == "model echo version 2 failed"
    assert "/no/such/file" in line["traceback"]


SECRETS = {
    "an answered text": {"instances": ["secret"]},
    "a refused text": {"instances": ["refuse", "secret"]},
    "a failed text": {"instances": ["crash", "secret"]},
    "half a document": b'{"instances": ["secret',
    "a document of another kind": b'"secret"',
    "no UTF-8": b'{"instances": ["secret\xff"]}',
    "half a pair": b'{"instances": ["secret\\ud800"]}',
    "bad base64": {"instances": [{"b64": "secret?"}]},
    "texts too many": {"instances": ["secret"] * 257},
    "a text too long": {"instances": ["secret" * 10_000]},
    "a body too large": {"instances": ["secret" * 200_000]},
    "the wrong shape": {"instances": [["secret"]]},
    "the wrong type": {"signature_name": "total", "inputs": [["secret", 1]]},
}


@pytest.mark.parametrize("case", SECRETS)
def test_no_text_gets_into_the_log(case, server, logged):
    answer = server.post(ECHO, SECRETS[case])
    assert (b"secret" in answer.body) == (case == "an answered text")
    logged(1)
    assert "secret" not in server.log_text()


def test_no_header_gets_into_the_log(server, logged):
    server.post(ECHO, {"instances": ["a"]}, Authorization="Bearer secret", Cookie="secret")
    predict(server, "a", metadata=[("authorization", "Bearer secret")])
    logged(2)
    assert "secret" not in server.log_text()

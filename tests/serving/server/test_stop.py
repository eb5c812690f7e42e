"""How a server ends, and what keeps it from starting."""

import contextlib
import http.client
import os
import signal
import socket
import subprocess
import sys
from concurrent.futures import ThreadPoolExecutor

import grpc
import pytest
import tensorflow as tf
from grpc import StatusCode
from tensorflow_serving.apis.predict_pb2 import PredictRequest
from tensorflow_serving.apis.prediction_log_pb2 import PredictionLog
from tensorflow_serving.apis.prediction_service_pb2_grpc import PredictionServiceStub

from keras_rnn.cli import main as cli
from keras_rnn.serving.layout import WARMUP_REQUESTS
from keras_rnn.serving.server.run import serve
from keras_rnn.serving.server.settings import ServerSettings
from tests.support.echo import WAIT, write_echo_model
from tests.support.serving import ECHO, busy, send, serving, until


@pytest.fixture(scope="module")
def echo(tmp_path_factory):
    folder = tmp_path_factory.mktemp("models")
    write_echo_model(folder / "echo", 1)
    return folder


def request_of(text):
    request = PredictRequest()
    request.model_spec.name = "echo"
    request.inputs["text"].CopyFrom(tf.make_tensor_proto([text]))
    return request


def refuses_connections(port):
    try:
        socket.create_connection(("127.0.0.1", port), timeout=60).close()
    except ConnectionRefusedError:
        return True
    return False


def test_sigterm_lets_requests_finish_and_refuses_new_ones(echo, tmp_path):
    with (
        serving(echo, tmp_path / "log", "--grace-seconds", 60) as server,
        grpc.insecure_channel(server.grpc_address) as channel,
        contextlib.closing(server.connect()) as idle_connection,
        ThreadPoolExecutor() as pool,
    ):
        stub = PredictionServiceStub(channel)
        assert send(idle_connection, "GET", "/livez").status == 200
        with busy(server, tmp_path / "open") as in_the_model:
            rest_answer = pool.submit(server.post, ECHO, {"instances": ["rest"]})
            grpc_answer = pool.submit(stub.Predict, request_of("grpc"), 60)
            until(lambda: server.metrics()["keras_rnn_queue_length"] == 2)
            server.process.send_signal(signal.SIGTERM)
            until(lambda: refuses_connections(server.rest_port) and refuses_connections(server.grpc_port))
            with pytest.raises(grpc.RpcError) as error:
                stub.Predict(request_of("late"), 60)
            assert error.value.code() == StatusCode.UNAVAILABLE
            with pytest.raises((ConnectionError, OSError)):
                send(idle_connection, "GET", "/livez")
            assert server.process.poll() is None
            assert not in_the_model.done()
        assert in_the_model.result().status == 200
        assert rest_answer.result().json["predictions"][0]["echo"] == "rest"
        assert grpc_answer.result().outputs["echo"].string_val == [b"grpc"]
        assert server.process.wait(60) == 0
        assert [line for line in server.log() if line["level"] != "INFO"] == []
        assert [line["code"] for line in server.log() if line["message"] == "request"] == ["OK"] * 3


def test_after_the_grace_requests_are_given_up(echo, tmp_path):
    with (
        serving(echo, tmp_path / "log", "--grace-seconds", 0.5) as server,
        grpc.insecure_channel(server.grpc_address) as channel,
        busy(server, tmp_path / "open") as in_the_model,
        ThreadPoolExecutor() as pool,
    ):
        grpc_answer = pool.submit(PredictionServiceStub(channel).Predict, request_of("grpc"), 60)
        until(lambda: server.metrics()["keras_rnn_queue_length"] == 1)
        assert server.stop(signal.SIGINT) == 0
        answer = in_the_model.result()
        assert (answer.status, answer.json) == (503, {"error": "the server is stopping"})
        with pytest.raises(grpc.RpcError) as error:
            grpc_answer.result()
        assert error.value.code() in (StatusCode.UNAVAILABLE, StatusCode.CANCELLED)


def test_a_server_that_still_loads_is_alive_and_not_ready(tmp_path):
    write_echo_model(tmp_path / "models" / "a", 1)
    slow = write_echo_model(tmp_path / "models" / "b", 1)
    log = PredictionLog()
    log.predict_log.request.CopyFrom(request_of(f"{WAIT}{tmp_path}/open"))
    with tf.io.TFRecordWriter(str(slow / WARMUP_REQUESTS)) as file:
        file.write(log.SerializeToString())
    with socket.create_server(("127.0.0.1", 0)) as listener:
        port = listener.getsockname()[1]

    def get(path):
        with contextlib.closing(http.client.HTTPConnection("127.0.0.1", port, timeout=60)) as connection:
            return send(connection, "GET", path)

    def ask_while_it_loads():
        try:
            until(lambda: not refuses_connections(port))
            until(lambda: get("/v1/models/a").status == 200)
            until(lambda: get("/v1/models/b").status == 200)
            return [get(path).status for path in ("/livez", "/readyz")]
        finally:
            (tmp_path / "open").touch()
            until(lambda: get("/readyz").status == 200)
            os.kill(os.getpid(), signal.SIGTERM)

    with ThreadPoolExecutor(1) as pool:
        pending = pool.submit(ask_while_it_loads)
        serve(ServerSettings(tmp_path / "models", rest_port=port, grpc_port=0, access_log=False))
        assert pending.result() == [200, 503]


@pytest.fixture
def refusal(monkeypatch, capfd):
    """A function that runs `keras-rnn serve`, which does not start, and gives the one line it prints."""

    def refusal(*arguments):
        monkeypatch.setattr(sys, "argv", ["keras-rnn", "serve", *map(str, arguments)])
        with pytest.raises(SystemExit) as exit_:
            cli.main()
        output = capfd.readouterr()
        assert exit_.value.code == 2, output.err
        assert output.out == ""
        lines = [line for line in output.err.splitlines() if not line.startswith("{")]
        assert len(lines) == 1, output.err
        return lines[0].removeprefix("keras-rnn: error: ")

    return refusal


FREE = ("--rest-port", 0, "--grpc-port", 0)


@pytest.mark.parametrize(
    "options", [("--rest-port", "PORT", "--grpc-port", 0), ("--rest-port", 0, "--grpc-port", "PORT")]
)
def test_a_port_that_is_taken_is_named(options, refusal, echo):
    with socket.create_server(("127.0.0.1", 0)) as blocker:
        port = blocker.getsockname()[1]
        message = refusal(echo, *(port if word == "PORT" else word for word in options))
    assert message.startswith(f"cannot listen on 127.0.0.1 port {port}")


def test_a_folder_without_models_is_named(refusal, tmp_path):
    expected = f"{tmp_path} takes NAME/VERSION/saved_model.pb, but holds no version to serve"
    assert refusal(tmp_path, *FREE) == expected
    assert refusal(tmp_path / "none") == f"no folder of models {tmp_path / 'none'}"


def test_a_folder_of_broken_models_is_named(refusal, tmp_path):
    (tmp_path / "m" / "1").mkdir(parents=True)
    (tmp_path / "m" / "1" / "saved_model.pb").write_bytes(b"no model")
    assert refusal(tmp_path, *FREE).endswith("holds no version to serve; 1 could not be loaded")


@pytest.mark.parametrize(
    ("label", "message"),
    [
        ("echo:stable=2", "label 'stable' names version 2 of model 'echo', which cannot be served"),
        ("none:stable=1", "label 'stable' names version 1 of model 'none', which cannot be served"),
        ("stable=1", "label takes MODEL:LABEL=VERSION, got 'stable=1'"),
    ],
)
def test_a_label_of_no_version_is_named(label, message, refusal, echo):
    assert refusal(echo, *FREE, "--label", label) == message


def test_files_that_cannot_be_used_are_named(refusal, echo, tmp_path):
    (tmp_path / "empty").touch()
    pair = ("--tls-certificate", tmp_path / "empty", "--tls-key", tmp_path / "empty")
    assert "are no PEM pair" in refusal(echo, *FREE, *pair)
    assert refusal(echo, *FREE, "--token-file", tmp_path / "empty") == f"token_file {tmp_path / 'empty'} holds no token"
    assert refusal(echo, *FREE, "--token-file", tmp_path) == f"token_file: no readable file {tmp_path}"


def test_a_key_with_a_pass_phrase_is_not_asked_for_it(refusal, echo, tmp_path):
    command = "openssl req -x509 -newkey ec -pkeyopt ec_paramgen_curve:prime256v1 -passout pass:phrase -subj /CN=a"
    files = ["-out", tmp_path / "certificate.pem", "-keyout", tmp_path / "key.pem"]
    subprocess.run([*command.split(), *files], check=True, capture_output=True)
    pair = ("--tls-certificate", tmp_path / "certificate.pem", "--tls-key", tmp_path / "key.pem")
    assert "are no PEM pair" in refusal(echo, *FREE, *pair)

"""A server with small limits and tokens, and one with TLS."""

import contextlib
import socket
import ssl
from concurrent.futures import ThreadPoolExecutor

import grpc
import numpy as np
import pytest
import tensorflow as tf
from grpc import StatusCode
from tensorflow_serving.apis.classification_pb2 import ClassificationRequest
from tensorflow_serving.apis.get_model_status_pb2 import GetModelStatusRequest
from tensorflow_serving.apis.model_service_pb2_grpc import ModelServiceStub
from tensorflow_serving.apis.predict_pb2 import PredictRequest
from tensorflow_serving.apis.prediction_service_pb2_grpc import PredictionServiceStub

from tests.support.echo import write_echo_model
from tests.support.serving import ECHO, busy, certificate_files, send, serving, until

TOKEN = {"Authorization": "Bearer second"}
LIMITS = {
    "--max-body-bytes": 4000,
    "--max-texts": 3,
    "--max-text-bytes": 500,
    "--max-queue": 3,
    "--max-in-flight": 8,
    "--timeout-seconds": 4,
}


@pytest.fixture(scope="module")
def echo(tmp_path_factory):
    folder = tmp_path_factory.mktemp("models")
    write_echo_model(folder / "echo", 1)
    return folder


@pytest.fixture(scope="module")
def server(echo, tmp_path_factory):
    folder = tmp_path_factory.mktemp("limited")
    (folder / "tokens").write_text("first\nsecond\n")
    limits = [word for pair in LIMITS.items() for word in pair]
    with serving(echo, folder / "log", "--token-file", folder / "tokens", *limits) as running:
        yield running


@pytest.fixture(scope="module")
def stub(server):
    with grpc.insecure_channel(server.grpc_address) as channel:
        yield PredictionServiceStub(channel)


def texts_of(*texts):
    request = PredictRequest()
    request.model_spec.name = "echo"
    request.inputs["text"].CopyFrom(tf.make_tensor_proto(texts))
    return request


def predict(stub, request, token="second"):
    return stub.Predict(request, 60, metadata=[("authorization", f"Bearer {token}")])


def code_of(call, *arguments, **options):
    with pytest.raises(grpc.RpcError) as error:
        call(*arguments, **options)
    return error.value.code()


WITHIN = [["a"] * 3, ["a" * 500], ["é" * 250, "b" * 500, "c" * 500]]


@pytest.mark.parametrize("texts", WITHIN)
def test_what_is_within_the_limits_is_served(texts, server, stub):
    assert server.post(ECHO, {"instances": texts}, **TOKEN).status == 200
    assert predict(stub, texts_of(*texts)).outputs["length"].int_val == [len(text.encode()) for text in texts]


BEYOND = {
    "a text": (["a" * 501], "a text takes at most 500 bytes, got 501"),
    "a text by its bytes": (["é" * 251], "a text takes at most 500 bytes, got 502"),
    "the last text": (["", "", "a" * 501], "a text takes at most 500 bytes, got 501"),
    "texts": (["a"] * 4, "a request takes at most 3 rows, got 4"),
}


@pytest.mark.parametrize("case", BEYOND)
@pytest.mark.parametrize("key", ["instances", "inputs"])
def test_what_is_beyond_a_limit_is_413(case, key, server, stub):
    texts, message = BEYOND[case]
    answer = server.post(ECHO, {key: texts}, **TOKEN)
    assert (answer.status, answer.json) == (413, {"error": message})
    assert code_of(predict, stub, texts_of(*texts)) == StatusCode.INVALID_ARGUMENT


def test_a_row_of_numbers_beyond_the_limit_is_413(server, stub):
    answer = server.post(ECHO, {"signature_name": "total", "inputs": [[1, 2]] * 4}, **TOKEN)
    assert (answer.status, answer.json) == (413, {"error": "a request takes at most 3 rows, got 4"})
    request = texts_of()
    request.inputs["text"].CopyFrom(tf.make_tensor_proto(np.zeros((1, 100), np.int32)))
    assert code_of(predict, stub, request) == StatusCode.INVALID_ARGUMENT


def test_examples_beyond_the_limit_are_413_before_their_context_is_given_to_each(server, stub):
    body = {"context": {"text": "a" * 500}, "examples": [{}] * 100}
    answer = server.post("/v1/models/echo:classify", body, **TOKEN)
    assert (answer.status, answer.json) == (413, {"error": "a request takes at most 3 rows, got 100"})
    request = ClassificationRequest()
    request.model_spec.name = "echo"
    request.input.example_list_with_context.context.features.feature["text"].bytes_list.value.append(b"a" * 500)
    for _ in range(100):
        request.input.example_list_with_context.examples.add()
    metadata = [("authorization", "Bearer first")]
    assert code_of(stub.Classify, request, 60, metadata=metadata) == StatusCode.INVALID_ARGUMENT


def test_inputs_that_the_signature_does_not_take_are_never_made(stub):
    request = texts_of("a")
    for number in range(40):
        many = request.inputs[str(number)]
        many.dtype = tf.int32.as_datatype_enum
        many.int_val.append(1)
        many.tensor_shape.dim.add(size=2**20)
    with pytest.raises(grpc.RpcError) as error:
        predict(stub, request)
    assert error.value.code() == StatusCode.INVALID_ARGUMENT
    assert error.value.details().startswith("the signature takes the inputs text, got 0, 1, 10, ")


@pytest.mark.parametrize("declared", [True, False], ids=["declared", "chunked"])
def test_a_body_beyond_the_limit_is_413(declared, server):
    body = b'{"instances": ["a"]}' + b" " * 4000
    with contextlib.closing(server.connect()) as connection:
        connection.request("POST", ECHO, body if declared else iter([body]), TOKEN)
        response = connection.getresponse()
        assert (response.status, response.read()) == (413, b'{"error": "a body takes at most 4000 bytes"}')
        assert send(connection, "POST", ECHO, {"instances": ["a"]}, TOKEN).status == 200


def test_a_body_is_refused_by_its_declared_size_before_it_is_sent(server):
    head = f"POST {ECHO} HTTP/1.1\r\nauthorization: Bearer first\r\ncontent-length: %s\r\n\r\n"
    for size in ("4001", "9" * 17):
        with socket.create_connection(("127.0.0.1", server.rest_port), timeout=60) as client:
            client.sendall((head % size).encode())
            assert client.recv(1000).startswith(b"HTTP/1.1 413 ")


@pytest.mark.parametrize("compression", [grpc.Compression.NoCompression, grpc.Compression.Gzip])
def test_a_message_beyond_the_limit_is_refused_however_it_is_packed(compression, stub):
    metadata = [("authorization", "Bearer first")]
    code = code_of(stub.Predict, texts_of("a" * 5000), 60, metadata=metadata, compression=compression)
    assert code == StatusCode.RESOURCE_EXHAUSTED


def test_a_full_queue_is_503_and_the_client_told_when_to_try_again(server, stub, tmp_path):
    def waiting(count):
        until(lambda: server.metrics(**TOKEN)["keras_rnn_queue_length"] == count)

    with ThreadPoolExecutor() as pool:
        with busy(server, tmp_path / "open", **TOKEN) as first:
            others = [pool.submit(server.post, ECHO, {"instances": ["a", "b"]}, **TOKEN)]
            waiting(2)
            too_many = server.post(ECHO, {"instances": ["c", "d"]}, **TOKEN)
            others.append(pool.submit(server.post, ECHO, {"instances": ["e"]}, **TOKEN))
            waiting(3)
            refused_answer = server.post(ECHO, {"instances": ["f"]}, **TOKEN)
            code = code_of(predict, stub, texts_of("g"))
            assert server.get("/readyz").status == 200
        for answer in (too_many, refused_answer):
            assert (answer.status, answer.headers["retry-after"]) == (503, "1")
            assert answer.json == {"error": "the queue of waiting texts is full; try again later"}
        assert code == StatusCode.UNAVAILABLE
        assert [answer.result().status for answer in (first, *others)] == [200, 200, 200]


def test_too_many_requests_at_a_time_are_503(server, tmp_path):
    half = f"POST {ECHO} HTTP/1.1\r\nauthorization: Bearer first\r\ncontent-length: 20\r\n\r\n".encode()
    clients = [socket.create_connection(("127.0.0.1", server.rest_port), timeout=60) for _ in range(8)]
    for client in clients:
        client.sendall(half)

    def refused():
        answer = server.post(ECHO, {"instances": ["a"]}, **TOKEN)
        return answer.status == 503 and answer

    answer = until(refused)
    assert answer.json == {"error": "too many requests at a time; try again later"}
    assert answer.headers["retry-after"] == "1"
    assert server.get("/livez").status == 200
    for client in clients:
        client.sendall(b'{"instances": ["a"]}')
        assert client.recv(1000).startswith(b"HTTP/1.1 200 ")
        client.close()


def test_what_takes_too_long_is_504_and_a_silent_connection_closed(server, stub, tmp_path):
    half = f"POST {ECHO} HTTP/1.1\r\nauthorization: Bearer first\r\ncontent-length: 9\r\n\r\n{{".encode()
    with (
        busy(server, tmp_path / "open", **TOKEN) as running_request,
        ThreadPoolExecutor() as pool,
        socket.create_connection(("127.0.0.1", server.rest_port), timeout=60) as half_a_body,
        socket.create_connection(("127.0.0.1", server.rest_port), timeout=60) as half_a_head,
        socket.create_connection(("127.0.0.1", server.rest_port), timeout=60) as silent,
    ):
        half_a_body.sendall(half)
        half_a_head.sendall(half[:20])
        queued_answer = pool.submit(server.post, ECHO, {"instances": ["a"]}, **TOKEN)
        assert code_of(predict, stub, texts_of("b")) == StatusCode.DEADLINE_EXCEEDED
        for answer in (running_request.result(), queued_answer.result()):
            assert (answer.status, answer.json) == (
                504,
                {"error": "the request was not answered within its time limit"},
            )
        assert half_a_body.recv(1000).startswith(b"HTTP/1.1 504 ")
        for client in (half_a_head, silent):
            with contextlib.suppress(ConnectionError):
                assert client.recv(1) == b""
        assert server.metrics(**TOKEN)["keras_rnn_queue_length"] == 0
    assert server.post(ECHO, {"instances": ["a"]}, **TOKEN).status == 200


@pytest.mark.parametrize("filler", [b"x: " + b"a" * 1000 + b"\r\n", b"a" * 1000], ids=["many", "one"])
def test_headers_without_end_are_not_read(filler, server):
    with socket.create_connection(("127.0.0.1", server.rest_port), timeout=60) as client:
        client.sendall(b"GET /livez HTTP/1.1\r\nx: ")
        with pytest.raises(ConnectionError):
            client.sendall(filler * 20_000)


def test_bodies_that_come_with_the_next_request_are_no_headers(server):
    one = f"POST {ECHO} HTTP/1.1\r\nauthorization: Bearer first\r\ncontent-length: 3900\r\n\r\n".encode()
    one += b'{"instances": ["a"]}'.ljust(3900)
    with socket.create_connection(("127.0.0.1", server.rest_port), timeout=60) as client:
        client.sendall(one * 30 + b"GET /livez HTTP/1.1\r\nconnection: close\r\n\r\n")
        answers = b"".join(iter(lambda: client.recv(10_000), b""))
    assert answers.count(b"HTTP/1.1 200 OK") == 31


def test_beyond_the_connections_the_longest_idle_one_is_closed(server):
    with contextlib.ExitStack() as open_ones:
        clients = [
            open_ones.enter_context(socket.create_connection(("127.0.0.1", server.rest_port), timeout=60))
            for _ in range(2 * LIMITS["--max-in-flight"])
        ]
        assert server.get("/livez").status == 200
        with contextlib.suppress(ConnectionError):
            assert clients[0].recv(1) == b""
        clients[-1].sendall(b"GET /livez HTTP/1.1\r\n\r\n")
        assert clients[-1].recv(1000).startswith(b"HTTP/1.1 200 ")


STRANGERS = {
    "no header": {},
    "another token": {"Authorization": "Bearer third"},
    "the beginning of a token": {"Authorization": "Bearer secon"},
    "both tokens": {"Authorization": "Bearer first second"},
    "another scheme": {"Authorization": "Basic second"},
    "no scheme": {"Authorization": "second"},
}


@pytest.mark.parametrize("case", STRANGERS)
def test_without_a_token_nothing_is_told(case, server):
    for method, path in [
        ("POST", ECHO),
        ("GET", "/v1/models/echo"),
        ("GET", "/v1/models/echo/metadata"),
        ("GET", "/v1/models/none"),
        ("GET", "/v1/nonsense"),
        ("GET", "/metrics"),
    ]:
        answer = server.request(method, path, b"{" if method == "POST" else None, STRANGERS[case])
        assert (answer.status, answer.json) == (401, {"error": "a bearer token is needed, or is not known"})
        assert answer.headers["www-authenticate"] == "Bearer"


def test_without_a_token_grpc_is_unauthenticated(server, stub):
    assert code_of(stub.Predict, texts_of("a"), 60) == StatusCode.UNAUTHENTICATED
    assert code_of(predict, stub, texts_of("a"), "third") == StatusCode.UNAUTHENTICATED
    with grpc.insecure_channel(server.grpc_address) as channel:
        assert code_of(ModelServiceStub(channel).GetModelStatus, GetModelStatusRequest(), 60) == (
            StatusCode.UNAUTHENTICATED
        )


def test_each_token_of_the_file_is_let_in(server, stub):
    for token in ("first", "second"):
        assert server.get("/v1/models/echo", Authorization=f"bearer {token}").status == 200
        assert predict(stub, texts_of("a"), token).outputs["length"].int_val == [1]


def test_health_is_told_to_all(server):
    assert [server.get(path).status for path in ("/livez", "/readyz")] == [200, 200]


@pytest.fixture(scope="module")
def certificate(tmp_path_factory):
    return certificate_files(tmp_path_factory.mktemp("tls"))


@pytest.fixture(scope="module")
def tls_server(echo, certificate, tmp_path_factory):
    log = tmp_path_factory.mktemp("tls_server") / "log"
    with serving(echo / "echo", log, "--tls-certificate", certificate[0], "--tls-key", certificate[1]) as running:
        yield running


def test_one_model_s_own_folder_is_served_by_its_name(tls_server):
    assert tls_server.served == ["echo/1"]


def test_with_a_certificate_rest_speaks_tls_alone(tls_server, certificate):
    connection = tls_server.connect(ssl.create_default_context(cafile=certificate[0]))
    assert send(connection, "POST", ECHO, {"instances": ["a"]}).json["predictions"][0]["echo"] == "a"
    connection.close()
    with pytest.raises(ssl.SSLCertVerificationError):
        send(tls_server.connect(ssl.create_default_context()), "GET", "/livez")
    with socket.create_connection(("127.0.0.1", tls_server.rest_port), timeout=60) as client:
        client.sendall(b"GET /livez HTTP/1.1\r\n\r\n")
        assert b"HTTP" not in client.recv(1000)


def test_with_a_certificate_grpc_speaks_tls_alone(tls_server, certificate):
    credentials = grpc.ssl_channel_credentials(certificate[0].read_bytes())
    with grpc.secure_channel(tls_server.grpc_address, credentials) as channel:
        assert PredictionServiceStub(channel).Predict(texts_of("a"), 60).outputs["length"].int_val == [1]
    with grpc.insecure_channel(tls_server.grpc_address) as channel:
        assert code_of(PredictionServiceStub(channel).Predict, texts_of("a"), 60) == StatusCode.UNAVAILABLE
    assert {line["level"] for line in tls_server.log()} == {"INFO"}  # and each line is JSON


def test_another_address_of_this_machine_is_not_served(server):
    for port in (server.rest_port, server.grpc_port):
        with pytest.raises(ConnectionRefusedError):
            socket.create_connection(("127.0.0.2", port), timeout=60)

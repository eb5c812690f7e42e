"""`bench_serve` against fake servers whose answers take a known time."""

import contextlib
import itertools
import json
import subprocess
import sys
import threading
import time
from concurrent import futures
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

import grpc
import pytest

from keras_rnn.cli import main as cli
from keras_rnn.errors import UsageError
from keras_rnn.serving import bench
from keras_rnn.serving.bench_clients import parse_target

DELAY = 0.02  # seconds an answer takes
KNOWN_DELAY = 0.2  # the same where it is measured, and must outweigh what a loaded machine adds
ANSWER = b'{"predictions": []}'


@contextlib.contextmanager
def rest_server(answer):
    """Serves at the URL that is yielded; `answer(path, body, headers)` returns the status, and "hang up" hangs up."""

    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"
        disable_nagle_algorithm = True  # else a body waits for the acknowledgement of the headers

        def do_POST(self):
            body = self.rfile.read(int(self.headers["Content-Length"]))
            status = answer(self.path, body, self.headers)
            if status == "hang up":
                self.close_connection = True
                return
            self.send_response(status)
            self.send_header("Content-Length", str(len(ANSWER)))
            self.end_headers()
            self.wfile.write(ANSWER)

        def log_message(self, *_):
            pass

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01})
    thread.start()
    try:
        yield f"http://127.0.0.1:{server.server_port}"
    finally:
        server.shutdown()
        thread.join()
        server.server_close()


@contextlib.contextmanager
def grpc_server(answer):
    """Serves at the URL that is yielded; `answer(request, context)` returns the serialized answer."""

    class Handler(grpc.GenericRpcHandler):
        def service(self, call):
            if call.method == "/tensorflow.serving.PredictionService/Predict":
                return grpc.unary_unary_rpc_method_handler(answer)
            return None

    server = grpc.server(futures.ThreadPoolExecutor(8), handlers=[Handler()])
    port = server.add_insecure_port("127.0.0.1:0")
    server.start()
    try:
        yield f"grpc://127.0.0.1:{port}"
    finally:
        server.stop(None).wait()


def slow(*_):
    time.sleep(DELAY)
    return 200


def measure(url, **options):
    return bench.bench_serve(url, **{"concurrency": 4, "seconds": 0.8, "texts": ["a", "b"], "model": "m", **options})


def test_rest_figures_are_those_of_a_server_of_known_delay():
    with rest_server(lambda *_: time.sleep(KNOWN_DELAY) or 200) as url:
        result = measure(url, seconds=3)
    assert 12 < result.requests_per_second <= 20
    assert 200 <= result.p50_ms <= result.p90_ms <= result.p99_ms <= result.max_ms < 2000
    assert 200 <= result.mean_ms < 330
    assert result.statuses == {"200": round(result.requests_per_second * result.seconds)}
    assert result.failed == 0
    assert 3 <= result.seconds < 3.4


def test_grpc_figures_are_those_of_a_server_of_known_delay():
    predict_pb2 = pytest.importorskip("tensorflow_serving.apis.predict_pb2")
    requests = []

    def answer(request, context):
        requests.append((request, dict(context.invocation_metadata()).get("authorization")))
        time.sleep(KNOWN_DELAY)
        return b""

    with grpc_server(answer) as url:
        result = measure(url, seconds=3, texts=["a", "é"], texts_per_request=3, token="secret")
    assert 10 < result.requests_per_second <= 20
    assert result.texts_per_second == pytest.approx(3 * result.requests_per_second)
    assert result.p50_ms >= 200
    assert result.failed == 0
    assert set(result.statuses) == {"OK"}
    request = predict_pb2.PredictRequest.FromString(requests[0][0])
    assert request.model_spec.name == "m"
    assert list(request.inputs["text"].string_val) == [b"a", "é".encode(), b"a"]
    assert {authorization for _, authorization in requests} == {"Bearer secret"}


def test_what_is_sent_over_rest():
    requests = []

    def answer(path, body, headers):
        requests.append((path, body, headers["Authorization"]))
        return slow()

    with rest_server(answer) as url:
        measure(url + "/v1/models/a%20b", model=None, texts=["a", "é", "c"], texts_per_request=2, token="secret")
    assert {path for path, _, _ in requests} == {"/v1/models/a%20b:predict"}
    assert {authorization for _, _, authorization in requests} == {"Bearer secret"}
    texts_received = {tuple(json.loads(body)["instances"]) for _, body, _ in requests}
    assert texts_received == {("a", "é"), ("c", "a")}


def test_failures_are_counted_by_status_and_give_no_latencies():
    turn = itertools.count()

    def answer(*_):
        slow()
        return [200, 200, 503, "hang up"][next(turn) % 4]

    with rest_server(answer) as url:
        result = measure(url)
    assert set(result.statuses) == {"200", "503", "connection error"}
    assert result.failed == result.statuses["503"] + result.statuses["connection error"]
    assert result.messages["503"] == ANSWER.decode()
    assert "closed the connection" in result.messages["connection error"]
    assert result.requests_per_second == pytest.approx(result.statuses["200"] / result.seconds)


def test_grpc_failures_are_counted_by_status():
    turn = itertools.count()

    def answer(_, context):
        time.sleep(DELAY)
        if next(turn) % 2:
            context.abort(grpc.StatusCode.RESOURCE_EXHAUSTED, "too many")
        return b""

    with grpc_server(answer) as url:
        result = measure(url)
    assert set(result.statuses) == {"OK", "RESOURCE_EXHAUSTED"}
    assert result.messages == {"RESOURCE_EXHAUSTED": "too many"}


def test_only_failures_leave_no_latencies():
    with rest_server(lambda *_: slow() + 301) as url:
        result = measure(url, seconds=0.2)
    assert set(result.statuses) == {"501"}
    assert result.requests_per_second == 0
    assert result.p50_ms != result.p50_ms


def test_a_request_without_an_answer_times_out(monkeypatch):
    monkeypatch.setattr(bench, "TIMEOUT_SECONDS", 0.1)
    turn = itertools.count()

    def answer(*_):
        if next(turn):
            time.sleep(0.3)
        return 200

    with rest_server(answer) as url:
        result = measure(url, concurrency=1, seconds=0.2)
    assert set(result.statuses) == {"timeout"}
    assert result.messages == {"timeout": "no answer in 0.1 s"}


def test_over_rest_no_tensorflow_is_imported():
    code = "import sys, keras_rnn.serving.bench; sys.exit('tensorflow' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", code]).returncode == 0


BAD = {
    "no concurrency": ({"concurrency": 0}, ["concurrency", "at least 1", "got 0"]),
    "no time": ({"seconds": 0}, ["seconds", "above 0", "got 0"]),
    "no texts in a request": ({"texts_per_request": 0}, ["texts_per_request", "at least 1"]),
    "no texts": ({"texts": []}, ["texts", "at least one"]),
    "one text": ({"texts": "abc"}, ["texts", "'abc'"]),
    "odd scheme": ({"url": "ftp://127.0.0.1:1"}, ["grpc://HOST:PORT", "'ftp://127.0.0.1:1'"]),
    "no scheme": ({"url": "127.0.0.1:8501"}, ["http://HOST:PORT", "'127.0.0.1:8501'"]),
    "grpc without a port": ({"url": "grpc://127.0.0.1"}, ["grpc://HOST:PORT"]),
    "odd port": ({"url": "http://127.0.0.1:99999"}, ["http://HOST:PORT"]),
    "odd path": ({"url": "http://127.0.0.1:1/v2/models/m"}, ["/v1/models/NAME"]),
    "no model": ({"model": None}, ["--model NAME", "http://127.0.0.1:1/v1/models/NAME"]),
    "two models": ({"url": "http://127.0.0.1:1/v1/models/n"}, ["'n'", "--model is 'm'"]),
    "no server": ({}, ["no server answers at http://127.0.0.1:1"]),
    "no gRPC server": ({"url": "grpc://127.0.0.1:1"}, ["no server answers at grpc://127.0.0.1:1"]),
}


@pytest.mark.parametrize("case", BAD)
def test_bad_input_is_named(case):
    options, words = BAD[case]
    with pytest.raises(UsageError) as error:
        measure(**{"url": "http://127.0.0.1:1", **options})
    for word in words:
        assert word in str(error.value)


def test_a_model_that_the_server_does_not_know_is_named():
    with rest_server(lambda *_: 404) as url, pytest.raises(UsageError, match="serves no model 'm'"):
        measure(url)


def test_a_missing_package_is_named(monkeypatch):
    monkeypatch.setitem(sys.modules, "httptools", None)
    with pytest.raises(UsageError, match=r'httptools: pip install "keras-rnn\[serve\]"'):
        measure("http://127.0.0.1:1")


def test_a_url_names_host_port_and_model():
    target = parse_target("https://[::1]/v1/models/a%2Fb:predict", None)
    assert (target.address, target.port, target.model) == ("[::1]:443", 443, "a/b")


def command_line(monkeypatch, *arguments):
    monkeypatch.setattr(sys, "argv", ["keras-rnn", "bench-serve", *map(str, arguments)])
    with pytest.raises(SystemExit) as exit_:
        cli.main()
    return exit_.value.code


@pytest.mark.parametrize(("status", "code"), [(200, 0), (429, 1)])
def test_the_command_prints_a_table_and_its_status_tells_of_failures(status, code, tmp_path, monkeypatch, capsys):
    (tmp_path / "texts").write_text("not good\n\nbut cheap\n")
    (tmp_path / "token").write_text("secret\n")
    requests = []

    def answer(path, body, headers):
        requests.append((json.loads(body)["instances"], headers["Authorization"]))
        return slow() and status

    with rest_server(answer) as url:
        options = f"--concurrency 2 --seconds 0.2 --texts {tmp_path}/texts --model m --token-file {tmp_path}/token"
        assert command_line(monkeypatch, url, *options.split()) == code
    output = capsys.readouterr().out
    assert "p99 ms" in output
    assert f"({status}: " in output
    assert requests[0] == (["not good"], "Bearer secret")  # alone; the next come from two clients at once
    assert sorted(requests[1:3]) == [(["but cheap"], "Bearer secret"), (["not good"], "Bearer secret")]


@pytest.mark.parametrize(
    ("content", "words"),
    [(None, "No such file"), (b"", "has no text"), (b"\n \n", "has no text"), (b"\xff\n", "not UTF-8")],
)
def test_texts_that_cannot_be_read(content, words, tmp_path, monkeypatch, capsys):
    file = tmp_path / "texts"
    if content is not None:
        file.write_bytes(content)
    options = ["--concurrency", 2, "--seconds", 1, "--texts", file, "--model", "m"]
    assert command_line(monkeypatch, "http://127.0.0.1:1", *options) == 2
    error = capsys.readouterr().err
    assert words in error
    assert str(file) in error
    assert error.count("\n") == 1


@pytest.mark.parametrize("content", [None, "", "é"])
def test_a_token_that_cannot_be_read(content, tmp_path):
    file = tmp_path / "token"
    if content is not None:
        file.write_text(content)
    with pytest.raises(UsageError, match=str(file)):
        bench.read_token(file)

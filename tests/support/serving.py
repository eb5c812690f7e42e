"""A server in a separate process, and a REST client that returns whole answers."""

import contextlib
import http.client
import json
import os
import re
import signal
import ssl
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from tests.support.echo import WAIT

ECHO = "/v1/models/echo:predict"
READY = re.compile(r"serving REST on (https?)://127\.0\.0\.1:(\d+), gRPC on 127\.0\.0\.1:(\d+): (.*)\n")


@dataclass(frozen=True)
class Answer:
    status: int
    headers: dict[str, str]
    body: bytes

    @property
    def json(self) -> Any:
        return json.loads(self.body)


class Running:
    """A server that listens, and the file that has its standard error.

    served: NAME/VERSION of each version that it served when it was ready.
    """

    def __init__(self, process: subprocess.Popen, ready: re.Match, log: Path):
        self.process = process
        self._scheme, self.rest_port, self.grpc_port = ready[1], int(ready[2]), int(ready[3])
        self.served = ready[4].split(", ")
        self._log = log

    @property
    def grpc_address(self) -> str:
        return f"127.0.0.1:{self.grpc_port}"

    def connect(self, context: ssl.SSLContext | None = None, timeout: float = 60) -> http.client.HTTPConnection:
        if self._scheme == "https":
            return http.client.HTTPSConnection("127.0.0.1", self.rest_port, context=context, timeout=timeout)
        return http.client.HTTPConnection("127.0.0.1", self.rest_port, timeout=timeout)

    def request(self, method: str, path: str, body: Any = None, headers: dict[str, str] | None = None) -> Answer:
        """Sends bytes unchanged, and any other `body` as JSON."""
        with contextlib.closing(self.connect()) as connection:
            return send(connection, method, path, body, headers)

    def get(self, path: str, **headers: str) -> Answer:
        return self.request("GET", path, headers=headers)

    def post(self, path: str, body: Any, **headers: str) -> Answer:
        return self.request("POST", path, body, headers)

    def metrics(self, **headers: str) -> dict[str, float]:
        """Returns the samples of /metrics by name with labels."""
        lines = self.get("/metrics", **headers).body.decode().splitlines()
        return {name: float(value) for name, value in (line.rsplit(" ", 1) for line in lines if line[0] != "#")}

    def log_text(self) -> str:
        return self._log.read_text()

    def log(self) -> list[dict]:
        """Returns the complete lines of the log so far."""
        return [json.loads(line) for line in self.log_text().split("\n")[:-1]]

    def stop(self, number: int = signal.SIGTERM) -> int:
        """Sends the signal and returns the exit status."""
        self.process.send_signal(number)
        return self.process.wait(60)


def send(connection, method: str, path: str, body: Any = None, headers: dict[str, str] | None = None) -> Answer:
    data = body if body is None or isinstance(body, bytes) else json.dumps(body).encode()
    connection.request(method, path, data, headers or {})
    response = connection.getresponse()
    return Answer(response.status, dict(response.headers), response.read())


@contextlib.contextmanager
def serving(models: Path, log: Path, *options: object) -> Iterator[Running]:
    """Runs `keras-rnn serve` on free ports and kills it at the end. Its standard error goes to the file `log`."""
    ports = ["--rest-port", 0, "--grpc-port", 0]
    command = [sys.executable, "-m", "keras_rnn.cli.main", "serve", models, *ports, *options]
    environment = {name: value for name, value in os.environ.items() if name != "TF_CPP_MIN_LOG_LEVEL"}
    with open(log, "wb") as stderr:
        process = subprocess.Popen(
            list(map(str, command)),
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=stderr,
            text=True,
            env={**environment, "CUDA_VISIBLE_DEVICES": "-1"},
        )
    try:
        line = process.stdout.readline()
        ready = READY.fullmatch(line)
        assert ready, f"{line!r}, and on standard error: {log.read_text()}"
        yield Running(process, ready, log)
    finally:
        process.kill()
        process.wait()
        process.stdout.close()


@contextlib.contextmanager
def busy(server: Running, gate: Path, path: str = ECHO, **headers: str) -> Iterator[Future]:
    """Keeps the models' thread busy with a text that waits for the file `gate`. Yields the future answer.

    At the end it creates the file.
    """
    calls = server.metrics(**headers)["keras_rnn_batch_size_count"]
    with ThreadPoolExecutor(1) as pool:
        try:
            answer = pool.submit(server.post, path, {"instances": [f"{WAIT}{gate}"]}, **headers)
            until(lambda: server.metrics(**headers)["keras_rnn_batch_size_count"] > calls)
            yield answer
        finally:
            gate.touch()


def certificate_files(folder: Path) -> tuple[Path, Path]:
    """Writes a self-signed certificate for 127.0.0.1 and its key. Returns both files."""
    command = "openssl req -x509 -newkey ec -pkeyopt ec_paramgen_curve:prime256v1 -nodes -subj /CN=localhost -days 2"
    certificate, key = folder / "certificate.pem", folder / "key.pem"
    options = ["-addext", "subjectAltName=IP:127.0.0.1", "-out", certificate, "-keyout", key]
    subprocess.run([*command.split(), *options], check=True, capture_output=True)
    return certificate, key


def until(condition: Callable[[], Any], seconds: float = 30) -> Any:
    """Waits until `condition()` is true and returns its value."""
    end = time.monotonic() + seconds
    while not (value := condition()):
        assert time.monotonic() < end, "it has not come true"
        time.sleep(0.01)
    return value

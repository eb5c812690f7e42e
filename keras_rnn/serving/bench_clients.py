"""The clients of `bench_serve`. Each sends one prepared request at a time and returns the answer as bytes.

They share a machine with the server that they measure, so they must be cheap. A request by HttpClient costs some 90
microseconds of CPU, a quarter of what a general HTTP client takes. HttpClient has only what a benchmark of one address
needs.
"""

import asyncio
import json
import re
import ssl
from collections.abc import Sequence
from dataclasses import dataclass
from importlib import import_module
from typing import Any
from urllib.parse import quote, unquote, urlsplit

from keras_rnn.errors import UsageError

PORTS = {"http": 80, "https": 443, "grpc": None}
SUCCESS = ("200", "OK")
CONNECTION_ERROR = "connection error"
TIMEOUT = "timeout"
PREDICT = "/tensorflow.serving.PredictionService/Predict"


@dataclass(frozen=True)
class Target:
    """The address of a served model."""

    scheme: str
    host: str
    port: int
    model: str

    @property
    def address(self) -> str:
        return f"[{self.host}]:{self.port}" if ":" in self.host else f"{self.host}:{self.port}"


def parse_target(url: str, model: str | None) -> Target:
    """Parses `http(s)://HOST[:PORT][/v1/models/NAME]` or `grpc://HOST:PORT[/v1/models/NAME]`.

    Raises:
        UsageError: another kind of URL, no model in the URL nor in `model`, or two different ones.
    """
    expected_form = "http://HOST:PORT, https://HOST:PORT or grpc://HOST:PORT, with or without /v1/models/NAME"
    try:
        parts = urlsplit(url)
        host, port = parts.hostname, parts.port or PORTS.get(parts.scheme)
    except ValueError:
        host = port = None
    if not host or not port or parts.scheme not in PORTS or parts.query or parts.fragment or parts.username:
        raise UsageError(f"the URL takes {expected_form}, got {url!r}")
    path = re.fullmatch(r"/*|/v1/models/([^/:]+)(?::predict)?/?", parts.path)
    if not path:
        raise UsageError(f"the URL takes {expected_form}, got {url!r}")
    url_model = unquote(path[1]) if path[1] else None
    if url_model and model and url_model != model:
        raise UsageError(f"the URL names the model {url_model!r}, but --model is {model!r}")
    if not (url_model or model):
        raise UsageError(f"which model? give --model NAME, or {parts.scheme}://{parts.netloc}/v1/models/NAME")
    return Target(parts.scheme, host, port, url_model or model)


def clients(target: Target, number: int, *, token: str | None, timeout: float) -> list["HttpClient | GrpcClient"]:
    """Returns `number` clients. HTTP clients have a connection each; gRPC clients share one channel."""
    if target.scheme == "grpc":
        return [GrpcClient(target, token=token, timeout=timeout)] * number
    return [HttpClient(target, token=token, timeout=timeout) for _ in range(number)]


def _package(module: str) -> Any:
    try:
        return import_module(module)
    except ImportError as error:
        raise UsageError(
            f'bench-serve takes the package {module.split(".")[0]}: pip install "keras-rnn[serve]"'
        ) from error


class HttpClient:
    """Predicts over one keep-alive connection. The first request opens it, and so does the first one after a failure.

    An answer is a status and a body. The status is the HTTP status as text, CONNECTION_ERROR or TIMEOUT.
    """

    def __init__(self, target: Target, *, token: str | None, timeout: float):
        self.target = target
        self.timeout = timeout
        self._connection = None
        self._parser = _package("httptools").HttpResponseParser
        authorization = f"Authorization: Bearer {token}\r\n" if token else ""
        self._head = (
            f"POST /v1/models/{quote(target.model, safe='')}:predict HTTP/1.1\r\nHost: {target.address}\r\n"
            f"{authorization}Content-Type: application/json\r\nContent-Length: "
        ).encode()

    def request(self, texts: Sequence[str]) -> bytes:
        return json.dumps({"instances": list(texts)}).encode()

    async def send(self, request: bytes) -> tuple[str, bytes]:
        try:
            async with asyncio.timeout(self.timeout):
                if self._connection is None or not self._connection.usable:
                    await self._open()
                return await self._connection.send(b"%b%d\r\n\r\n%b" % (self._head, len(request), request))
        except TimeoutError:
            failure = TIMEOUT, f"no answer in {self.timeout:g} s".encode()
        except OSError as error:
            failure = CONNECTION_ERROR, str(error).encode()
        await self.close()
        return failure

    async def close(self) -> None:
        if self._connection:
            self._connection.transport.close()
            self._connection = None

    async def _open(self) -> None:
        tls = ssl.create_default_context() if self.target.scheme == "https" else None
        _, self._connection = await asyncio.get_running_loop().create_connection(
            lambda: _HttpConnection(self._parser), self.target.host, self.target.port, ssl=tls
        )


class GrpcClient:
    """Predicts over one channel. An answer is the gRPC status, and the serialized PredictResponse or the details."""

    def __init__(self, target: Target, *, token: str | None, timeout: float):
        self.target = target
        self.timeout = timeout
        self._grpc = _package("grpc")
        self._messages = _package("tensorflow_serving.apis.predict_pb2")
        self._metadata = [("authorization", f"Bearer {token}")] if token else None
        self._channel = None

    def request(self, texts: Sequence[str]) -> bytes:
        request = self._messages.PredictRequest()
        request.model_spec.name = self.target.model
        request.model_spec.signature_name = "serving_default"
        tensor = request.inputs["text"]
        tensor.dtype = 7  # DT_STRING
        tensor.tensor_shape.dim.add().size = len(texts)
        tensor.string_val.extend(text.encode() for text in texts)
        return request.SerializeToString()

    async def send(self, request: bytes) -> tuple[str, bytes]:
        if self._channel is None:  # not in __init__: a channel belongs to the running loop
            self._channel = self._grpc.aio.insecure_channel(self.target.address)
            self._predict = self._channel.unary_unary(PREDICT)
        try:
            return "OK", await self._predict(request, timeout=self.timeout, metadata=self._metadata)
        except self._grpc.aio.AioRpcError as error:
            return error.code().name, (error.details() or "").encode()

    async def close(self) -> None:
        if self._channel:
            await self._channel.close()
            self._channel = None


class _HttpConnection(asyncio.Protocol):
    """One HTTP/1.1 connection with at most one open request. The parser calls the `on_` methods."""

    def __init__(self, parser):
        self._parser = parser(self)
        self._answer = None
        self._body = []
        self.usable = True

    async def send(self, request: bytes) -> tuple[str, bytes]:
        self._body = []
        self._answer = asyncio.get_running_loop().create_future()
        self.transport.write(request)
        return await self._answer

    def connection_made(self, transport):
        self.transport = transport

    def data_received(self, data):
        try:
            self._parser.feed_data(data)
        except _package("httptools").HttpParserError as error:
            self._fail(ConnectionError(f"no HTTP answer: {error}"))

    def connection_lost(self, error):
        self._fail(error or ConnectionError("the server closed the connection"))

    def on_body(self, body: bytes):
        self._body.append(body)

    def on_message_complete(self):
        self.usable = self.usable and self._parser.should_keep_alive()
        if self._answer and not self._answer.done():
            self._answer.set_result((str(self._parser.get_status_code()), b"".join(self._body)))

    def _fail(self, error: Exception):
        self.usable = False
        self.transport.close()
        if self._answer and not self._answer.done():
            self._answer.set_exception(error)

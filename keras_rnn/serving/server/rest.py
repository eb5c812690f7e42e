"""TensorFlow Serving's REST API, with OpenAI's paths, and those for health and metrics, as an ASGI application.

See https://www.tensorflow.org/tfx/serving/api_rest for the requests and answers.
"""

import asyncio
import json
import re
from collections.abc import Callable

from google.protobuf.json_format import MessageToDict
from starlette.applications import Starlette
from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.responses import PlainTextResponse, Response
from starlette.routing import Route
from starlette.types import ASGIApp, Receive, Scope, Send

from keras_rnn.serving.server import rest_json
from keras_rnn.serving.server.completions import PATH as COMPLETIONS
from keras_rnn.serving.server.completions import completions_app
from keras_rnn.serving.server.errors import ServingError, invalid, not_found
from keras_rnn.serving.server.inference import Server, classify, predict, signature_of
from keras_rnn.serving.server.metadata import metadata_response, status_response
from keras_rnn.serving.server.metrics import Metrics
from keras_rnn.serving.server.observe import Record, observed
from keras_rnn.serving.server.openai_json import error_response, models_body
from keras_rnn.serving.server.rest_request import (
    SMALL_BODY_BYTES,
    InFlight,
    authenticate,
    error_headers,
    errors_recorded,
    read_body,
    version_number,
)
from keras_rnn.serving.server.servable import Arrays, Servable, Signature, row_count

_TARGET = r"/v1/models/(?P<name>[^/:]+)(?:/versions/(?P<version>\d+)|/labels/(?P<label>[^/:]+))?"
_INFERENCE = re.compile(_TARGET + r":(?P<method>classify|predict)", re.ASCII | re.IGNORECASE)
_STATUS = re.compile(_TARGET + r"(?P<metadata>/metadata)?", re.ASCII | re.IGNORECASE)
_METHODS = ["GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "OPTIONS"]


def rest_app(server: Server, metrics: Metrics, ready: Callable[[], bool]) -> ASGIApp:
    """Returns the application. `ready` tells whether the server takes requests."""
    in_flight = InFlight(server.settings.max_in_flight)

    async def v1(request: Request) -> Response:
        client = request.client.host if request.client else ""
        with observed(metrics, server.settings.access_log, "REST", client) as record:
            with errors_recorded(record):
                async with asyncio.timeout(server.settings.timeout_seconds):
                    with in_flight.one_more():
                        return _json(await _answer(server, request, record))
            return _error(record.error)

    async def live(request: Request) -> Response:
        return PlainTextResponse("ok\n")

    async def readiness(request: Request) -> Response:
        return PlainTextResponse("ready\n") if ready() else PlainTextResponse("not ready\n", 503)

    async def metrics_page(request: Request) -> Response:
        try:
            authenticate(request, server.tokens)
        except ServingError as error:
            return _error(error)
        return Response(metrics.page(), media_type="text/plain; version=0.0.4")

    async def http_error(request: Request, error: HTTPException) -> Response:
        code = not_found if error.status_code == 404 else invalid
        path = request.scope["path"]
        return _error(code(f"Malformed request: {request.method} {path[:200]}"), error.status_code)

    app = Starlette(
        routes=[
            Route("/v1/{rest:path}", v1, methods=_METHODS),
            Route("/livez", live),
            Route("/readyz", readiness),
            Route("/metrics", metrics_page),
        ],
        exception_handlers={HTTPException: http_error},
    )
    app.router.redirect_slashes = False
    completions = completions_app(server, metrics, in_flight)

    async def shed_load(scope: Scope, receive: Receive, send: Send) -> None:
        """Refuses a request at once if the queue is full. A refusal must cost much less than an answer."""
        answer = app
        if scope["type"] == "http" and scope["method"] == "POST":
            is_completion = scope["path"] == COMPLETIONS
            answer = completions if is_completion else app
            try:
                server.scheduler.check_room()
            except ServingError as error:
                metrics.observe_request("REST", "", "", error.code.name, 0.0)
                answer = (error_response if is_completion else _error)(error)
        await answer(scope, receive, send)

    return shed_load


async def _answer(server: Server, request: Request, record: Record) -> bytes:
    authenticate(request, server.tokens)
    path = request.scope["path"]
    if request.method == "POST" and (match := _INFERENCE.fullmatch(path)):
        record.method = match["method"].lower()
        return await _infer(server, request, record, match)
    if request.method == "GET" and path == "/v1/models":  # TensorFlow Serving has no such path
        record.method = "models"
        return models_body(server.manager.latest_versions())
    if request.method == "GET" and (match := _STATUS.fullmatch(path)):
        record.method = "metadata" if match["metadata"] else "status"
        return _describe(server, record, match)
    raise invalid(f"Malformed request: {request.method} {path[:200]}")


async def _infer(server: Server, request: Request, record: Record, match: re.Match) -> bytes:
    with server.manager.use(match["name"], version_number(match["version"]), match["label"]) as servable:
        record.model, record.version = servable.name, servable.version
        body = await read_body(request, server.settings.max_body_bytes)
        if record.method == "classify":
            signature, examples = await _read_body(_read_examples, server, servable, body)
            record.rows = len(examples)
            return rest_json.classify_body(*await classify(server, servable, signature, examples))
        signature, inputs, in_rows = await _read_body(_read_inputs, server, servable, body)
        record.rows = row_count(inputs)
        return rest_json.predict_body(await predict(server, servable, signature, inputs), in_rows)


async def _read_body(read: Callable, server: Server, servable: Servable, body: bytes) -> tuple:
    if len(body) <= SMALL_BODY_BYTES:
        return read(server, servable, body)
    return await asyncio.to_thread(read, server, servable, body)


def _read_examples(server: Server, servable: Servable, body: bytes) -> tuple[Signature, list[bytes]]:
    document = rest_json.parse(body)
    signature = signature_of(servable, document.get("signature_name", ""))
    return signature, rest_json.classify_examples(document, server.settings)


def _read_inputs(server: Server, servable: Servable, body: bytes) -> tuple[Signature, Arrays, bool]:
    document = rest_json.parse(body)
    signature = signature_of(servable, document.get("signature_name", ""))
    return signature, *rest_json.predict_inputs(document, signature, server.settings.max_texts)


def _describe(server: Server, record: Record, match: re.Match) -> bytes:
    name, version, label = match["name"], version_number(match["version"]), match["label"]
    if match["metadata"]:
        with server.manager.use(name, version, label) as servable:
            record.model, record.version = servable.name, servable.version
            response, signatures = metadata_response(servable)
            metadata = {"signature_def": _to_dict(signatures)}
            return _dump({"model_spec": _to_dict(response.model_spec), "metadata": metadata})
    states = server.manager.version_states(name, version, label)
    record.model = name
    return _dump(_to_dict(status_response(states)))


def _to_dict(message) -> dict:
    return MessageToDict(message, preserving_proto_field_name=True, always_print_fields_with_no_presence=True)


def _dump(value: dict) -> bytes:
    return json.dumps(value, ensure_ascii=False, indent=1).encode()


def _json(body: bytes, status: int = 200, headers: dict[str, str] | None = None) -> Response:
    return Response(body, status, headers, media_type="application/json")


def _error(error: ServingError, status: int | None = None) -> Response:
    body = json.dumps({"error": error.message}).encode()
    return _json(body, status or error.http_status, error_headers(error))

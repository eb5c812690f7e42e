"""What OpenAI's routes send: JSON documents, server-sent events, errors and the list of models."""

import json
from typing import Any

from starlette.responses import Response

from keras_rnn.serving.server.errors import ServingError, StatusCode
from keras_rnn.serving.server.rest_request import error_headers
from keras_rnn.serving.server.servable import Servable

LAST_EVENT = b"data: [DONE]\n\n"
_CODES = {StatusCode.NOT_FOUND: "model_not_found", StatusCode.UNAUTHENTICATED: "invalid_api_key"}


def dump(document: dict[str, Any]) -> bytes:
    return json.dumps(document, ensure_ascii=False).encode()


def event(document: dict[str, Any]) -> bytes:
    """Returns a server-sent event."""
    return b"data: %b\n\n" % dump(document)


def error_document(error: ServingError) -> dict[str, Any]:
    kind = "invalid_request_error" if error.http_status < 500 else "server_error"
    code = _CODES.get(error.code)
    return {"error": {"message": error.message, "type": kind, "param": error.param, "code": code}}


def error_response(error: ServingError) -> Response:
    body = dump(error_document(error))
    return Response(body, error.http_status, error_headers(error), media_type="application/json")


def models_body(servables: list[Servable]) -> bytes:
    """Returns the models that write texts, as `/v1/models` lists them."""
    models = [
        {"id": servable.name, "object": "model", "created": servable.created, "owned_by": "keras_rnn"}
        for servable in servables
        if servable.generator is not None
    ]
    return dump({"object": "list", "data": models})

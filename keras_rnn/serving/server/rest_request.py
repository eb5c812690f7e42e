"""What the REST routes share: who may ask, a request's body, the number of requests at a time, and errors."""

import asyncio
import logging
from collections.abc import Iterator
from contextlib import contextmanager

from grpc import StatusCode
from starlette.requests import ClientDisconnect, Request

from keras_rnn.serving.layout import MAX_VERSION
from keras_rnn.serving.server.errors import (
    RETRY_AFTER_SECONDS,
    ServingError,
    internal,
    invalid,
    too_large,
    too_late,
    unauthenticated,
    unavailable,
)
from keras_rnn.serving.server.observe import Record
from keras_rnn.serving.server.tokens import is_allowed

log = logging.getLogger("keras_rnn.serve")

SMALL_BODY_BYTES = 32_768  # a larger one would block the event loop for milliseconds


class InFlight:
    """Counts the requests that are being answered, at most `limit`."""

    def __init__(self, limit: int):
        self._limit, self._count = limit, 0

    @contextmanager
    def one_more(self) -> Iterator[None]:
        """ServingError (UNAVAILABLE) if there are too many."""
        if self._count >= self._limit:
            raise unavailable("too many requests at a time; try again later")
        self._count += 1
        try:
            yield
        finally:
            self._count -= 1


@contextmanager
def errors_recorded(record: Record) -> Iterator[None]:
    """Turns what is raised into the error of the record, which is the client's answer."""
    try:
        yield
    except ServingError as error:
        record.error = error.with_traceback(None)  # the traceback holds the body and the error itself
    except TimeoutError:
        record.error = too_late()
    except asyncio.CancelledError:  # the grace time of a stopping server has passed
        record.error = unavailable("the server is stopping")
    except ClientDisconnect:
        record.error = ServingError(StatusCode.CANCELLED, "the client went away")
    except Exception:
        log.exception("a request failed")
        record.error = internal()


async def read_body(request: Request, limit: int) -> bytes:
    """Returns the body. Raises ServingError (413) if it has more than `limit` bytes."""
    declared = request.headers.get("content-length", "")
    if declared.isdecimal() and int(declared[:20]) > limit:
        raise too_large(f"a body takes at most {limit} bytes")
    body = bytearray()
    async for chunk in request.stream():
        body += chunk
        if len(body) > limit:
            raise too_large(f"a body takes at most {limit} bytes")
    return bytes(body)


def authenticate(request: Request, tokens: tuple[bytes, ...]) -> None:
    """Raises ServingError (UNAUTHENTICATED) if the server has tokens and the request has none of them."""
    if tokens and not is_allowed(request.headers.get("authorization", "").encode("latin-1"), tokens):
        raise unauthenticated()


def version_number(digits: str | None) -> int | None:
    """Returns the version that a target names. Raises ServingError (INVALID_ARGUMENT) beyond 64 bits."""
    if digits is None:
        return None
    if len(digits) > 19 or int(digits) > MAX_VERSION:
        raise invalid(f"Failed to convert version: {digits[:100]} to numeric.")
    return int(digits)


def error_headers(error: ServingError) -> dict[str, str]:
    """Returns the headers that the status of an error asks for."""
    if error.http_status in (429, 503):
        return {"Retry-After": str(RETRY_AFTER_SECONDS)}
    if error.http_status == 401:
        return {"WWW-Authenticate": "Bearer"}
    return {}

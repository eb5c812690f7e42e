"""Errors for clients, with gRPC status codes and the HTTP statuses that TensorFlow Serving maps them to."""

from grpc import StatusCode

RETRY_AFTER_SECONDS = 1

_HTTP_STATUS = {
    StatusCode.INVALID_ARGUMENT: 400,
    StatusCode.FAILED_PRECONDITION: 400,
    StatusCode.UNAUTHENTICATED: 401,
    StatusCode.NOT_FOUND: 404,
    StatusCode.RESOURCE_EXHAUSTED: 429,
    StatusCode.CANCELLED: 499,
    StatusCode.INTERNAL: 500,
    StatusCode.UNIMPLEMENTED: 501,
    StatusCode.UNAVAILABLE: 503,
    StatusCode.DEADLINE_EXCEEDED: 504,
}


class ServingError(Exception):
    """The refusal of a request. The client gets the message, so it names no paths and no code.

    `http_status` replaces the code's own status where gRPC has no code, as for 413. `param` is the field of the body
    that the error is about, which OpenAI's API names.
    """

    def __init__(self, code: StatusCode, message: str, http_status: int | None = None, param: str | None = None):
        super().__init__(message)
        self.code = code
        self.message = message
        self.http_status = http_status or _HTTP_STATUS[code]
        self.param = param


def invalid(message: str, param: str | None = None) -> ServingError:
    return ServingError(StatusCode.INVALID_ARGUMENT, message, param=param)


def too_large(message: str, param: str | None = None) -> ServingError:
    return ServingError(StatusCode.INVALID_ARGUMENT, message, http_status=413, param=param)


def too_many_rows(rows: int, limit: int) -> ServingError:
    return too_large(f"a request takes at most {limit} rows, got {rows}")


def unauthenticated() -> ServingError:
    return ServingError(StatusCode.UNAUTHENTICATED, "a bearer token is needed, or is not known")


def not_found(message: str) -> ServingError:
    return ServingError(StatusCode.NOT_FOUND, message)


def unavailable(message: str) -> ServingError:
    """The client may try again after RETRY_AFTER_SECONDS."""
    return ServingError(StatusCode.UNAVAILABLE, message)


def too_late() -> ServingError:
    return ServingError(StatusCode.DEADLINE_EXCEEDED, "the request was not answered within its time limit")


def internal() -> ServingError:
    """The answer to an unforeseen exception, which only the server's log describes."""
    return ServingError(StatusCode.INTERNAL, "internal error")

"""The rules of RFC 9112 for a request's head that the parser does not check. They make a request's end unambiguous."""

import re

from grpc import StatusCode

from keras_rnn.serving.server.errors import ServingError, invalid
from keras_rnn.serving.server.settings import HEADER_BYTES

HEADERS = 100
TARGET_BYTES = 8192

# The parser also accepts HTTP/0.9, HTTP/2.0, RTSP, ICE and more than one space.
_REQUEST_LINE = re.compile(rb"(?:\r\n)*(?!CONNECT )[!#-'*+.^_`|~\w-]+ (\S+) HTTP/1\.([01])\r\n", re.ASCII)


def body_length(head: bytes, headers: list[tuple[bytes, bytes]]) -> int:
    """Returns the Content-Length of a request that the parser accepted, 0 without one.

    Raises:
        ServingError: a strict reader would refuse the head, or find another end of the request.
    """
    line = _REQUEST_LINE.match(head)
    if not line:
        raise invalid("a request begins with a method other than CONNECT, a target and HTTP/1.0 or HTTP/1.1")
    if len(line[1]) > TARGET_BYTES:
        raise _refused(414, f"a target takes at most {TARGET_BYTES} bytes, got {len(line[1])}")
    length, coding = 0, None
    for name, value in headers:
        if name == b"content-length":
            length = int(value)
        elif name == b"transfer-encoding":
            if coding is not None or value.lower() != b"chunked" or line[2] == b"0":
                raise invalid("Transfer-Encoding takes chunked alone, once, in HTTP/1.1")
            coding = value
    return length


def too_many_headers() -> ServingError:
    return _refused(431, f"a request takes at most {HEADERS} headers, got more")


def too_long_head() -> ServingError:
    return _refused(431, f"a request line with its headers takes at most {HEADER_BYTES} bytes, got more")


def _refused(status: int, message: str) -> ServingError:
    return ServingError(StatusCode.INVALID_ARGUMENT, message, http_status=status)

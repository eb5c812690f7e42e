"""Malformed HTTP requests, as bytes for a socket."""

import json
import re
import socket
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from urllib.parse import quote, urlsplit

from hypothesis import strategies as st
from inputs import MODEL
from outcome import Outcome
from server import Server

ANSWER_SECONDS = 10  # for a complete request
PATIENCE_SECONDS = 0.02  # for an incomplete one: the server may wait for the rest

GOOD_BODY = json.dumps({"instances": ["not good, but cheap", "good"]}).encode()
GOOD_PATH = f"/v1/models/{MODEL}:predict"


@dataclass(frozen=True)
class RawRequest:
    """`whole`: the request is complete, so the server must answer. `hang_up`: the client disconnects at once."""

    data: bytes
    whole: bool
    hang_up: bool = False


def _request(method: bytes, path: bytes, headers: list[tuple[bytes, bytes]], body: bytes) -> RawRequest:
    lines = [b"%b %b HTTP/1.1" % (method, path), b"Host: localhost", b"Connection: close"]
    lines += [b"%b: %b" % header for header in headers] + [b"Content-Length: %d" % len(body)]
    return RawRequest(b"\r\n".join([*lines, b"", body]), whole=True)


# Values of JSON, also those that only Python's json writes: NaN, Infinity, lone surrogates.
_scalars = (
    st.none()
    | st.booleans()
    | st.integers()
    | st.sampled_from([2**31, 2**63, -(2**63) - 1, 10**400])
    | st.floats()
    | st.text(max_size=50)
    | st.text(st.characters(categories=["Cs"]), min_size=1, max_size=5)
    | st.fixed_dictionaries({"b64": st.text(max_size=20) | st.none() | st.integers()})
)
_values = st.recursive(
    _scalars,
    lambda children: (
        st.lists(children, max_size=6)
        | st.dictionaries(st.sampled_from(["text", "inputs", "b64", ""]) | st.text(max_size=10), children, max_size=4)
    ),
    max_leaves=20,
)
_documents = st.fixed_dictionaries(
    {},
    optional={
        "instances": _values,
        "inputs": _values,
        "examples": _values,
        "context": _values,
        "signature_name": _values | st.sampled_from(["classify", "serving_default", "", "\x00"]),
        "other": _values,
    },
)


@st.composite
def _mutated(draw, valid_request: bytes) -> bytes:
    """`valid_request` cut short, or with some bytes replaced, removed or doubled."""
    start = draw(st.integers(0, len(valid_request) - 1))
    end = draw(st.integers(start, len(valid_request)))
    kind = draw(st.sampled_from(["cut", "replace", "remove", "double"]))
    if kind == "cut":
        return valid_request[:start]
    middle = {"replace": draw(st.binary(max_size=20)), "remove": b"", "double": valid_request[start:end] * 2}[kind]
    return valid_request[:start] + middle + valid_request[end:]


def _nested(depth: int, opening: str, closing_bracket: str, is_closed: bool) -> bytes:
    return ('{"instances": ' + opening * depth + (closing_bracket * depth + "}" if is_closed else "")).encode()


_bodies = st.one_of(
    st.binary(max_size=300),
    _documents.map(lambda document: json.dumps(document).encode()),
    _documents.map(lambda document: json.dumps(document, ensure_ascii=False).encode("utf-8", "surrogatepass")),
    _values.map(lambda value: json.dumps(value).encode()),
    _mutated(GOOD_BODY),
    st.builds(_nested, st.integers(1, 100_000), st.sampled_from(["[", '{"a":', "[["]), st.just("]"), st.booleans()),
    st.sampled_from(
        [
            b"",
            b"\xef\xbb\xbf" + GOOD_BODY,
            GOOD_BODY.decode().encode("utf-16"),
            b'{"instances": ["\\ud800"]}',
            b'{"instances": ["\\ud800\\ud800x"]}',
            b'{"instances": [1e999, -1e999]}',
            b'{"instances": [' + b"9" * 5000 + b"]}",
            b'{"instances": ["\xff\xfe"]}',
            b'{"instances": [{"b64": "!!!"}]}',
            b'{"instances": [{"b64": "gA=="}]}',
            b'{"instances": ["a"], "inputs": ["a"]}',
            b'{"instances": ["a"], "instances": [1]}',
            b'{"instances": ["' + b"x" * 200_000 + b'"]}',
            b'{"instances": [' + b'"a",' * 5000 + b'"a"]}',
            b'{"instances": ["a"], "signature_name": "' + b"s" * 100_000 + b'"}',
            b'{"signature_name": "classify", "examples": [{"text": [1, 2]}, {"text": "a"}, {}]}',
            b'{"signature_name": "classify", "examples": [{"text": 1e999}], "context": []}',
            b'{"instances": ["' + b"x" * 3_000_000 + b'"]}',
        ]
    ),
)
_segments = st.sampled_from(
    f"v1 models {MODEL} versions labels metadata 1 0 -1 {'9' * 30} 1e3 v1/models etc passwd saved_model.pb".split()
) | st.sampled_from([".", "..", "%2e%2e", "..%2f..%2fetc", "%2F", "%00", "%", "%zz", "\u00e9", "~", "*", ""])
_ends = st.sampled_from(["", "/", ":predict", ":classify", ":regress", ":", ":Predict", ":predict/", "?a=b", "#x"])
_odd_paths = st.builds(
    lambda segments, end: ("/" + "/".join(segments) + end).encode("latin-1"), st.lists(_segments, max_size=8), _ends
)
_names = st.text(max_size=30).map(lambda name: f"/v1/models/{quote(name, safe='')}:predict".encode())
_versions = st.text(max_size=30).map(lambda text: f"/v1/models/{MODEL}/versions/{quote(text)}:predict".encode())
_long = st.integers(1, 100_000).map(lambda size: b"/v1/models/" + b"a" * size + b":predict")
_paths = st.one_of(st.just(GOOD_PATH.encode()), _odd_paths, _names, _versions, _long)
_methods = st.sampled_from([b"GET", b"POST", b"PUT", b"DELETE", b"PATCH", b"OPTIONS"])

_visible = st.binary(max_size=40).map(lambda value: re.sub(rb"[^\x20-\x7e\x80-\xff]", b"", value))
_odd_headers = st.lists(
    st.tuples(
        st.sampled_from(
            b"Content-Type Authorization Accept Accept-Encoding Content-Encoding Cookie Host Range Forwarded".split()
        )
        | st.just(b"X-" + b"y" * 1000),
        _visible | st.just(b"a" * 30_000),
    ),
    max_size=5,
)

# Requests whose framing is broken: the server may answer, wait for more, or close.
_lengths = st.sampled_from([b"-1", b"abc", b"99999999999999999999", b"0", b"5, 6", b"+3", b"0x10", b"1e3", b"1000000"])
_framings = st.one_of(
    _lengths.map(lambda length: [(b"Content-Length", length)]),
    st.just([(b"Transfer-Encoding", b"chunked")]),
    st.just([(b"Transfer-Encoding", b"gzip, chunked"), (b"Content-Length", b"3")]),
    st.just([(b"Expect", b"100-continue"), (b"Content-Length", b"500")]),
    st.just([(b"Upgrade", b"websocket"), (b"Connection", b"Upgrade"), (b"Sec-WebSocket-Key", b"x")]),
    st.just([(b"Upgrade", b"h2c"), (b"Connection", b"Upgrade, HTTP2-Settings"), (b"HTTP2-Settings", b"AAMAAABk")]),
)
_broken_framings = st.builds(
    lambda path, headers, body, hang_up: RawRequest(
        b"\r\n".join([b"POST %b HTTP/1.1" % path, b"Host: x", *(b"%b: %b" % header for header in headers), b"", body]),
        whole=False,
        hang_up=hang_up,
    ),
    st.just(GOOD_PATH.encode()) | _odd_paths,
    _framings,
    _bodies | st.sampled_from([b"5\r\nhello\r\n0\r\n\r\n", b"zz\r\nhello", b"5\r\nhel", b"ffffffffffffffff\r\nx"]),
    st.booleans(),
)
_whole = _request(b"POST", GOOD_PATH.encode(), [], GOOD_BODY).data
_odd_first_lines = st.sampled_from(
    [
        b"GET /\r\n\r\n",
        b"GET / HTTP/9.9\r\n\r\n",
        b"\r\n\r\n\r\n",
        b" / HTTP/1.1\r\n\r\n",
        b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n",
        b"CONNECT localhost:1 HTTP/1.1\r\n\r\n",
        b"TRACE / HTTP/1.1\r\n\r\n",
        b"GET http://[ HTTP/1.1\r\nHost: [\r\n\r\n",
        b"HEAD /v1/models/x HTTP/1.0\r\n\r\n",
        b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03",  # TLS
        b"GET /" + b"a" * 200_000,
    ]
)

REQUESTS = st.one_of(
    st.builds(_request, st.just(b"POST"), st.just(GOOD_PATH.encode()), st.just([]), _bodies),
    st.builds(
        _request, st.just(b"POST"), st.just(GOOD_PATH.replace("predict", "classify").encode()), st.just([]), _bodies
    ),
    st.builds(_request, _methods, _paths, st.just([]), st.just(GOOD_BODY) | _bodies),
    st.builds(_request, _methods, st.just(GOOD_PATH.encode()), _odd_headers, st.just(GOOD_BODY)).map(
        lambda request: RawRequest(request.data, whole=False)
    ),
    _broken_framings,
    st.builds(RawRequest, _mutated(_whole), st.just(False), st.booleans()),
    st.builds(RawRequest, st.binary(max_size=500), st.just(False), st.booleans()),
    st.builds(RawRequest, _odd_first_lines, st.just(False), st.booleans()),
)


@contextmanager
def asking(server: Server) -> Iterator[Callable[[RawRequest], Outcome]]:
    """Yields a function that sends a request over a new connection and returns the outcome."""
    address = urlsplit(server.rest)

    def ask(request: RawRequest) -> Outcome:
        answer = b""
        with socket.create_connection((address.hostname, address.port), timeout=ANSWER_SECONDS) as connection:
            try:
                connection.sendall(request.data)
                if not request.hang_up:
                    connection.settimeout(ANSWER_SECONDS if request.whole else PATIENCE_SECONDS)
                    while chunk := connection.recv(65536):
                        answer += chunk
                end = "closed"
            except ConnectionError:  # refused while it was sent; the answer may be lost
                end = "reset"
            except TimeoutError:
                end = "no end"
        match = re.match(rb"HTTP/1\.[01] (\d{3})", answer)
        status = match[1].decode() if match else end if not request.hang_up else "hung up"
        is_bad = status == "500" or b"Traceback" in answer or (request.whole and end == "no end")
        return Outcome(status, is_bad, repr(request.data), repr(answer))

    yield ask

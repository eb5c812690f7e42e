"""Bytes that two readers of HTTP/1.1 could divide into different requests, and the answers of a strict reader."""

from dataclasses import dataclass

BODY = b'{"instances": ["a"]}'
HIDDEN = b"GET /v1/models/hidden HTTP/1.1\r\nHost: localhost\r\n\r\n"  # a model that is not served: 404


@dataclass(frozen=True)
class Item:
    """`answers` has the statuses of a strict reader of RFC 9112. The last is 400 if the reader stops there."""

    name: str
    sent: bytes
    answers: tuple[int, ...]


def corpus(model: str) -> list[Item]:
    """Returns the items. `model` is a model that takes BODY."""
    target = b"/v1/models/%b:predict" % model.encode()

    def post(headers: bytes, rest: bytes, line: bytes = b"POST %b HTTP/1.1") -> bytes:
        return (line % target if b"%b" in line else line) + b"\r\nHost: localhost\r\n" + headers + b"\r\n\r\n" + rest

    def chunked(chunks: bytes) -> bytes:
        return post(b"Transfer-Encoding: chunked", chunks + HIDDEN)

    size = b"Content-Length: %d" % len(BODY)
    both = b"Content-Length: %d" % (len(BODY) + len(HIDDEN))
    none = b"Content-Length: 0"
    te = b"Transfer-Encoding: chunked"
    chunk = b"%x\r\n%b\r\n" % (len(BODY), BODY)
    whole = chunk + b"0\r\n\r\n"
    upgrade = b"Connection: Upgrade, HTTP2-Settings\r\nHTTP2-Settings: AAMAAABkAAQAAP__\r\nUpgrade: h2c\r\n"
    websocket = b"Connection: Upgrade\r\nUpgrade: websocket\r\nSec-WebSocket-Version: 13\r\nSec-WebSocket-Key: eA==\r\n"
    get = post(b"X: y", HIDDEN, b"GET /livez HTTP/1.1")
    two, refused = (200, 404), (400,)
    items = [
        # Plain requests.
        ("two requests", post(size, BODY + HIDDEN), two),
        ("a chunked body", chunked(whole), two),
        ("CHUNKED", post(b"Transfer-Encoding: CHUNKED", whole + HIDDEN), two),
        ("a request as a body", post(b"Content-Length: %d" % len(HIDDEN), HIDDEN), refused),  # no JSON
        ("a body of GET", post(b"Content-Length: %d" % len(HIDDEN), HIDDEN, b"GET /livez HTTP/1.1"), (200,)),
        ("a chunked body of GET", post(te, whole + HIDDEN, b"GET /livez HTTP/1.1"), two),
        ("empty lines before", b"\r\n\r\n" + post(size, BODY + b"\r\n" + HIDDEN), two),
        ("Connection: close", post(size + b"\r\nConnection: close", BODY + HIDDEN), (200,)),
        ("HTTP/1.0", post(size, BODY + HIDDEN, b"POST %b HTTP/1.0"), (200,)),
        ("an absolute target", post(size, BODY + HIDDEN, b"POST http://localhost%b HTTP/1.1"), two),
        ("Content_Length", post(size + b"\r\nContent_Length: 3", BODY + HIDDEN), two),
        ("chunk extensions", chunked(chunk.replace(b"\r\n", b';a=b;c="d"\r\n', 1) + b"0;e\r\n\r\n"), two),
        ("a chunk size with zeros", chunked(b"000" + whole), two),
        ("a last chunk 000", chunked(chunk + b"000\r\n\r\n"), two),
        ("a trailer", chunked(chunk + b"0\r\nX: y\r\n\r\n"), two),
        # Requests for another protocol.
        ("h2c", post(upgrade + size, BODY + HIDDEN), two),
        ("h2c, chunked", post(upgrade + te, whole + HIDDEN), two),
        ("h2c, without a body", post(upgrade[:-2], HIDDEN, b"GET /livez HTTP/1.1"), two),
        ("h2c, a request as a body", post(upgrade + b"Content-Length: %d" % len(HIDDEN), HIDDEN), refused),
        ("h2c of GET", post(upgrade + b"Content-Length: %d" % len(HIDDEN), HIDDEN, b"GET /livez HTTP/1.1"), (200,)),
        ("h2c by Proxy-Connection", post(upgrade.replace(b"Conn", b"Proxy-Conn", 1) + size, BODY + HIDDEN), two),
        ("websocket", post(websocket + size, BODY + HIDDEN), two),
        ("websocket, a request as a body", post(websocket + b"Content-Length: %d" % len(HIDDEN), HIDDEN), refused),
        ("Upgrade alone", post(b"Upgrade: h2c\r\n" + size, BODY + HIDDEN), two),
        ("h2c, two framings", post(upgrade + te + b"\r\n" + size, whole + HIDDEN), refused),
        ("h2c in a trailer", chunked(chunk + b"0\r\n" + upgrade + b"\r\n"), two),
        ("CONNECT", post(none, HIDDEN, b"CONNECT localhost:80 HTTP/1.1"), refused),
        ("CONNECT to a path", post(both, BODY + HIDDEN, b"CONNECT /livez HTTP/1.1"), refused),
        ("the preface of HTTP/2", b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n" + HIDDEN, refused),
        # Two framings, or an unclear one.
        ("Content-Length, Transfer-Encoding", post(both + b"\r\n" + te, whole + HIDDEN), refused),
        ("Transfer-Encoding, Content-Length", post(te + b"\r\n" + both, whole + HIDDEN), refused),
        ("two lengths", post(size + b"\r\n" + both, BODY + HIDDEN), refused),
        ("the same length twice", post(size + b"\r\n" + size, BODY + HIDDEN), refused),
        ("a list of lengths", post(size + b", %d" % len(BODY), BODY + HIDDEN), refused),
        *(
            (f"Content-Length: {value!r}", post(b"Content-Length: " + value, BODY + HIDDEN), refused)
            for value in (b"+20", b"-1", b"", b"2 0", b"0x14", b"20;", b"2e1", b"18446744073709551636", b"\x0b20")
        ),
        *(
            (f"Transfer-Encoding: {value!r}", post(b"Transfer-Encoding: " + value, whole + HIDDEN), refused)
            for value in (
                b"identity",
                b"chunked, identity",
                b"identity, chunked",
                b"gzip, chunked",
                b"chunked, chunked",
                b"chunked;a",
                b'"chunked"',
                b"xchunked",
                b",chunked",
                b"",
                b"\x0bchunked",
                b"\x00chunked",
            )
        ),
        ("chunked twice", post(te + b"\r\n" + te, whole + HIDDEN), refused),
        ("identity, then chunked", post(b"Transfer-Encoding: identity\r\n" + te, whole + HIDDEN), refused),
        ("chunked in HTTP/1.0", post(te + b"\r\nConnection: keep-alive", whole + HIDDEN, b"POST %b HTTP/1.0"), refused),
        # Lines.
        ("LF", post(size, BODY + HIDDEN).replace(b"\r\n", b"\n"), refused),
        ("LF after a header", post(b"X: y\n" + te + b"\r\n" + none, whole + HIDDEN), refused),
        ("LF after the request line", post(size, BODY + HIDDEN).replace(b"\r\n", b"\n", 1), refused),
        ("LF after the headers", post(size, BODY + HIDDEN).replace(b"\r\n\r\n", b"\r\n\n", 1), refused),
        ("LF before", b"\n" + post(size, BODY + HIDDEN), refused),
        ("CR in a value", post(b"X: y\r" + te + b"\r\n" + none, whole + HIDDEN), refused),
        ("CR CR LF", post(b"X: y\r\r\n" + size, BODY + HIDDEN), refused),
        ("NUL in a value", post(b"X: \0\r\n" + size, BODY + HIDDEN), refused),
        ("a folded line", post(b"X: y\r\n " + te + b"\r\n" + none, whole + HIDDEN), refused),
        ("a folded Transfer-Encoding", post(b"Transfer-Encoding:\r\n chunked", whole + HIDDEN), refused),
        ("a folded Content-Length", post(b"Content-Length: 2\r\n 0", BODY + HIDDEN), refused),
        ("space before the first header", post(size, BODY + HIDDEN).replace(b"\r\nHost", b"\r\n Host", 1), refused),
        ("space before the colon", post(b"Content-Length : %d" % len(BODY), BODY + HIDDEN), refused),
        ("tab before the colon", post(b"Transfer-Encoding\t: chunked", whole + HIDDEN), refused),
        ("no colon", post(b"Content-Length %d" % len(BODY), BODY + HIDDEN), refused),
        ("no name", post(b": y\r\n" + size, BODY + HIDDEN), refused),
        # Request lines.
        ("HTTP/0.9", b"GET /livez\r\n\r\n" + HIDDEN, refused),
        ("HTTP/2.0", get.replace(b"/1.1", b"/2.0", 1), refused),
        ("HTTP/1.2", get.replace(b"/1.1", b"/1.2", 1), refused),
        ("HTTP/1.10", get.replace(b"/1.1", b"/1.10", 1), refused),
        ("RTSP/1.0", get.replace(b"HTTP/1.1", b"RTSP/1.0", 1), refused),
        ("two spaces", get.replace(b" ", b"  ", 1), refused),
        ("a tab", get.replace(b" ", b"\t", 1), refused),
        ("a space at the end", get.replace(b"\r\n", b" \r\n", 1), refused),
        ("a space in the target", get.replace(b"livez", b"liv ez", 1), refused),
        ("a method in small letters", get.replace(b"GET", b"get", 1), refused),
        # Chunks. The refusal of a request also answers its earlier chunks.
        ("a chunk size 0x", chunked(b"0x" + whole), refused),
        ("a negative chunk size", chunked(b"-" + whole), refused),
        ("space before a chunk size", chunked(b" " + whole), refused),
        ("space after a chunk size", chunked(whole.replace(b"\r\n", b" \r\n", 1)), refused),
        ("no chunk size", chunked(b"\r\n" + whole), refused),
        ("a chunk size beyond 64 bits", chunked(b"10000000000000014\r\n" + BODY + b"\r\n0\r\n\r\n"), refused),
        ("LF after a chunk size", chunked(whole.replace(b"\r\n", b"\n", 1)), refused),
        ("CR after a chunk size", chunked(whole.replace(b"\r\n", b"\r", 1)), refused),
        ("LF in a chunk extension", chunked(whole.replace(b"\r\n", b";a\n", 1)), refused),
        ("CRLF in a quoted extension", chunked(whole.replace(b"\r\n", b';a="\r\n"\r\n', 1)), refused),
        ("a chunk longer than its size", chunked(b"13\r\n" + BODY + b"\r\n0\r\n\r\n"), refused),
        ("LF after a chunk", chunked(chunk[:-2] + b"\n0\r\n\r\n"), refused),
        ("LF after the last chunk", chunked(chunk + b"0\n\n"), refused),
        ("LF after the trailers", chunked(chunk + b"0\r\n\n"), refused),
        ("no end of the trailers", chunked(chunk + b"0\r\n"), refused),
        ("Content-Length in a trailer", chunked(chunk + b"0\r\n" + size + b"\r\n\r\n"), refused),
        ("Transfer-Encoding in a trailer", chunked(chunk + b"0\r\n" + te + b"\r\n\r\n"), refused),
        ("LF after a trailer", chunked(chunk + b"0\r\nX: y\n\r\n"), refused),
    ]
    return [Item(name, sent, answers) for name, sent, answers in items]

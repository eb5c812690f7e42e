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
    both_lengths = b"Content-Length: %d" % (len(BODY) + len(HIDDEN))
    no_length = b"Content-Length: 0"
    te = b"Transfer-Encoding: chunked"
    chunk = b"%x\r\n%b\r\n" % (len(BODY), BODY)
    chunked_body = chunk + b"0\r\n\r\n"
    upgrade = b"Connection: Upgrade, HTTP2-Settings\r\nHTTP2-Settings: AAMAAABkAAQAAP__\r\nUpgrade: h2c\r\n"
    websocket = b"Connection: Upgrade\r\nUpgrade: websocket\r\nSec-WebSocket-Version: 13\r\nSec-WebSocket-Key: eA==\r\n"
    get = post(b"X: y", HIDDEN, b"GET /livez HTTP/1.1")
    two_answers, refusal = (200, 404), (400,)
    items = [
        # Plain requests.
        ("two requests", post(size, BODY + HIDDEN), two_answers),
        ("a chunked body", chunked(chunked_body), two_answers),
        ("CHUNKED", post(b"Transfer-Encoding: CHUNKED", chunked_body + HIDDEN), two_answers),
        ("a request as a body", post(b"Content-Length: %d" % len(HIDDEN), HIDDEN), refusal),  # no JSON
        ("a body of GET", post(b"Content-Length: %d" % len(HIDDEN), HIDDEN, b"GET /livez HTTP/1.1"), (200,)),
        ("a chunked body of GET", post(te, chunked_body + HIDDEN, b"GET /livez HTTP/1.1"), two_answers),
        ("empty lines before", b"\r\n\r\n" + post(size, BODY + b"\r\n" + HIDDEN), two_answers),
        ("Connection: close", post(size + b"\r\nConnection: close", BODY + HIDDEN), (200,)),
        ("HTTP/1.0", post(size, BODY + HIDDEN, b"POST %b HTTP/1.0"), (200,)),
        ("an absolute target", post(size, BODY + HIDDEN, b"POST http://localhost%b HTTP/1.1"), two_answers),
        ("Content_Length", post(size + b"\r\nContent_Length: 3", BODY + HIDDEN), two_answers),
        ("chunk extensions", chunked(chunk.replace(b"\r\n", b';a=b;c="d"\r\n', 1) + b"0;e\r\n\r\n"), two_answers),
        ("a chunk size with zeros", chunked(b"000" + chunked_body), two_answers),
        ("a last chunk 000", chunked(chunk + b"000\r\n\r\n"), two_answers),
        ("a trailer", chunked(chunk + b"0\r\nX: y\r\n\r\n"), two_answers),
        # Requests for another protocol.
        ("h2c", post(upgrade + size, BODY + HIDDEN), two_answers),
        ("h2c, chunked", post(upgrade + te, chunked_body + HIDDEN), two_answers),
        ("h2c, without a body", post(upgrade[:-2], HIDDEN, b"GET /livez HTTP/1.1"), two_answers),
        ("h2c, a request as a body", post(upgrade + b"Content-Length: %d" % len(HIDDEN), HIDDEN), refusal),
        ("h2c of GET", post(upgrade + b"Content-Length: %d" % len(HIDDEN), HIDDEN, b"GET /livez HTTP/1.1"), (200,)),
        (
            "h2c by Proxy-Connection",
            post(upgrade.replace(b"Conn", b"Proxy-Conn", 1) + size, BODY + HIDDEN),
            two_answers,
        ),
        ("websocket", post(websocket + size, BODY + HIDDEN), two_answers),
        ("websocket, a request as a body", post(websocket + b"Content-Length: %d" % len(HIDDEN), HIDDEN), refusal),
        ("Upgrade alone", post(b"Upgrade: h2c\r\n" + size, BODY + HIDDEN), two_answers),
        ("h2c, two framings", post(upgrade + te + b"\r\n" + size, chunked_body + HIDDEN), refusal),
        ("h2c in a trailer", chunked(chunk + b"0\r\n" + upgrade + b"\r\n"), two_answers),
        ("CONNECT", post(no_length, HIDDEN, b"CONNECT localhost:80 HTTP/1.1"), refusal),
        ("CONNECT to a path", post(both_lengths, BODY + HIDDEN, b"CONNECT /livez HTTP/1.1"), refusal),
        ("the preface of HTTP/2", b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n" + HIDDEN, refusal),
        # Two framings, or an unclear one.
        ("Content-Length, Transfer-Encoding", post(both_lengths + b"\r\n" + te, chunked_body + HIDDEN), refusal),
        ("Transfer-Encoding, Content-Length", post(te + b"\r\n" + both_lengths, chunked_body + HIDDEN), refusal),
        ("two lengths", post(size + b"\r\n" + both_lengths, BODY + HIDDEN), refusal),
        ("the same length twice", post(size + b"\r\n" + size, BODY + HIDDEN), refusal),
        ("a list of lengths", post(size + b", %d" % len(BODY), BODY + HIDDEN), refusal),
        *(
            (f"Content-Length: {value!r}", post(b"Content-Length: " + value, BODY + HIDDEN), refusal)
            for value in (b"+20", b"-1", b"", b"2 0", b"0x14", b"20;", b"2e1", b"18446744073709551636", b"\x0b20")
        ),
        *(
            (f"Transfer-Encoding: {value!r}", post(b"Transfer-Encoding: " + value, chunked_body + HIDDEN), refusal)
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
        ("chunked twice", post(te + b"\r\n" + te, chunked_body + HIDDEN), refusal),
        ("identity, then chunked", post(b"Transfer-Encoding: identity\r\n" + te, chunked_body + HIDDEN), refusal),
        (
            "chunked in HTTP/1.0",
            post(te + b"\r\nConnection: keep-alive", chunked_body + HIDDEN, b"POST %b HTTP/1.0"),
            refusal,
        ),
        # Lines.
        ("LF", post(size, BODY + HIDDEN).replace(b"\r\n", b"\n"), refusal),
        ("LF after a header", post(b"X: y\n" + te + b"\r\n" + no_length, chunked_body + HIDDEN), refusal),
        ("LF after the request line", post(size, BODY + HIDDEN).replace(b"\r\n", b"\n", 1), refusal),
        ("LF after the headers", post(size, BODY + HIDDEN).replace(b"\r\n\r\n", b"\r\n\n", 1), refusal),
        ("LF before", b"\n" + post(size, BODY + HIDDEN), refusal),
        ("CR in a value", post(b"X: y\r" + te + b"\r\n" + no_length, chunked_body + HIDDEN), refusal),
        ("CR CR LF", post(b"X: y\r\r\n" + size, BODY + HIDDEN), refusal),
        ("NUL in a value", post(b"X: \0\r\n" + size, BODY + HIDDEN), refusal),
        ("a folded line", post(b"X: y\r\n " + te + b"\r\n" + no_length, chunked_body + HIDDEN), refusal),
        ("a folded Transfer-Encoding", post(b"Transfer-Encoding:\r\n chunked", chunked_body + HIDDEN), refusal),
        ("a folded Content-Length", post(b"Content-Length: 2\r\n 0", BODY + HIDDEN), refusal),
        ("space before the first header", post(size, BODY + HIDDEN).replace(b"\r\nHost", b"\r\n Host", 1), refusal),
        ("space before the colon", post(b"Content-Length : %d" % len(BODY), BODY + HIDDEN), refusal),
        ("tab before the colon", post(b"Transfer-Encoding\t: chunked", chunked_body + HIDDEN), refusal),
        ("no colon", post(b"Content-Length %d" % len(BODY), BODY + HIDDEN), refusal),
        ("no name", post(b": y\r\n" + size, BODY + HIDDEN), refusal),
        # Request lines.
        ("HTTP/0.9", b"GET /livez\r\n\r\n" + HIDDEN, refusal),
        ("HTTP/2.0", get.replace(b"/1.1", b"/2.0", 1), refusal),
        ("HTTP/1.2", get.replace(b"/1.1", b"/1.2", 1), refusal),
        ("HTTP/1.10", get.replace(b"/1.1", b"/1.10", 1), refusal),
        ("RTSP/1.0", get.replace(b"HTTP/1.1", b"RTSP/1.0", 1), refusal),
        ("two spaces", get.replace(b" ", b"  ", 1), refusal),
        ("a tab", get.replace(b" ", b"\t", 1), refusal),
        ("a space at the end", get.replace(b"\r\n", b" \r\n", 1), refusal),
        ("a space in the target", get.replace(b"livez", b"liv ez", 1), refusal),
        ("a method in small letters", get.replace(b"GET", b"get", 1), refusal),
        # Chunks. The refusal of a request also answers its earlier chunks.
        ("a chunk size 0x", chunked(b"0x" + chunked_body), refusal),
        ("a negative chunk size", chunked(b"-" + chunked_body), refusal),
        ("space before a chunk size", chunked(b" " + chunked_body), refusal),
        ("space after a chunk size", chunked(chunked_body.replace(b"\r\n", b" \r\n", 1)), refusal),
        ("no chunk size", chunked(b"\r\n" + chunked_body), refusal),
        ("a chunk size beyond 64 bits", chunked(b"10000000000000014\r\n" + BODY + b"\r\n0\r\n\r\n"), refusal),
        ("LF after a chunk size", chunked(chunked_body.replace(b"\r\n", b"\n", 1)), refusal),
        ("CR after a chunk size", chunked(chunked_body.replace(b"\r\n", b"\r", 1)), refusal),
        ("LF in a chunk extension", chunked(chunked_body.replace(b"\r\n", b";a\n", 1)), refusal),
        ("CRLF in a quoted extension", chunked(chunked_body.replace(b"\r\n", b';a="\r\n"\r\n', 1)), refusal),
        ("a chunk longer than its size", chunked(b"13\r\n" + BODY + b"\r\n0\r\n\r\n"), refusal),
        ("LF after a chunk", chunked(chunk[:-2] + b"\n0\r\n\r\n"), refusal),
        ("LF after the last chunk", chunked(chunk + b"0\n\n"), refusal),
        ("LF after the trailers", chunked(chunk + b"0\r\n\n"), refusal),
        ("no end of the trailers", chunked(chunk + b"0\r\n"), refusal),
        ("Content-Length in a trailer", chunked(chunk + b"0\r\n" + size + b"\r\n\r\n"), refusal),
        ("Transfer-Encoding in a trailer", chunked(chunk + b"0\r\n" + te + b"\r\n\r\n"), refusal),
        ("LF after a trailer", chunked(chunk + b"0\r\nX: y\n\r\n"), refusal),
    ]
    return [Item(name, sent, answers) for name, sent, answers in items]

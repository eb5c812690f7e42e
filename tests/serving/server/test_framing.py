"""The server divides requests as a strict reader of RFC 9112 does, however the bytes arrive."""

import contextlib
import importlib.util
import re
import socket
import sys
import time
from pathlib import Path

import pytest

# By its path: other experiments have modules of the same names.
CORPUS_FILE = Path(__file__).parents[3] / "experiments" / "serving" / "smuggling_corpus.py"
smuggling = importlib.util.module_from_spec(importlib.util.spec_from_file_location("smuggling_corpus", CORPUS_FILE))
sys.modules[smuggling.__name__] = smuggling  # dataclasses look up their module
smuggling.__spec__.loader.exec_module(smuggling)

BODY, HIDDEN = smuggling.BODY, smuggling.HIDDEN
CORPUS = {item.name: item for item in smuggling.corpus("echo")}
LAST = b"GET /readyz HTTP/1.1\r\nConnection: close\r\n\r\n"


def statuses(server, parts, pause=0.0):
    """Sends `parts` and LAST in turn on one connection. Returns the statuses of the answers but LAST's."""
    answers = b""
    with socket.create_connection(("127.0.0.1", server.rest_port), timeout=10) as client:
        client.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        with contextlib.suppress(ConnectionError):
            for part in [*parts, LAST]:
                client.sendall(part)
                time.sleep(pause)
        with contextlib.suppress(ConnectionError):
            while data := client.recv(65536):
                answers += data
    answered = [int(status) for status in re.findall(rb"HTTP/1\.1 (\d{3}) ", answers)]
    return answered[:-1] if answers.endswith(b"\r\n\r\nready\n") else answered


@pytest.mark.parametrize("name", CORPUS)
def test_a_request_is_answered_as_a_strict_reader_divides_the_bytes(name, server):
    item = CORPUS[name]
    assert statuses(server, [item.sent]) == list(item.answers)


@pytest.mark.parametrize("name", CORPUS)
def test_and_so_it_is_when_they_come_one_by_one(name, server):
    item = CORPUS[name]
    assert statuses(server, [item.sent[split : split + 1] for split in range(len(item.sent))]) == list(item.answers)


@pytest.mark.parametrize("size", [1, 2, 3, 4])
@pytest.mark.parametrize("name", ["two requests", "a chunked body", "h2c", "h2c, chunked", "a trailer"])
def test_a_request_s_end_may_come_in_two_parts(name, size, server):
    request_bytes = CORPUS[name].sent
    for end in re.finditer(b"\r\n\r\n", request_bytes):
        split = end.start() + size
        assert statuses(server, [request_bytes[:split], request_bytes[split:]], pause=0.02) == [200, 404]


def test_a_body_that_comes_late_is_the_body_of_a_request_that_asks_for_another_protocol(server):
    head, rest = CORPUS["h2c"].sent.split(b"\r\n\r\n", 1)
    assert statuses(server, [head + b"\r\n\r\n", rest], pause=0.05) == [200, 404]


@pytest.mark.parametrize("chunk", [b"zz\r\n", b"5\r\nhelloo\r\n"])
def test_a_bad_body_of_a_request_that_has_its_answer_gets_no_second_one(chunk, server):
    head = b"GET /livez HTTP/1.1\r\nTransfer-Encoding: chunked\r\n\r\n"
    assert statuses(server, [head, chunk + HIDDEN], pause=0.05) == [200]


def test_a_bad_request_is_refused_after_the_answer_to_the_one_before_it(server):
    valid_request = CORPUS["two requests"].sent.removesuffix(HIDDEN)
    assert statuses(server, [valid_request + b"nonsense\r\n\r\n" + HIDDEN]) == [200, 400]


def test_a_trailer_is_no_header(server):
    head = b"POST /v1/models/echo:predict HTTP/1.1\r\nTransfer-Encoding: chunked\r\n\r\n%x\r\n%b\r\n0\r\n"
    trailers = b"".join(b"X-%d: y\r\n" % number for number in range(500))  # more than a request may have
    assert statuses(server, [head % (len(BODY), BODY) + trailers + b"\r\n" + HIDDEN]) == [200, 404]

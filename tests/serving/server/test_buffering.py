"""The bytes held of unanswered requests are bounded for a connection, a client and all clients."""

import contextlib
import re
import socket
import ssl
import time

import psutil
import pytest

from keras_rnn.serving.server.buffered import BufferedBytes, client_key
from tests.support.echo import write_echo_model
from tests.support.serving import ECHO, certificate_files, send, serving, until

LIVE = b"GET /livez HTTP/1.1\r\n"
LONG = LIVE + b"X: " + b"a" * 60_000 + b"\r\n\r\n"
GROWTH = 1.1
BUFFERED = 600_000


@pytest.fixture(scope="module")
def certificate(tmp_path_factory):
    return certificate_files(tmp_path_factory.mktemp("tls"))


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    folder = tmp_path_factory.mktemp("models")
    write_echo_model(folder / "echo", 1)
    return folder


@pytest.fixture(scope="module", params=["plain", "TLS"])
def attacked(request, folder, certificate, tmp_path_factory):
    options = ["--tls-certificate", certificate[0], "--tls-key", certificate[1]] if request.param == "TLS" else []
    with serving(folder, tmp_path_factory.mktemp("attacked") / "log", *options) as running:
        running.tls = request.param == "TLS"
        yield running


@pytest.fixture(scope="module")
def small(folder, tmp_path_factory):
    log = tmp_path_factory.mktemp("small") / "log"
    with serving(folder, log, "--max-buffered-bytes", BUFFERED, "--max-body-bytes", 200_000) as running:
        yield running


def connected(server, source="127.0.0.1", tls=False):
    client = socket.create_connection(("127.0.0.1", server.rest_port), timeout=30, source_address=(source, 0))
    if not tls:
        return client
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    context.check_hostname, context.verify_mode = False, ssl.CERT_NONE
    return context.wrap_socket(client)


def resident(server):
    return psutil.Process(server.process.pid).memory_info().rss


def asked(server, size=0, **options):
    """Returns the whole answer to a request with a header of `size` bytes on a new connection."""
    with connected(server, **options) as client:
        client.sendall(LIVE + b"Connection: close\r\nX: " + b"a" * size + b"\r\n\r\n")
        return b"".join(iter(lambda: client.recv(1000), b""))


def flood(server, connections, data, reads):
    """Sends `data` repeatedly on each connection for a while, and fails if the server's memory grows."""
    start, end = resident(server), time.monotonic() + 0.8
    with contextlib.ExitStack() as stack:
        clients = [stack.enter_context(connected(server, tls=server.tls)) for _ in range(connections)]
        unsent = dict.fromkeys(clients, memoryview(data))
        for client in clients:
            client.setblocking(False)
        while time.monotonic() < end:
            for client in clients:
                with contextlib.suppress(BlockingIOError, ssl.SSLWantReadError, ssl.SSLWantWriteError):
                    unsent[client] = unsent[client][client.send(unsent[client]) :] or memoryview(data)
                with contextlib.suppress(BlockingIOError, ssl.SSLWantReadError, ssl.SSLWantWriteError):
                    assert not reads or client.recv(65536)
            assert resident(server) < GROWTH * start


def test_a_body_that_was_refused_is_not_kept(attacked):
    start = resident(attacked)
    context = ssl._create_unverified_context() if attacked.tls else None
    with contextlib.closing(attacked.connect(context)) as connection:
        for _ in range(100):
            assert send(connection, "POST", ECHO, b" " * 950_000).status == 400
            assert resident(attacked) - start < 24e6


@pytest.mark.parametrize(
    "request_", [LONG * 5, LIVE + b"\r\n", (LIVE + b"\r\n") * 10_000], ids=["long", "short", "many"]
)
def test_memory_stays_when_a_client_sends_requests_before_it_has_answers(request_, attacked):
    flood(attacked, 1, request_, reads=True)


def test_memory_stays_when_clients_do_not_read(attacked):
    flood(attacked, 8, LONG + (LIVE + b"\r\n") * 1000, reads=False)


def test_requests_that_come_at_once_are_all_answered_in_turn(attacked):
    bodies = [b'{"instances": ["%d"]}' % number for number in range(300)]
    predict = b"POST %b HTTP/1.1\r\nContent-Length: %d\r\n\r\n%b"
    stream = b"".join(predict % (ECHO.encode(), len(body), body) + LIVE + b"\r\n" for body in bodies)
    with connected(attacked, tls=attacked.tls) as client:
        client.sendall(stream + LIVE + b"Connection: close\r\n\r\n" + LIVE + b"\r\n")
        answers = b"".join(iter(lambda: client.recv(65536), b""))
    assert answers.count(b"HTTP/1.1 200 OK") == answers.count(b"HTTP/1.1 ") == 601
    assert re.findall(rb'"echo": "(\d+)"', answers) == [b"%d" % number for number in range(300)]


def waiting(server, count, size, source="127.0.0.1"):
    """Opens connections with a request each, whose body lacks its last byte after `size` bytes."""
    head = b"POST %b HTTP/1.1\r\nContent-Length: %d\r\n\r\n" % (ECHO.encode(), size + 1)
    clients = [connected(server, source) for _ in range(count)]
    for client in clients:
        client.sendall(head + b" " * size)
    return clients


REFUSED = b'{"error": "the server holds too many bytes of requests; try again later"}'


def test_a_client_that_holds_half_of_all_is_refused_and_another_is_not(small):
    def refused(source):
        answer = asked(small, 5000, source=source)
        return answer.startswith(b"HTTP/1.1 503 ") and answer

    with contextlib.ExitStack() as stack:
        clients = [stack.enter_context(client) for client in waiting(small, 2, 149_000)]
        head, body = until(lambda: refused("127.0.0.1")).split(b"\r\n\r\n")
        assert b"\r\nRetry-After: 1" in head
        assert body == REFUSED
        assert not refused("127.0.0.2")
        for client in waiting(small, 2, 149_000, "127.0.0.2"):
            stack.enter_context(client)
        until(lambda: refused("127.0.0.3"))
        clients[0].sendall(b" ")
        assert clients[0].recv(1000).startswith(b"HTTP/1.1 400 ")  # the body is read: spaces are no JSON
        until(lambda: not refused("127.0.0.1"))


def test_what_was_answered_is_not_held(small):
    body = b'{"instances": ["a"]}'.ljust(190_000)
    with contextlib.closing(small.connect()) as connection:
        for _ in range(5):
            assert send(connection, "POST", ECHO, body).status == 200
            assert send(connection, "GET", "/livez", body).status == 200  # the server does not use this body
        assert asked(small, 60_000).startswith(b"HTTP/1.1 200 ")


def test_a_client_that_holds_too_much_behind_its_request_has_its_answer_and_no_more(small, tmp_path):
    body = b'{"instances": ["wait:%b"]}' % str(tmp_path / "open").encode()
    with connected(small) as client:
        client.sendall(b"POST %b HTTP/1.1\r\nContent-Length: %d\r\n\r\n%b" % (ECHO.encode(), len(body), body))
        time.sleep(0.1)
        with contextlib.ExitStack() as stack:
            for other in waiting(small, 1, 190_000):
                stack.enter_context(other)
            time.sleep(0.1)
            client.sendall((LIVE + b"\r\n") * 6000)
            time.sleep(0.1)
        (tmp_path / "open").touch()
        answers = b""
        with contextlib.suppress(ConnectionError):
            while data := client.recv(65536):
                answers += data
    assert answers.count(b"HTTP/1.1 ") == 1
    assert b'"predictions"' in answers


HEADS = {
    "many headers": (LIVE + b"".join(b"X-%d: y\r\n" % number for number in range(101)), 431, "100 headers"),
    "long": (LIVE + b"X: " + b"a" * 65_536, 431, "65536 bytes"),
    "long target": (b"GET /" + b"a" * 8192 + b" HTTP/1.1\r\n", 414, "8192 bytes, got 8193"),
}


@pytest.mark.parametrize("name", HEADS)
def test_a_head_beyond_its_limits_is_refused(name, small):
    head, status, told = HEADS[name]
    with connected(small) as client:
        client.sendall(head + b"\r\n\r\n")
        answer = client.recv(1000).decode()
    assert answer.startswith(f"HTTP/1.1 {status} ")
    assert told in answer


@pytest.mark.parametrize("endless", [b"X: y\r\n", b"x"], ids=["trailers", "a trailer"])
def test_what_follows_a_body_without_end_is_not_read(endless, small):
    with connected(small) as client:
        client.sendall(b"POST %b HTTP/1.1\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n" % ECHO.encode())
        with pytest.raises(ConnectionError):
            client.sendall(endless * 10_000_000)


def test_buffered_counts_all_clients_and_each():
    buffered = BufferedBytes(100)
    buffered.change("a", 50)
    assert not buffered.exceeds_limit("a")
    buffered.change("a", 1)
    assert buffered.exceeds_limit("a")
    assert not buffered.exceeds_limit("b")
    buffered.change("b", 50)
    assert buffered.exceeds_limit("c")
    buffered.change("a", -51)
    buffered.change("b", -50)
    assert not buffered.exceeds_limit("a")
    assert not buffered._client_bytes


def test_a_host_has_one_limit_for_all_its_addresses():
    assert client_key("127.0.0.1") != client_key("127.0.0.2")
    assert client_key("2001:db8::1") == client_key("2001:db8::2:3:4:5") != client_key("2001:db8:0:1::1")
    assert client_key("fe80::1%eth0") == client_key("fe80::2")

"""Smuggling: the corpus of ambiguous requests, sent to the server directly and through nginx and haproxy.

A proxy keeps its connections to the server. If the server sees a request that the proxy does not see, the next client
gets its answer. So after each item another connection sends a request, and must get its own answer. This part needs
nginx and haproxy on the PATH.
"""

import contextlib
import re
import shutil
import socket
import subprocess
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path

from inputs import MODEL, MODELS
from server import Server, serving
from smuggling_corpus import corpus

SECONDS = 0.2  # an answer is complete when no byte comes for this time
VICTIM = b"GET /v1/models/%b HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n" % MODEL.encode()

NGINX = """
daemon off; pid {folder}/pid; error_log stderr; worker_processes 1;
events {{ worker_connections 100; }}
http {{
    access_log off;
    client_body_temp_path {folder}/body; proxy_temp_path {folder}/proxy; fastcgi_temp_path {folder}/fastcgi;
    uwsgi_temp_path {folder}/uwsgi; scgi_temp_path {folder}/scgi;
    upstream server {{ server 127.0.0.1:{server_port}; keepalive 1; }}
    server {{
        listen 127.0.0.1:{port};
        location / {{
            proxy_pass http://server; proxy_http_version 1.1; proxy_request_buffering off;
            proxy_set_header Connection $http_connection; proxy_set_header Upgrade $http_upgrade;
        }}
    }}
}}
"""
HAPROXY = """
defaults
    mode http
    timeout connect 5s
    timeout client 5s
    timeout server 5s
    http-reuse always
frontend front
    bind 127.0.0.1:{port}
    default_backend back
backend back
    server one 127.0.0.1:{server_port}
"""


def measure(quick: bool, seed: int) -> Iterator[dict]:
    with serving(MODELS) as server, tempfile.TemporaryDirectory() as folder:
        server_port = int(server.rest.rsplit(":", 1)[1])
        yield from rows_through("directly", server_port, server)
        for name, configuration in (("nginx", NGINX), ("haproxy", HAPROXY)):
            with proxy(name, configuration, server_port, Path(folder)) as port:
                yield from rows_through(name, port, server)


def verdicts(rows: list[dict]) -> dict[str, bool]:
    direct = [row for row in rows if row["through"] == "directly"]
    return {
        "directly, each item is answered as a strict reader answers it": not any(row["otherwise"] for row in direct),
        "the server answers no more requests than its client is given answers": not any(row["more"] for row in rows),
        "the next client has its own answer": not any(row["next_client_wrong"] for row in rows),
    }


def rows_through(path_name: str, port: int, server: Server) -> Iterator[dict]:
    """Yields a row for the items sent at once, and one for their heads sent first.

    otherwise: the answers that differ from a strict reader's. more: the items for which the server answered more
    requests than there were answers.
    """
    for is_late in (False, True):
        items = corpus(MODEL)
        unexpected_statuses, extra_requests, misdirected = {}, [], []
        for item in items:
            logged_before = logged(server)
            head, end, rest = item.sent.partition(b"\r\n\r\n")
            answer = exchange(port, [head + end, rest] if is_late else [item.sent])
            answers = re.findall(r"HTTP/1\.[01] (\d{3}) ", answer.decode("latin-1"))
            if answers != list(map(str, item.answers)):
                unexpected_statuses[item.name] = " ".join(answers)
            if logged(server) - logged_before > len(answers):
                extra_requests.append(item.name)
            victim = exchange(port, [VICTIM])
            if victim.count(b"HTTP/1.1 200") != 1 or b"model_version_status" not in victim:
                misdirected.append(item.name)
        yield {
            "through": path_name,
            "sent": "heads first" if is_late else "at once",
            "items": len(items),
            "answered_otherwise": len(unexpected_statuses),
            "otherwise": unexpected_statuses,
            "more": extra_requests,
            "next_client_wrong": misdirected,
        }


def logged(server: Server) -> int:
    """Returns the number of API requests that the server has answered so far, without those refused unread."""
    time.sleep(0.05)  # a separate thread writes the log
    return server.log.read_text(errors="replace").count('"message": "request"')


def exchange(port: int, parts: list[bytes]) -> bytes:
    """Returns the answer on a new connection."""
    answer = b""
    with (
        socket.create_connection(("127.0.0.1", port), timeout=SECONDS) as client,
        contextlib.suppress(ConnectionError, TimeoutError),
    ):
        for part in parts:
            client.sendall(part)
            time.sleep(0.03 if len(parts) > 1 else 0)
        while chunk := client.recv(65536):
            answer += chunk
    return answer


@contextlib.contextmanager
def proxy(name: str, configuration: str, server_port: int, folder: Path) -> Iterator[int]:
    """Runs a proxy in front of the port `server_port` and yields the proxy's port."""
    program = shutil.which(name) or shutil.which(name, path="/usr/sbin")
    if program is None:
        raise RuntimeError(f"no {name} on the PATH")
    with socket.create_server(("127.0.0.1", 0)) as listener:
        port = listener.getsockname()[1]
    file = folder / f"{name}.conf"
    file.write_text(configuration.format(folder=folder, server_port=server_port, port=port))
    command = [program, "-c" if name == "nginx" else "-f", file]
    with subprocess.Popen(command, stderr=subprocess.DEVNULL, stdout=subprocess.DEVNULL) as process:
        try:
            for _ in range(100):
                with contextlib.suppress(ConnectionError):
                    socket.create_connection(("127.0.0.1", port), timeout=5).close()
                    break
                time.sleep(0.05)
            yield port
        finally:
            process.terminate()
            process.wait(10)

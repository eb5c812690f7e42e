"""Runs the server in this process: sockets, signals, start and stop."""

import asyncio
import contextlib
import gc
import ipaddress
import math
import resource
import signal
import socket
import ssl
import sys
from pathlib import Path

import grpc
import uvicorn
import uvloop

from keras_rnn.errors import UsageError
from keras_rnn.quiet import quiet_stderr
from keras_rnn.serving.server.connection import connection_class
from keras_rnn.serving.server.grpc_services import generic_handlers
from keras_rnn.serving.server.inference import Server
from keras_rnn.serving.server.logs import logging_json
from keras_rnn.serving.server.manager import ModelManager
from keras_rnn.serving.server.metrics import Metrics
from keras_rnn.serving.server.rest import rest_app
from keras_rnn.serving.server.scheduler import Scheduler
from keras_rnn.serving.server.settings import ServerSettings, label_versions
from keras_rnn.serving.server.streams import Streams
from keras_rnn.serving.server.tokens import read_tokens

BACKLOG = 4096  # connections that wait to be accepted; Linux limits them to somaxconn
KEEP_ALIVE_SECONDS = 75  # between requests; clients commonly close a connection after a minute
OTHER_FILES = 512  # open files that are no connections
SWITCH_SECONDS = 5e-4  # a model's thread needs the GIL for microseconds, but waits this long for it


class _RestServer(uvicorn.Server):
    @contextlib.contextmanager
    def capture_signals(self):
        yield  # `_serve` handles signals, for both servers


def serve(settings: ServerSettings) -> None:
    """Serves until SIGTERM or SIGINT. Then it finishes the requests in flight and refuses new ones.

    It prints one line when it is ready.

    Raises:
        UsageError: no model to serve, a port in use, or TLS or token files that cannot be used.
    """
    sys.setswitchinterval(SWITCH_SECONDS)
    _allow_files(4 * settings.max_in_flight + OTHER_FILES)
    with logging_json(), asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner:
        runner.run(_serve(settings))


def _allow_files(count: int) -> None:
    """Raises the limit of open files to `count`, or as far as allowed. Every connection is an open file."""
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    target = count if hard == resource.RLIM_INFINITY else min(count, hard)
    if soft != resource.RLIM_INFINITY and soft < target:
        resource.setrlimit(resource.RLIMIT_NOFILE, (target, hard))


async def _serve(settings: ServerSettings) -> None:
    metrics = Metrics()
    scheduler = Scheduler(
        threads=settings.model_threads,
        max_batch_size=settings.max_batch_size,
        max_delay=settings.max_delay_ms / 1e3,
        max_queue=settings.max_queue,
        batching=settings.batching,
        on_batch=metrics.observe_batch,
    )
    streams = Streams(
        threads=settings.model_threads,
        max_streams=settings.max_streams,
        batching=settings.batching,
        on_step=metrics.observe_step,
    )
    manager = ModelManager(Path(settings.models), label_versions(settings.labels), settings.poll_seconds)
    metrics.watch(lambda: scheduler.waiting, lambda: streams.open_count, lambda: len(manager.loaded_versions()))
    server = Server(settings, manager, scheduler, streams, read_tokens(settings.token_file))
    loaded, stopping = asyncio.Event(), asyncio.Event()

    def ready() -> bool:
        return loaded.is_set() and bool(manager.loaded_versions()) and not stopping.is_set()

    with _listen(settings) as listener:
        rest = _rest_server(settings, rest_app(server, metrics, ready), metrics)
        rpc, grpc_port = _grpc_server(settings, generic_handlers(server, metrics))
        rest_task = asyncio.create_task(rest.serve(sockets=[listener]))
        rest_task.add_done_callback(lambda _: stopping.set())
        try:
            await manager.start()
            gc.freeze()  # a full collection takes 0.2 s for TensorFlow's million objects
            for number in (signal.SIGTERM, signal.SIGINT):
                asyncio.get_running_loop().add_signal_handler(number, stopping.set)
            await rpc.start()
            loaded.set()
            _print_ready(settings, listener.getsockname()[1], grpc_port, manager.loaded_versions())
            await stopping.wait()
        finally:
            stopping.set()
            rest.should_exit = True
            await asyncio.gather(rest_task, rpc.stop(settings.grace_seconds))
            await streams.close()
            await manager.stop()
            await asyncio.to_thread(scheduler.close)


def _print_ready(settings: ServerSettings, rest_port: int, grpc_port: int, served: list[str]) -> None:
    host = _url_host(settings)
    scheme = "https" if settings.tls_certificate else "http"
    print(f"serving REST on {scheme}://{host}:{rest_port}, gRPC on {host}:{grpc_port}: {', '.join(served)}", flush=True)


def _url_host(settings: ServerSettings) -> str:
    return f"[{settings.host}]" if ":" in settings.host else settings.host


def _listen(settings: ServerSettings) -> socket.socket:
    host = "127.0.0.1" if settings.host == "localhost" else settings.host
    family = socket.AF_INET6 if ipaddress.ip_address(host).version == 6 else socket.AF_INET
    try:
        return socket.create_server((host, settings.rest_port), family=family, backlog=BACKLOG)
    except OSError as error:
        reason = error.strerror
        raise UsageError(f"cannot listen on {settings.host} port {settings.rest_port}: {reason}") from None


def _rest_server(settings: ServerSettings, app, metrics: Metrics) -> uvicorn.Server:
    _check_tls(settings)
    config = uvicorn.Config(
        app,
        http=connection_class(settings, metrics),
        ws="none",
        lifespan="off",
        log_config=None,
        access_log=False,
        proxy_headers=False,
        timeout_keep_alive=KEEP_ALIVE_SECONDS,
        server_header=False,
        backlog=BACKLOG,
        timeout_graceful_shutdown=math.ceil(settings.grace_seconds),
        ssl_certfile=settings.tls_certificate,
        ssl_keyfile=settings.tls_key,
    )
    return _RestServer(config)


def _check_tls(settings: ServerSettings) -> None:
    if settings.tls_certificate is None:
        return
    try:
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        # An empty password: without one OpenSSL would ask for it.
        context.load_cert_chain(settings.tls_certificate, settings.tls_key, password="")
    except (OSError, ssl.SSLError) as error:
        raise UsageError(
            f"tls_certificate {settings.tls_certificate} and tls_key {settings.tls_key} are no PEM pair: {error}"
        ) from None


def _grpc_server(settings: ServerSettings, handlers: list[grpc.GenericRpcHandler]) -> tuple[grpc.aio.Server, int]:
    rpc = grpc.aio.server(
        maximum_concurrent_rpcs=settings.max_in_flight,
        options=[
            ("grpc.max_receive_message_length", settings.max_body_bytes),
            ("grpc.so_reuseport", 0),
        ],
    )
    rpc.add_generic_rpc_handlers(handlers)
    address = f"{_url_host(settings)}:{settings.grpc_port}"
    with quiet_stderr():
        try:
            if settings.tls_certificate is None:
                return rpc, rpc.add_insecure_port(address)
            pair = (Path(settings.tls_key).read_bytes(), Path(settings.tls_certificate).read_bytes())
            return rpc, rpc.add_secure_port(address, grpc.ssl_server_credentials([pair]))
        except RuntimeError:  # gRPC has written its own line about it
            pass
    raise UsageError(f"cannot listen on {settings.host} port {settings.grpc_port} for gRPC")

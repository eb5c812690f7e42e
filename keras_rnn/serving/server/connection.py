"""A REST connection with limits that uvicorn has not: on silence, on size, and on how many there are."""

import asyncio
import json

from uvicorn.protocols.http.httptools_impl import HttpToolsProtocol

from keras_rnn.serving.server.errors import RETRY_AFTER_SECONDS
from keras_rnn.serving.server.settings import ServerSettings

HEADER_BYTES = 65_536
CHUNKED = 8  # a body in chunks of a byte is so many times as long


def connection_class(settings: ServerSettings) -> type[asyncio.Protocol]:
    """uvicorn's protocol; its connections are closed when they are silent, endless, not read from, or too many.

    A request's headers may take `timeout_seconds` from its first byte (the first request's from the connection), and so
    may the client to take an answer in; between requests uvicorn's own limit is in force. Of more than twice
    `max_in_flight` connections the longest idle one is closed, or, where none is idle, the newest refused with 503.
    """
    idle: dict[asyncio.Protocol, None] = {}  # in the order in which they became so
    longest = HEADER_BYTES + CHUNKED * settings.max_body_bytes

    class Connection(HttpToolsProtocol):
        _silence = _writing = None
        _received = 0  # bytes of the request that is being read
        _in_headers = True

        def connection_made(self, transport):
            super().connection_made(transport)
            if len(self.connections) > 2 * settings.max_in_flight:
                if not idle:
                    transport.write(_TOO_MANY)
                    transport.close()
                    return
                next(iter(idle))._give_up()
            idle[self] = None
            self._wait_for_headers()

        def data_received(self, data):
            self._received += len(data)
            super().data_received(data)
            if self._received > (HEADER_BYTES if self._in_headers else longest):
                self._give_up()

        def on_message_begin(self):
            self._received, self._in_headers = 0, True
            self._wait_for_headers()
            super().on_message_begin()

        def on_headers_complete(self):
            self._stop_waiting()
            self._in_headers = False
            super().on_headers_complete()

        def on_message_complete(self):
            self._received, self._in_headers = 0, True
            super().on_message_complete()

        def on_response_complete(self):
            if not self.pipeline:
                idle[self] = None
            super().on_response_complete()

        def pause_writing(self):
            super().pause_writing()
            self._writing = self.loop.call_later(settings.timeout_seconds, self._give_up)

        def resume_writing(self):
            super().resume_writing()
            if self._writing:
                self._writing.cancel()

        def connection_lost(self, exc):
            self._stop_waiting()
            if self._writing:
                self._writing.cancel()
            super().connection_lost(exc)

        def _wait_for_headers(self):
            if self._silence:
                self._silence.cancel()
            self._silence = self.loop.call_later(settings.timeout_seconds, self._give_up)

        def _stop_waiting(self):
            idle.pop(self, None)
            if self._silence:
                self._silence.cancel()

        def _give_up(self):
            self._stop_waiting()
            self.transport.abort()  # close would wait until the client has read all

    return Connection


def _too_many() -> bytes:
    body = json.dumps({"error": "too many connections; try again later"}).encode()
    head = f"Retry-After: {RETRY_AFTER_SECONDS}\r\nContent-Length: {len(body)}\r\nConnection: close\r\n\r\n"
    return b"HTTP/1.1 503 Service Unavailable\r\nContent-Type: application/json\r\n" + head.encode() + body


_TOO_MANY = _too_many()

"""A REST connection with limits that uvicorn has not: on silence, on size, on bytes held, and on how many there are."""

import asyncio
import json

import httptools
from uvicorn.protocols.http.flow_control import FlowControl
from uvicorn.protocols.http.httptools_impl import STATUS_LINE, HttpToolsProtocol

from keras_rnn.serving.server.buffered import Buffered, client_of
from keras_rnn.serving.server.errors import RETRY_AFTER_SECONDS, ServingError, invalid, unavailable
from keras_rnn.serving.server.framing import HEADERS, body_length, too_long_head, too_many_headers
from keras_rnn.serving.server.metrics import Metrics
from keras_rnn.serving.server.settings import HEADER_BYTES, ServerSettings

CHUNKED = 8  # a body in chunks of a byte is so many times as long
TLS_COPIES = 2  # of the longest data that came at once: encrypted and decrypted
BUFFER_BYTES = 16_384  # of answers that a client does not take in, and of what TLS has not decrypted
END = b"\r\n\r\n"  # of a head, and of a chunked body


def connection_class(settings: ServerSettings, metrics: Metrics) -> type[asyncio.Protocol]:
    """uvicorn's protocol; its connections are closed when they are silent, endless, not read from, or too many.

    A request's headers may take `timeout_seconds` from its first byte (the first request's from the connection), and so
    may the client to take an answer in; between requests uvicorn's own limit is in force. Of more than twice
    `max_in_flight` connections the longest idle one is closed, or, where none is idle, the newest refused with 503.

    A request is parsed when the one before it has been answered. What has come of it by then is held as bytes, and no
    more is read. Bytes that are received and not answered count towards `max_buffered_bytes`.
    """
    idle: dict[asyncio.Protocol, None] = {}  # in the order in which they became so
    buffered = Buffered(settings.max_buffered_bytes)
    longest = HEADER_BYTES + CHUNKED * settings.max_body_bytes

    class Connection(HttpToolsProtocol):
        _silence = _writing = None
        _held, _start = b"", 0  # what is not parsed yet are the bytes from _start on
        _head = b""  # what came of the head that is being read
        _received = 0  # bytes of the request that is being read or answered
        _progress = 0  # _received when the last bytes of the body came
        _remaining = 0  # bytes of a body with Content-Length
        _in_headers = True
        _answering = False  # a request that was read whole
        _counted = 0  # by `buffered`
        _tls_bytes = 0  # that uvloop and OpenSSL keep as long as the connection lasts

        def connection_made(self, transport):
            super().connection_made(transport)
            self.flow = _Flow(transport)
            self.parser.set_dangerous_leniencies(lenient_data_after_close=False)
            transport.set_write_buffer_limits(BUFFER_BYTES)
            if self.scheme == "https":
                transport.set_read_buffer_limits(BUFFER_BYTES)
            self._client = client_of(self.client[0]) if self.client else None
            if len(self.connections) > 2 * settings.max_in_flight:
                if not idle:
                    transport.write(_TOO_MANY)
                    transport.close()
                    return
                next(iter(idle))._give_up()
            idle[self] = None
            self._wait()

        def data_received(self, data):
            self._unset_keepalive_if_required()
            if self._held:
                data = self._held[self._start :] + data
            if self.scheme == "https":
                self._tls_bytes = max(self._tls_bytes, TLS_COPIES * len(data))
            self._count(self._unanswered() + len(data))
            if buffered.over(self._client):
                self._shed()
            else:
                self._read(data)

        def _read(self, data, start=0):
            """Parses up to the end of the first request that is not answered at once, and holds the rest."""
            while start < len(data) and not self._answering and not self.transport.is_closing():
                if not self._received:
                    self._wait()
                end = self._end(data, start)
                if end == start:
                    break
                self._parse(data[start:end])
                start = end
            if self.transport.is_closing():
                self._held = b""
            elif start < len(data):
                self._held, self._start = data, start
                self._count(self._unanswered() + len(data))
                self.flow.hold(self._answering)
            elif self._held:
                self._held = b""
                self.flow.hold(False)

        def _end(self, data, start):
            """How far the parser may go: no further than the request's end, wherever that is."""
            if self._remaining:
                return min(start + self._remaining, len(data))
            found = data.find(END, start)
            if found >= 0:
                return found + len(END)
            cut = next((size for size in (3, 2, 1) if data.endswith(END[:size], start)), 0)
            return len(data) - cut  # the end may be about to come

        def _parse(self, piece):
            self._received += len(piece)
            if self._in_headers:
                if self._received > HEADER_BYTES:
                    self._refuse(too_long_head())
                    return
                self._head += piece
            elif self._remaining:
                self._remaining -= len(piece)
            try:
                try:
                    self.parser.feed_data(piece)
                except httptools.HttpParserUpgrade:
                    self._parse_without_upgrade()
            except httptools.HttpParserError as error:
                reason = error.__context__
                self._refuse(reason if isinstance(reason, ServingError) else invalid("the request is not HTTP/1.1"))
                return
            if self._received > longest or self._received - self._progress > HEADER_BYTES:
                self._give_up()

        def _parse_without_upgrade(self):
            """The parser leaves out the body of a request that asks for another protocol; this server speaks none."""
            lines = [b"%b %b HTTP/%b" % (self.parser.get_method(), self.url, self.parser.get_http_version().encode())]
            lines += [b"%b: %b" % header for header in self.headers if header[0] != b"upgrade"]
            self._head = b"\r\n".join(lines) + END
            self.parser = httptools.HttpRequestParser(self)
            self.parser.feed_data(self._head)

        def on_header(self, name, value):
            if not self._in_headers:
                return  # what follows a chunked body is no header of the request
            if len(self.headers) == HEADERS:
                raise too_many_headers()
            super().on_header(name, value)

        def on_headers_complete(self):
            length = body_length(self._head, self.headers)
            if self.parser.should_upgrade():
                return
            super().on_headers_complete()
            self._stop_waiting()
            self._head = b""
            self._in_headers, self._remaining, self._progress = False, length, self._received

        def on_body(self, body):
            self._progress = self._received
            super().on_body(body)

        def on_message_complete(self):
            if self._in_headers:  # it asks for another protocol, and is parsed again
                return
            super().on_message_complete()
            self._in_headers = True
            self._answering = not self.cycle.response_complete
            if not self._answering:
                self._received = self._progress = 0
                self._count(0)

        def on_response_complete(self):
            self._answering = False
            if self._in_headers:
                self._received = self._progress = 0
            super().on_response_complete()
            idle[self] = None
            if self.transport.is_closing():
                self._close()
                return
            if not self._in_headers:
                self._wait()  # for the rest of the body, which nobody reads
            self._count(len(self._held))
            if self._held:
                self._unset_keepalive_if_required()
                self._read(self._held, self._start)

        def pause_writing(self):
            super().pause_writing()
            self._writing = self.loop.call_later(settings.timeout_seconds, self._give_up)

        def resume_writing(self):
            super().resume_writing()
            if self._writing:
                self._writing.cancel()

        def timeout_keep_alive_handler(self):
            self._close()

        def connection_lost(self, exc):
            self._stop_waiting()
            if self._writing:
                self._writing.cancel()
            self._held, self._tls_bytes = b"", 0
            self._count(0)
            super().connection_lost(exc)

        def _wait(self):
            if self._silence:
                self._silence.cancel()
            self._silence = self.loop.call_later(settings.timeout_seconds, self._give_up)

        def _stop_waiting(self):
            idle.pop(self, None)
            if self._silence:
                self._silence.cancel()

        def _unanswered(self):
            """Bytes of the request that is being read or answered; the rest of an answered one's body is not kept."""
            return 0 if not self._in_headers and self.cycle.response_complete else self._received

        def _count(self, held):
            held += self._tls_bytes
            if held != self._counted:
                buffered.change(self._client, held - self._counted)
                self._counted = held

        def _shed(self):
            """Gives back what this connection holds: another would need it."""
            if self.scheme == "https":
                self._give_up()  # an orderly end would keep its buffers until the client takes part in it
                return
            if not self._answering:
                self._refuse(unavailable("the server holds too many bytes of requests; try again later"))
                return
            self.cycle.keep_alive = False
            self._held = b""
            self._count(self._received)

        def _refuse(self, error):
            """Answers the request that is being read, unless it has its answer, and closes the connection."""
            metrics.observe_request("REST", "", "", error.code.name, 0.0)
            if not self._in_headers:
                if self.cycle.response_complete:
                    self._close()
                    return
                if self.cycle.response_started:
                    self._give_up()
                    return
                self.cycle.disconnected = True
                self.cycle.message_event.set()
            self.transport.write(_answer(error))
            self._close()

        def _close(self):
            """Closes as soon as the client has taken in what was written, and in any case after a while."""
            self.transport.close()
            self._held = b""
            self._count(0)
            idle[self] = None
            self._wait()

        def _give_up(self):
            self._stop_waiting()
            self.transport.abort()  # close would wait until the client has read all

    return Connection


class _Flow(FlowControl):
    """Reads on only when no bytes are held."""

    _holding = False

    def hold(self, holding: bool) -> None:
        if holding != self._holding:
            self._holding = holding
            if holding:
                self.pause_reading()
            else:
                self.resume_reading()

    def resume_reading(self) -> None:
        if not self._holding:
            super().resume_reading()


def _answer(error: ServingError) -> bytes:
    body = json.dumps({"error": error.message}).encode()
    lines = [b"Content-Type: application/json", b"Content-Length: %d" % len(body), b"Connection: close"]
    if error.http_status == 503:
        lines.append(b"Retry-After: %d" % RETRY_AFTER_SECONDS)
    return STATUS_LINE[error.http_status] + b"\r\n".join([*lines, b"", body])


_TOO_MANY = _answer(unavailable("too many connections; try again later"))

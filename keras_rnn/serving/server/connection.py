"""A REST connection with limits that uvicorn lacks: on silence, size, bytes held and the number of connections."""

import asyncio
import json

import httptools
from uvicorn.protocols.http.flow_control import FlowControl
from uvicorn.protocols.http.httptools_impl import STATUS_LINE, HttpToolsProtocol

from keras_rnn.serving.server.buffered import BufferedBytes, client_key
from keras_rnn.serving.server.errors import RETRY_AFTER_SECONDS, ServingError, invalid, unavailable
from keras_rnn.serving.server.framing import HEADERS, body_length, too_long_head, too_many_headers
from keras_rnn.serving.server.metrics import Metrics
from keras_rnn.serving.server.settings import HEADER_BYTES, ServerSettings

CHUNKED = 8  # a body in chunks of one byte takes this many bytes for each
TLS_COPIES = 2  # the longest data that came at once is held encrypted and decrypted
BUFFER_BYTES = 16_384  # limit of unread answers, and of what TLS has not decrypted
END = b"\r\n\r\n"  # the end of a head, and of a chunked body


def connection_class(settings: ServerSettings, metrics: Metrics) -> type[asyncio.Protocol]:
    """Returns uvicorn's protocol with limits on silence, size, unread answers and the number of connections.

    The headers of a request may take `timeout_seconds` from its first byte. For the first request the time starts with
    the connection. A client may take as long to read an answer. Between requests uvicorn's own limit applies. If there
    are more than twice `max_in_flight` connections, the longest idle one is closed. If none is idle, the newest is
    refused with 503.

    A request is parsed when the one before it has been answered. Until then its bytes are held, and no more are read.
    Bytes that are received and not answered count towards `max_buffered_bytes`.
    """
    idle: dict[asyncio.Protocol, None] = {}  # the longest idle one first
    buffered = BufferedBytes(settings.max_buffered_bytes)
    max_request_bytes = HEADER_BYTES + CHUNKED * settings.max_body_bytes

    class Connection(HttpToolsProtocol):
        _silence_timer = _write_timer = None
        _unparsed, _unparsed_start = b"", 0  # the bytes from _unparsed_start on are not parsed yet
        _head = b""  # the head that is being read, as far as it came
        _received = 0  # bytes of the request that is being read or answered
        _progress = 0  # `_received` when the last bytes of the body came
        _remaining = 0  # bytes of a body with Content-Length
        _in_headers = True
        _answering = False  # a request that was read to its end
        _counted_bytes = 0  # as `buffered` has them
        _tls_bytes = 0  # uvloop and OpenSSL keep them until the connection ends

        def connection_made(self, transport):
            super().connection_made(transport)
            self.flow = _Flow(transport)
            self.parser.set_dangerous_leniencies(lenient_data_after_close=False)
            transport.set_write_buffer_limits(BUFFER_BYTES)
            if self.scheme == "https":
                transport.set_read_buffer_limits(BUFFER_BYTES)
            self._client = client_key(self.client[0]) if self.client else None
            if len(self.connections) > 2 * settings.max_in_flight:
                if not idle:
                    transport.write(_TOO_MANY)
                    transport.close()
                    return
                next(iter(idle))._abort()
            idle[self] = None
            self._start_silence_timer()

        def data_received(self, data):
            self._unset_keepalive_if_required()
            if self._unparsed:
                data = self._unparsed[self._unparsed_start :] + data
            if self.scheme == "https":
                self._tls_bytes = max(self._tls_bytes, TLS_COPIES * len(data))
            self._count(self._unanswered_bytes() + len(data))
            if buffered.exceeds_limit(self._client):
                self._shed()
            else:
                self._read(data)

        def _read(self, data, start=0):
            """Parses until a request needs an answer that takes time, and holds the bytes after it."""
            while start < len(data) and not self._answering and not self.transport.is_closing():
                if not self._received:
                    self._start_silence_timer()
                end = self._parse_end(data, start)
                if end == start:
                    break
                self._parse(data[start:end])
                start = end
            if self.transport.is_closing():
                self._unparsed = b""
            elif start < len(data):
                self._unparsed, self._unparsed_start = data, start
                self._count(self._unanswered_bytes() + len(data))
                self.flow.hold(self._answering)
            elif self._unparsed:
                self._unparsed = b""
                self.flow.hold(False)

        def _parse_end(self, data, start):
            """Returns the index that the parser may read up to, which is not beyond the request's end."""
            if self._remaining:
                return min(start + self._remaining, len(data))
            end_index = data.find(END, start)
            if end_index >= 0:
                return end_index + len(END)
            partial_end = next((size for size in (3, 2, 1) if data.endswith(END[:size], start)), 0)
            return len(data) - partial_end  # the next data may complete the end

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
            if self._received > max_request_bytes or self._received - self._progress > HEADER_BYTES:
                self._abort()

        def _parse_without_upgrade(self):
            """Parses the head again without its Upgrade header: the parser skips the body of a request that has one."""
            lines = [b"%b %b HTTP/%b" % (self.parser.get_method(), self.url, self.parser.get_http_version().encode())]
            lines += [b"%b: %b" % header for header in self.headers if header[0] != b"upgrade"]
            self._head = b"\r\n".join(lines) + END
            self.parser = httptools.HttpRequestParser(self)
            self.parser.feed_data(self._head)

        def on_header(self, name, value):
            if not self._in_headers:
                return  # a trailer after a chunked body
            if len(self.headers) == HEADERS:
                raise too_many_headers()
            super().on_header(name, value)

        def on_headers_complete(self):
            length = body_length(self._head, self.headers)
            if self.parser.should_upgrade():
                return
            super().on_headers_complete()
            self._stop_silence_timer()
            self._head = b""
            self._in_headers, self._remaining, self._progress = False, length, self._received

        def on_body(self, body):
            self._progress = self._received
            super().on_body(body)

        def on_message_complete(self):
            if self._in_headers:  # a request with an Upgrade header, which is parsed again
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
                self._start_silence_timer()  # the rest of the body is still to come, and is not used
            self._count(len(self._unparsed))
            if self._unparsed:
                self._unset_keepalive_if_required()
                self._read(self._unparsed, self._unparsed_start)

        def pause_writing(self):
            super().pause_writing()
            self._write_timer = self.loop.call_later(settings.timeout_seconds, self._abort)

        def resume_writing(self):
            super().resume_writing()
            if self._write_timer:
                self._write_timer.cancel()

        def timeout_keep_alive_handler(self):
            self._close()

        def connection_lost(self, exc):
            self._stop_silence_timer()
            if self._write_timer:
                self._write_timer.cancel()
            self._unparsed, self._tls_bytes = b"", 0
            self._count(0)
            super().connection_lost(exc)

        def _start_silence_timer(self):
            if self._silence_timer:
                self._silence_timer.cancel()
            self._silence_timer = self.loop.call_later(settings.timeout_seconds, self._abort)

        def _stop_silence_timer(self):
            idle.pop(self, None)
            if self._silence_timer:
                self._silence_timer.cancel()

        def _unanswered_bytes(self):
            """Returns the bytes held of the current request. The rest of an answered request's body is not held."""
            return 0 if not self._in_headers and self.cycle.response_complete else self._received

        def _count(self, byte_count):
            byte_count += self._tls_bytes
            if byte_count != self._counted_bytes:
                buffered.change(self._client, byte_count - self._counted_bytes)
                self._counted_bytes = byte_count

        def _shed(self):
            """Frees what this connection holds, since all connections together hold too much."""
            if self.scheme == "https":
                self._abort()  # an orderly close keeps its buffers until the client reacts
                return
            if not self._answering:
                self._refuse(unavailable("the server holds too many bytes of requests; try again later"))
                return
            self.cycle.keep_alive = False
            self._unparsed = b""
            self._count(self._received)

        def _refuse(self, error):
            """Answers the current request with an error, unless it was answered, and closes the connection."""
            metrics.observe_request("REST", "", "", error.code.name, 0.0)
            if not self._in_headers:
                if self.cycle.response_complete:
                    self._close()
                    return
                if self.cycle.response_started:
                    self._abort()
                    return
                self.cycle.disconnected = True
                self.cycle.message_event.set()
            self.transport.write(_answer(error))
            self._close()

        def _close(self):
            """Closes when the client has read what was written, and at the latest after `timeout_seconds`."""
            self.transport.close()
            self._unparsed = b""
            self._count(0)
            idle[self] = None
            self._start_silence_timer()

        def _abort(self):
            self._stop_silence_timer()
            self.transport.abort()  # `close` would wait until the client has read all

    return Connection


class _Flow(FlowControl):
    """Resumes reading only if no bytes are held."""

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

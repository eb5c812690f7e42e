"""A REST connection that has to say something: uvicorn waits for a request's first lines for ever."""

import asyncio

from uvicorn.protocols.http.httptools_impl import HttpToolsProtocol


def connection_class(seconds: float) -> type[asyncio.Protocol]:
    """uvicorn's protocol, closed when a request's headers are not there within `seconds` of the answer before."""

    class Connection(HttpToolsProtocol):
        def connection_made(self, transport):
            super().connection_made(transport)
            self._expect_headers()

        def on_headers_complete(self):
            self._deadline.cancel()
            super().on_headers_complete()

        def on_response_complete(self):
            self._deadline.cancel()
            self._expect_headers()
            super().on_response_complete()

        def connection_lost(self, exc):
            self._deadline.cancel()
            super().connection_lost(exc)

        def _expect_headers(self):
            self._deadline = self.loop.call_later(seconds, self._give_up)

        def _give_up(self):
            if not self.transport.is_closing():
                self.transport.close()

    return Connection

"""OpenAI's `/v1/completions` for the models that write texts, as an ASGI application.

See https://platform.openai.com/docs/api-reference/completions for the requests and answers.
"""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import numpy as np
from starlette.requests import ClientDisconnect, Request
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from keras_rnn.serving.server import rest_json
from keras_rnn.serving.server.completion_answer import CompletionAnswer
from keras_rnn.serving.server.completion_request import completion_request, model_target
from keras_rnn.serving.server.errors import invalid
from keras_rnn.serving.server.generator import NAMES
from keras_rnn.serving.server.inference import Server
from keras_rnn.serving.server.metrics import Metrics
from keras_rnn.serving.server.observe import Record, observed
from keras_rnn.serving.server.openai_json import error_document, error_response, event
from keras_rnn.serving.server.rest_request import (
    SMALL_BODY_BYTES,
    InFlight,
    authenticate,
    errors_recorded,
    read_body,
    version_number,
)

PATH = "/v1/completions"


def completions_app(server: Server, metrics: Metrics, in_flight: InFlight) -> ASGIApp:
    """Returns the application. A client that goes away ends what is written for it."""

    async def answer(scope: Scope, receive: Receive, send: Send) -> None:
        request, connection = Request(scope), _Connection(receive, send)
        client = request.client.host if request.client else ""
        with observed(metrics, server.settings.access_log, "REST", client) as record, errors_recorded(record):
            async with connection.within(server.settings.timeout_seconds):
                with in_flight.one_more():
                    authenticate(request, server.tokens)
                    record.method = "completions"
                    body = await read_body(Request(scope, receive), server.settings.max_body_bytes)
                    connection.watch()
                    await _answer(server, body, record, connection.send)
        if record.error is None:
            return
        if connection.has_started:
            await send({"type": "http.response.body", "body": event(error_document(record.error))})
        else:
            await error_response(record.error)(scope, receive, send)

    return answer


async def _answer(server: Server, body: bytes, record: Record, send: Send) -> None:
    is_small = len(body) <= SMALL_BODY_BYTES
    document = rest_json.parse(body) if is_small else await asyncio.to_thread(rest_json.parse, body)
    name, version, label = model_target(document)
    with server.manager.use(name, version_number(version), label) as servable:
        record.model, record.version = servable.name, servable.version
        generator = servable.generator
        if generator is None:
            raise invalid(f"model {name} writes no texts; it lacks one of the signatures {NAMES}", param="model")
        request = completion_request(document, server.settings)
        record.rows = len(request.samplings)
        events: asyncio.Queue = asyncio.Queue()
        streams = server.streams.open(request.samplings, events)
        try:
            texts = np.array([prompt.encode() for prompt in request.prompts], object)
            read = await server.scheduler.run(servable, generator.prefill, {"text": texts})
            tokens, states = (np.repeat(read[output], request.n, axis=0) for output in ("token", "state"))
            server.streams.start(servable, streams, tokens, states)
            prompt_tokens = int(read["length"].sum())
            answer = CompletionAnswer(request, servable, document["model"], streams, events, prompt_tokens)
            await answer.send(send)
        finally:
            for stream in streams:
                stream.close()


class _Connection:
    """The client's side of a request, and whether it is still there.

    has_started: whether a part of the answer has been sent.
    """

    def __init__(self, receive: Receive, send: Send):
        self._receive, self._send = receive, send
        self._deadline: asyncio.Timeout | None = None
        self._watch: asyncio.Task | None = None
        self._is_gone = self.has_started = False

    @asynccontextmanager
    async def within(self, seconds: float) -> AsyncIterator[None]:
        """Ends the block after `seconds` with TimeoutError, or with ClientDisconnect when the client goes away."""
        try:
            async with asyncio.timeout(seconds) as self._deadline:
                yield
        except TimeoutError:
            if self._is_gone:
                raise ClientDisconnect from None
            raise
        finally:
            self._end_watch()

    def watch(self) -> None:
        """Begins to look whether the client goes away, once the body has been read."""
        self._watch = asyncio.create_task(self._end_when_gone())

    async def send(self, message: Message) -> None:
        self.has_started = True
        if message["type"] == "http.response.body" and not message.get("more_body", False):
            self._end_watch()  # the end of the answer looks as if the client had gone
        await self._send(message)

    async def _end_when_gone(self) -> None:
        while (await self._receive())["type"] != "http.disconnect":
            pass
        self._is_gone = True
        self._deadline.reschedule(asyncio.get_running_loop().time())

    def _end_watch(self) -> None:
        if self._watch is not None:
            self._watch.cancel()

"""The answer of one request to `/v1/completions`: as one document, or as events while it is written."""

import asyncio
import time
import uuid
from collections.abc import Sequence
from typing import Any

from starlette.types import Send

from keras_rnn.serving.server.completion_request import CompletionRequest
from keras_rnn.serving.server.completion_text import ChoiceText, join_choice
from keras_rnn.serving.server.errors import ServingError
from keras_rnn.serving.server.openai_json import LAST_EVENT, dump, event
from keras_rnn.serving.server.servable import Servable
from keras_rnn.serving.server.streams import Stream

_EVENT_HEADERS = [(b"content-type", b"text/event-stream; charset=utf-8"), (b"cache-control", b"no-cache")]


class CompletionAnswer:
    """Takes the tokens of a request's streams from `events`, and closes a stream whose text has ended.

    model: as the request names it.
    """

    def __init__(
        self,
        request: CompletionRequest,
        servable: Servable,
        model: str,
        streams: Sequence[Stream],
        events: asyncio.Queue,
        prompt_tokens: int,
    ):
        self._request, self._streams, self._events, self._prompt_tokens = request, streams, events, prompt_tokens
        self._choices = [ChoiceText(stream.index, request, servable.generator.drops_spaces) for stream in streams]
        self._head = {
            "id": f"cmpl-{uuid.uuid4().hex}",
            "object": "text_completion",
            "created": int(time.time()),
            "model": model,
            "system_fingerprint": f"{servable.name}/{servable.version}",
        }

    async def send(self, send: Send) -> None:
        """Sends the whole response. Raises ServingError if the model does not go on."""
        await (self._send_events if self._request.is_streamed else self._send_document)(send)

    async def _send_document(self, send: Send) -> None:
        parts: list[list[dict[str, Any]]] = [[] for _ in self._choices]
        while not self._is_finished():
            for part in await self._next_parts():
                parts[part["index"]].append(part)
        choices = [join_choice(choice) for choice in parts]
        body = dump({**self._head, "choices": choices, "usage": self._usage()})
        headers = [(b"content-type", b"application/json"), (b"content-length", b"%d" % len(body))]
        await send({"type": "http.response.start", "status": 200, "headers": headers})
        await send({"type": "http.response.body", "body": body})

    async def _send_events(self, send: Send) -> None:
        await send({"type": "http.response.start", "status": 200, "headers": _EVENT_HEADERS})
        usage = {"usage": None} if self._request.with_usage else {}
        while not self._is_finished():
            parts = await self._next_parts()
            if body := b"".join(event({**self._head, "choices": [part], **usage}) for part in parts):
                await send({"type": "http.response.body", "body": body, "more_body": True})
        last = event({**self._head, "choices": [], "usage": self._usage()}) if self._request.with_usage else b""
        await send({"type": "http.response.body", "body": last + LAST_EVENT})

    def _is_finished(self) -> bool:
        return all(choice.is_finished for choice in self._choices)

    async def _next_parts(self) -> list[dict[str, Any]]:
        """Waits for tokens. Returns the parts of the choices that they make certain."""
        events = [await self._events.get()]
        while not self._events.empty():
            events.append(self._events.get_nowait())
        parts = []
        for index, token in events:
            if isinstance(token, ServingError):
                raise token
            choice = self._choices[index]
            if choice.is_finished:  # by a stop string
                continue
            if (part := choice.add(token)) is not None:
                parts.append(part)
            if choice.is_finished:
                self._streams[index].close()
        return parts

    def _usage(self) -> dict[str, int]:
        completion_tokens = sum(choice.token_count for choice in self._choices)
        return {
            "prompt_tokens": self._prompt_tokens,
            "completion_tokens": completion_tokens,
            "total_tokens": self._prompt_tokens + completion_tokens,
        }

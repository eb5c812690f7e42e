"""Writes texts token by token, all those of one model together, as they come and go (continuous batching).

All of it but the steps runs on the event loop, so it needs no lock.
"""

import asyncio
import logging
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor

import numpy as np

from keras_rnn.serving.server.decoding_batch import DecodingBatch, Sampling, Token
from keras_rnn.serving.server.errors import ServingError, internal, unavailable
from keras_rnn.serving.server.servable import Servable

log = logging.getLogger("keras_rnn.serve")


class Stream:
    """One text that is being written. `Streams` keeps room for it until it is closed.

    index: its number in the request.
    """

    def __init__(self, index: int, sampling: Sampling, events: asyncio.Queue, on_close: Callable[[], None]):
        self.index, self.sampling = index, sampling
        self.is_open = True
        self._events, self._on_close = events, on_close

    def put(self, event: Token | ServingError) -> None:
        """Passes the next token, or why there is none, on to the request."""
        if self.is_open:
            self._events.put_nowait((self.index, event))
            if isinstance(event, ServingError) or event.is_last:
                self.close()

    def close(self) -> None:
        """Ends the text: its row leaves the batch with the next step."""
        if self.is_open:
            self.is_open = False
            self._on_close()


class Streams:
    """Steps the open streams of each version in one batch.

    A stream joins when its prompt has been read, and a closed one leaves, between two steps. The next step runs while
    the tokens of the last one go to their clients.

    Args:
        threads: the number of steps at a time, of different models.
        max_streams: the most open streams.
        batching: False gives each stream its own steps, as do models whose rows are not independent.
        on_step: called with the number of rows of each step.
    """

    def __init__(
        self,
        *,
        threads: int,
        max_streams: int,
        batching: bool = True,
        on_step: Callable[[int], None] = lambda rows: None,
    ):
        self._pool = ThreadPoolExecutor(threads, thread_name_prefix="step")
        self._max_streams, self._batching, self._on_step = max_streams, batching, on_step
        self._groups: dict[object, _Group] = {}
        self.open_count = 0

    def open(self, samplings: Sequence[Sampling], events: asyncio.Queue) -> list[Stream]:
        """Returns streams that put `(index, Token)` or `(index, ServingError)` into `events` once they are started.

        Raises:
            ServingError: there would be too many (UNAVAILABLE).
        """
        if self.open_count + len(samplings) > self._max_streams:
            raise unavailable("too many texts are being written; try again later")
        self.open_count += len(samplings)
        return [Stream(index, sampling, events, self._close) for index, sampling in enumerate(samplings)]

    def start(self, servable: Servable, streams: Sequence[Stream], tokens: np.ndarray, states: np.ndarray) -> None:
        """Begins to write, from the last token of each prompt `(rows,)` and the state before it `(rows, features)`."""
        is_shared = self._batching and servable.rows_independent
        for row, stream in enumerate(streams):
            key = servable if is_shared else stream
            group = self._groups.get(key)
            if group is None:
                group = self._groups[key] = _Group(servable)
                group.task = asyncio.create_task(self._run(key, group))
            group.joining.append((stream, tokens[row : row + 1], states[row : row + 1]))

    async def close(self) -> None:
        """Closes all streams and waits for the running steps."""
        for group in self._groups.values():
            group.close()
        await asyncio.gather(*(group.task for group in self._groups.values()))
        self._pool.shutdown()

    def _close(self) -> None:
        self.open_count -= 1

    async def _run(self, key: object, group: "_Group") -> None:
        """Steps a group until no stream of it is open."""
        loop, servable = asyncio.get_running_loop(), group.servable
        tokens: list[tuple[Stream, Token | None]] = []
        servable.users += 1
        try:
            while True:
                ended = {stream for stream, token in tokens if token is None or token.is_last}
                step = None
                if rows := group.update(ended):
                    step = loop.run_in_executor(self._pool, group.batch.step)
                    self._on_step(rows)
                for stream, token in tokens:
                    stream.put(internal() if token is None else token)
                if step is None:
                    return
                tokens = await step
                if any(token is None for _, token in tokens):
                    log.error("model %s version %s does not go on with a text", servable.name, servable.version)
        except Exception as error:
            log.error("model %s version %s failed", servable.name, servable.version, exc_info=error)
            group.close(internal())
        finally:
            servable.users -= 1
            del self._groups[key]


class _Group:
    """Streams that are stepped together, and those that join them with the next step."""

    task: asyncio.Task

    def __init__(self, servable: Servable):
        self.servable = servable
        self.batch = DecodingBatch(servable.generator)
        self.joining: list[tuple[Stream, np.ndarray, np.ndarray]] = []

    def update(self, ended: set[Stream]) -> int:
        """Drops the streams that have ended or are closed, and takes the new ones. Returns their number."""
        self.batch.keep([stream.is_open and stream not in ended for stream in self.batch.keys])
        joining = [entry for entry in self.joining if entry[0].is_open]
        self.joining = []
        if joining:
            streams, tokens, states = zip(*joining, strict=True)
            samplings = [stream.sampling for stream in streams]
            self.batch.add(streams, samplings, np.concatenate(tokens), np.concatenate(states))
        return len(self.batch.keys)

    def close(self, error: ServingError | None = None) -> None:
        for stream in [*self.batch.keys, *(stream for stream, *_ in self.joining)]:
            if error is not None:
                stream.put(error)
            stream.close()

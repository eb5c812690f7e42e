"""The queue in front of the models: texts of several requests become one call.

All of it but the calls themselves runs on the event loop, so nothing here takes a lock.
"""

import asyncio
import logging
from collections import deque
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from time import monotonic
from weakref import WeakKeyDictionary

import numpy as np
import tensorflow as tf

from keras_rnn.serving.server.errors import ServingError, internal, invalid, unavailable
from keras_rnn.serving.server.servable import Arrays, Servable, Signature, rows_of

log = logging.getLogger("keras_rnn.serve")

_ALONE = ()  # the group of what is called one by one


class _Request:
    """What one client asked of one signature, cut into the rows that wait and put together when all are answered."""

    def __init__(self, servable: Servable, signature: Signature, rows: int):
        self.servable, self.signature = servable, signature
        self.future = asyncio.get_running_loop().create_future()
        self._answers: list[tuple[Arrays, int] | None] = [None] * rows
        self._missing = rows

    def answer(self, row: int, outputs: Arrays, place: int) -> None:
        """Takes the row's answer, which stands at `place` in `outputs`."""
        self._answers[row] = (outputs, place)
        self._missing -= 1
        if self._missing == 0:
            self.complete({name: np.concatenate([o[name][at : at + 1] for o, at in self._answers]) for name in outputs})

    def complete(self, outputs: Arrays) -> None:
        if not self.future.done():
            self.future.set_result(outputs)

    def fail(self, error: ServingError) -> None:
        if not self.future.done():
            self.future.set_exception(error)


@dataclass(slots=True, eq=False)
class _Row:
    """What waits: one text of a request, or all inputs of a request that shares its call with no other.

    size: how much of the queue it takes, in texts.
    """

    request: _Request
    row: int
    inputs: bytes | Arrays
    size: int
    arrived: float
    waiting: bool = True


class Scheduler:
    """Calls models from a pool of threads; rows that wait are grouped by signature and length.

    A group is taken when a thread is free and the group holds as many rows as its last call took, or its oldest row
    has waited for `max_delay` seconds: clients that were answered together ask again together, and one client alone
    never waits. The group with the oldest row goes first. What would not grow by waiting is put in line before a
    thread is free, so that no thread waits for the event loop. Lengths are grouped by powers of four: a call costs a
    step of the network much, and a row more in it little, until texts are much shorter than their padding.

    Args:
        threads: calls at a time.
        max_batch_size: rows a call; max_delay: seconds.
        max_queue: texts that may wait.
        batching: False gives every request a call of its own.
        on_batch: told the rows of every call.
    """

    def __init__(
        self,
        *,
        threads: int,
        max_batch_size: int,
        max_delay: float,
        max_queue: int,
        batching: bool = True,
        on_batch: Callable[[int], None] = lambda rows: None,
    ):
        self._pool = ThreadPoolExecutor(threads, thread_name_prefix="model")
        self._threads, self._running = threads, 0
        self._max_batch_size, self._max_delay, self._max_queue = max_batch_size, max_delay, max_queue
        self._batching = batching
        self._on_batch = on_batch
        self._groups: dict[tuple, deque[_Row]] = {}
        self._last_rows: WeakKeyDictionary[Servable, dict[tuple, int]] = WeakKeyDictionary()
        self._woken = False
        self._timer: asyncio.TimerHandle | None = None
        self.waiting = 0

    def check_room(self, texts: int = 1) -> None:
        """ServingError (UNAVAILABLE) unless so many texts more may wait."""
        if self.waiting + texts > self._max_queue:
            raise unavailable("the queue of waiting texts is full; try again later")

    async def run(self, servable: Servable, signature: Signature, inputs: Arrays) -> Arrays:
        """The outputs of `signature` for `inputs`, arrays by name; to be cancelled when it has taken too long.

        Raises:
            ServingError: the queue is full, or the model refuses the input or fails.
        """
        rows = self._rows(servable, signature, inputs)
        self.check_room(sum(row.size for row in rows))
        for row in rows:
            self._wait(row, _ALONE if isinstance(row.inputs, dict) else _group(row))
        if not self._woken:  # the event loop first reads what else has arrived by now
            self._woken = True
            asyncio.get_running_loop().call_soon(self._dispatch)
        try:
            return await rows[0].request.future
        finally:
            for row in rows:  # of a request that was given up
                if row.waiting:
                    self._leave(row)
                    row.inputs = b""

    def close(self) -> None:
        """Waits for the calls that go on."""
        self._pool.shutdown(cancel_futures=True)

    def _rows(self, servable: Servable, signature: Signature, inputs: Arrays) -> list[_Row]:
        now = monotonic()
        if self._batching and servable.rows_independent and signature.takes_rows_of_text:
            (texts,) = inputs.values()
            request = _Request(servable, signature, len(texts))
            return [_Row(request, row, text, 1, now) for row, text in enumerate(texts)]
        return [_Row(_Request(servable, signature, 1), 0, inputs, rows_of(inputs), now)]

    def _wait(self, row: _Row, group: tuple) -> None:
        row.waiting = True
        self.waiting += row.size
        queue = self._groups.setdefault(group, deque())
        queue.append(row)
        if len(queue) > 2 * self._max_queue:  # most were given up
            self._groups[group] = deque(row for row in queue if row.waiting)

    def _leave(self, row: _Row) -> None:
        row.waiting = False
        self.waiting -= row.size

    def _dispatch(self) -> None:
        self._woken = False
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None
        while self._running < 2 * self._threads and (group := self._next()) is not None:
            self._start(group)
        if self._running < self._threads and self._groups:
            soonest = min(map(self._due, self._groups))
            self._timer = asyncio.get_running_loop().call_later(soonest - monotonic(), self._dispatch)

    def _next(self) -> tuple | None:
        """The group to be called now; empty ones are removed by the way."""
        for group, queue in list(self._groups.items()):
            while queue and not queue[0].waiting:
                queue.popleft()
            if not queue:
                del self._groups[group]
        now = monotonic()
        due = [group for group in self._groups if self._due(group) <= now]
        oldest = min(due, key=lambda group: self._groups[group][0].arrived, default=None)
        if oldest is None or self._running < self._threads or self._cannot_grow(oldest):
            return oldest
        return None

    def _cannot_grow(self, group: tuple) -> bool:
        return not _is_shared(group) or len(self._groups[group]) >= self._max_batch_size

    def _due(self, group: tuple) -> float:
        """When the group is to be called, at the latest."""
        if not _is_shared(group):
            return 0.0
        servable, queue = group[0], self._groups[group]
        if len(queue) >= self._last_rows.get(servable, {}).get(group[1:], 1):
            return 0.0
        return queue[0].arrived + self._max_delay

    def _start(self, group: tuple) -> None:
        queue, batch = self._groups[group], []
        while queue and len(batch) < (1 if group == _ALONE else self._max_batch_size):
            row = queue.popleft()
            if row.waiting:
                self._leave(row)
                batch.append(row)
        servable, signature = batch[0].request.servable, batch[0].request.signature
        if _is_shared(group):
            self._last_rows.setdefault(servable, {})[group[1:]] = len(batch)
        self._running += 1
        servable.users += 1
        self._on_batch(sum(row.size for row in batch))
        call = asyncio.get_running_loop().run_in_executor(self._pool, signature.run, _inputs(signature, batch))
        call.add_done_callback(lambda call: self._finish(servable, batch, call))

    def _finish(self, servable: Servable, batch: list[_Row], call: asyncio.Future) -> None:
        self._running -= 1
        servable.users -= 1
        try:
            outputs = call.result()
            if isinstance(batch[0].inputs, dict):
                batch[0].request.complete(outputs)
            else:
                for place, row in enumerate(batch):
                    row.request.answer(row.row, outputs, place)
        except tf.errors.InvalidArgumentError:
            self._refuse(batch)
        except BaseException as error:
            log.error("model %s version %s failed", servable.name, servable.version, exc_info=error)
            for row in batch:
                row.request.fail(internal())
        finally:
            self._dispatch()

    def _refuse(self, batch: list[_Row]) -> None:
        """One bad row spoils a call: of several requests, the rows are called again by halves."""
        if len({row.request for row in batch}) == 1:
            batch[0].request.fail(invalid("the model does not take this input"))
            return
        signature = batch[0].request.signature
        for half in (batch[: len(batch) // 2], batch[len(batch) // 2 :]):
            group = (batch[0].request.servable, signature.name, object())  # one that nothing joins
            for row in half:
                if not row.request.future.done():
                    self._wait(row, group)


def _is_shared(group: tuple) -> bool:
    """Whether rows that come later may join the group, and so it is worth waiting for them."""
    return group != _ALONE and isinstance(group[-1], int)


def _group(row: _Row) -> tuple:
    return row.request.servable, row.request.signature.name, (len(row.inputs).bit_length() + 1) // 2


def _inputs(signature: Signature, batch: list[_Row]) -> Arrays:
    if isinstance(batch[0].inputs, dict):
        return batch[0].inputs
    return {next(iter(signature.inputs)): np.array([row.inputs for row in batch], object)}

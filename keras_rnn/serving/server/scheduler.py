"""The queue in front of the models. It joins the texts of several requests to one call.

All of it but the calls runs on the event loop, so it needs no lock.
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
from keras_rnn.serving.server.servable import Arrays, Servable, Signature, row_count

log = logging.getLogger("keras_rnn.serve")

_UNSHARED = ()  # the group of requests that share no call


class _Request:
    """A client's request to one signature. Its rows wait separately, and it is complete when all are answered."""

    def __init__(self, servable: Servable, signature: Signature, rows: int):
        self.servable, self.signature = servable, signature
        self.future = asyncio.get_running_loop().create_future()
        self._answers: list[tuple[Arrays, int] | None] = [None] * rows
        self._missing = rows

    def answer(self, row: int, outputs: Arrays, index: int) -> None:
        """Takes the answer to `row`, which is at `index` in `outputs`."""
        self._answers[row] = (outputs, index)
        self._missing -= 1
        if self._missing == 0:
            self.complete(
                {name: np.concatenate([batch[name][i : i + 1] for batch, i in self._answers]) for name in outputs}
            )

    def complete(self, outputs: Arrays) -> None:
        if not self.future.done():
            self.future.set_result(outputs)

    def fail(self, error: ServingError) -> None:
        if not self.future.done():
            self.future.set_exception(error)


@dataclass(slots=True, eq=False)
class _Row:
    """An entry of the queue: one text of a request, or all inputs of a request that shares no call.

    size: the number of texts that it counts as.
    """

    request: _Request
    row: int
    inputs: bytes | Arrays
    size: int
    arrived: float
    waiting: bool = True


class Scheduler:
    """Calls models from a pool of threads. Waiting rows are grouped by signature and length.

    A group is called when a thread is free and one of two conditions holds: it has as many rows as its last call, or
    its oldest row has waited for `max_delay` seconds. Clients that were answered together ask again together, and a
    single client never waits. The group with the oldest row goes first. A group that cannot grow is queued before a
    thread is free, so no thread waits for the event loop. Lengths are grouped by powers of four: a step of the network
    costs much and another row costs little, until texts are much shorter than their padding.

    Args:
        threads: the number of parallel calls.
        max_batch_size: the most rows of a call.
        max_delay: seconds.
        max_queue: the most waiting texts.
        batching: False gives each request its own call.
        on_batch: called with the number of rows of each call.
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
        self._is_dispatch_scheduled = False
        self._timer: asyncio.TimerHandle | None = None
        self.waiting = 0

    def check_room(self, texts: int = 1) -> None:
        """Raises ServingError (UNAVAILABLE) if the queue has no room for this number of texts."""
        if self.waiting + texts > self._max_queue:
            raise unavailable("the queue of waiting texts is full; try again later")

    async def run(self, servable: Servable, signature: Signature, inputs: Arrays) -> Arrays:
        """Returns the outputs of `signature` for `inputs`, arrays by name. It may be cancelled.

        Raises:
            ServingError: the queue is full, or the model refuses the input or fails.
        """
        rows = self._rows(servable, signature, inputs)
        self.check_room(sum(row.size for row in rows))
        for row in rows:
            self._enqueue(row, _UNSHARED if isinstance(row.inputs, dict) else _group(row))
        if not self._is_dispatch_scheduled:  # the event loop first reads what else has arrived
            self._is_dispatch_scheduled = True
            asyncio.get_running_loop().call_soon(self._dispatch)
        try:
            return await rows[0].request.future
        finally:
            for row in rows:  # of a cancelled request
                if row.waiting:
                    self._dequeue(row)
                    row.inputs = b""

    def close(self) -> None:
        """Waits for the running calls."""
        self._pool.shutdown(cancel_futures=True)

    def _rows(self, servable: Servable, signature: Signature, inputs: Arrays) -> list[_Row]:
        now = monotonic()
        if self._batching and servable.rows_independent and signature.takes_rows_of_text:
            (texts,) = inputs.values()
            request = _Request(servable, signature, len(texts))
            return [_Row(request, row, text, 1, now) for row, text in enumerate(texts)]
        return [_Row(_Request(servable, signature, 1), 0, inputs, row_count(inputs), now)]

    def _enqueue(self, row: _Row, group: tuple) -> None:
        row.waiting = True
        self.waiting += row.size
        queue = self._groups.setdefault(group, deque())
        queue.append(row)
        if len(queue) > 2 * self._max_queue:  # most are cancelled
            self._groups[group] = deque(row for row in queue if row.waiting)

    def _dequeue(self, row: _Row) -> None:
        row.waiting = False
        self.waiting -= row.size

    def _dispatch(self) -> None:
        self._is_dispatch_scheduled = False
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None
        while self._running < 2 * self._threads and (group := self._next()) is not None:
            self._start(group)
        if self._running < self._threads and self._groups:
            soonest = min(map(self._due_time, self._groups))
            self._timer = asyncio.get_running_loop().call_later(soonest - monotonic(), self._dispatch)

    def _next(self) -> tuple | None:
        """Returns the group to call now, or None. It removes empty groups."""
        for group, queue in list(self._groups.items()):
            while queue and not queue[0].waiting:
                queue.popleft()
            if not queue:
                del self._groups[group]
        now = monotonic()
        due = [group for group in self._groups if self._due_time(group) <= now]
        oldest = min(due, key=lambda group: self._groups[group][0].arrived, default=None)
        if oldest is None or self._running < self._threads or self._cannot_grow(oldest):
            return oldest
        return None

    def _cannot_grow(self, group: tuple) -> bool:
        return not _is_shared(group) or len(self._groups[group]) >= self._max_batch_size

    def _due_time(self, group: tuple) -> float:
        """Returns the time at which the group is called at the latest."""
        if not _is_shared(group):
            return 0.0
        servable, queue = group[0], self._groups[group]
        if len(queue) >= self._last_rows.get(servable, {}).get(group[1:], 1):
            return 0.0
        return queue[0].arrived + self._max_delay

    def _start(self, group: tuple) -> None:
        queue, batch = self._groups[group], []
        while queue and len(batch) < (1 if group == _UNSHARED else self._max_batch_size):
            row = queue.popleft()
            if row.waiting:
                self._dequeue(row)
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
                for index, row in enumerate(batch):
                    row.request.answer(row.row, outputs, index)
        except tf.errors.InvalidArgumentError:
            self._halve_or_refuse(batch)
        except BaseException as error:
            log.error("model %s version %s failed", servable.name, servable.version, exc_info=error)
            for row in batch:
                row.request.fail(internal())
        finally:
            self._dispatch()

    def _halve_or_refuse(self, batch: list[_Row]) -> None:
        """Refuses a batch of one request. It calls the rows of several again by halves: one bad row fails a call."""
        if len({row.request for row in batch}) == 1:
            batch[0].request.fail(invalid("the model does not take this input"))
            return
        signature = batch[0].request.signature
        for half in (batch[: len(batch) // 2], batch[len(batch) // 2 :]):
            group = (batch[0].request.servable, signature.name, object())  # a group that no row joins
            for row in half:
                if not row.request.future.done():
                    self._enqueue(row, group)


def _is_shared(group: tuple) -> bool:
    """Whether later rows may join the group, so that it may wait for them."""
    return group != _UNSHARED and isinstance(group[-1], int)


def _group(row: _Row) -> tuple:
    return row.request.servable, row.request.signature.name, (len(row.inputs).bit_length() + 1) // 2


def _inputs(signature: Signature, batch: list[_Row]) -> Arrays:
    if isinstance(batch[0].inputs, dict):
        return batch[0].inputs
    return {next(iter(signature.inputs)): np.array([row.inputs for row in batch], object)}

"""The queue in front of a model whose calls end when the test lets them."""

import asyncio
import gc
import logging
import threading
from time import monotonic

import numpy as np
import pytest
import tensorflow as tf
from grpc import StatusCode

from keras_rnn.serving.server.errors import ServingError
from keras_rnn.serving.server.scheduler import Scheduler, _Row
from keras_rnn.serving.server.servable import Signature, TensorSpec

LONG = 60.0  # more seconds than any test waits
TEXTS = {"text": TensorSpec(np.dtype(object), (None,))}


class Model:
    """A model that answers each text with itself and its length.

    calls: the texts of each call so far. A call ends once `let_go` has been called for it.
    """

    name, version = "m", 1

    def __init__(self, rows_independent=True, inputs=TEXTS, busy=True):
        self.rows_independent = rows_independent
        self.users = 0
        self.signature = Signature("s", None, inputs, self._run)
        self.calls = []
        self._may_end = threading.Semaphore(0 if busy else 1000)

    def let_go(self, calls=1000):
        self._may_end.release(calls)

    def _run(self, arrays):
        texts = arrays["text"].tolist()
        self.calls.append([text.decode() for text in texts])
        assert self._may_end.acquire(timeout=LONG)
        if b"bad" in texts:
            raise tf.errors.InvalidArgumentError(None, None, "not that")
        if b"crash" in texts:
            raise RuntimeError("the secret of the model")
        return {"echo": arrays["text"], "length": np.array([len(text) for text in texts])}


def scheduler_of(**options):
    return Scheduler(**{"threads": 1, "max_batch_size": 64, "max_delay": 0.0, "max_queue": 100, **options})


def ask(scheduler, model, *texts, seconds=LONG):
    """A task that returns the texts of the answer."""

    async def answer():
        array = np.empty(len(texts), object)
        array[:] = [text.encode() for text in texts]
        async with asyncio.timeout(seconds):
            outputs = await scheduler.run(model, model.signature, {"text": array})
        assert outputs["length"].tolist() == [len(text) for text in outputs["echo"]]
        return [text.decode() for text in outputs["echo"]]

    return asyncio.create_task(answer())


async def until(condition):
    async with asyncio.timeout(LONG):
        while not condition():
            await asyncio.sleep(0.001)


async def busy_with(scheduler, model, text="first"):
    """A task that keeps the model busy."""
    calls = len(model.calls)
    task = ask(scheduler, model, text)
    await until(lambda: len(model.calls) == calls + 1)
    return task


def code_of(task):
    assert isinstance(task.exception(), ServingError), task
    return task.exception().code


def test_texts_that_come_while_the_model_works_share_its_next_call():
    async def go():
        scheduler, model = scheduler_of(), Model()
        tasks = [await busy_with(scheduler, model), *(ask(scheduler, model, text) for text in "abc")]
        await until(lambda: scheduler.waiting == 3)
        assert model.calls == [["first"]]
        model.let_go()
        assert await asyncio.gather(*tasks) == [["first"], ["a"], ["b"], ["c"]]
        assert model.calls == [["first"], ["a", "b", "c"]]
        assert scheduler.waiting == 0

    asyncio.run(go())


def test_one_client_alone_does_not_wait():
    async def go():
        scheduler, model = scheduler_of(max_delay=LONG), Model(busy=False)
        for _ in range(3):
            assert await asyncio.wait_for(ask(scheduler, model, "a"), LONG / 2) == ["a"]

    asyncio.run(go())


def test_where_the_last_call_had_more_a_text_waits_for_others():
    async def go():
        scheduler, model = scheduler_of(max_delay=LONG), Model(busy=False)
        await ask(scheduler, model, "a", "b")
        first = ask(scheduler, model, "c")
        await asyncio.sleep(0.05)
        assert model.calls == [["a", "b"]]
        assert await asyncio.gather(first, ask(scheduler, model, "d")) == [["c"], ["d"]]
        assert model.calls == [["a", "b"], ["c", "d"]]

    asyncio.run(go())


def test_no_text_waits_for_others_longer_than_the_delay():
    async def go():
        scheduler, model = scheduler_of(max_delay=0.1), Model(busy=False)
        await ask(scheduler, model, "a", "b")
        start_time = monotonic()
        assert await ask(scheduler, model, "c") == ["c"]
        assert 0.09 < monotonic() - start_time < LONG / 2

    asyncio.run(go())


def test_a_call_never_has_more_texts_than_it_may_and_answers_keep_their_order():
    async def go():
        sizes = []
        scheduler, model = scheduler_of(max_batch_size=3, on_batch=sizes.append), Model(busy=False)
        tasks = [ask(scheduler, model, *"abcdefg"), ask(scheduler, model, *"hi")]
        assert await asyncio.gather(*tasks) == [list("abcdefg"), list("hi")]
        assert model.calls == [list("abc"), list("def"), list("ghi")]
        assert sizes == [3, 3, 3]

    asyncio.run(go())


def test_texts_of_like_lengths_go_together_the_oldest_group_first():
    async def go():
        scheduler, model = scheduler_of(), Model()
        texts = ["four", "a", "sixteen letters!", "fifteen letters", "bb", "seventeen letters"]
        tasks = [await busy_with(scheduler, model), ask(scheduler, model, *texts)]
        await until(lambda: scheduler.waiting == 6)
        model.let_go()
        assert (await asyncio.gather(*tasks))[1] == texts
        assert model.calls[1:] == [texts[0::3], texts[1::3], texts[2::3]]

    asyncio.run(go())


def test_two_models_share_no_call():
    async def go():
        scheduler, one, other = scheduler_of(), Model(), Model()
        tasks = [await busy_with(scheduler, one), ask(scheduler, one, "a"), ask(scheduler, other, "b")]
        await until(lambda: scheduler.waiting == 2)
        one.let_go(), other.let_go()
        await asyncio.gather(*tasks)
        assert (one.calls, other.calls) == ([["first"], ["a"]], [["b"]])

    asyncio.run(go())


@pytest.mark.parametrize(
    ("options", "model_options"),
    [
        ({}, {"rows_independent": False}),
        ({"batching": False}, {}),
        ({}, {"inputs": {**TEXTS, "more": TensorSpec(np.dtype("int32"), ())}}),
        ({}, {"inputs": {"text": TensorSpec(np.dtype(object), (None, None))}}),
    ],
    ids=["rows not independent", "batching off", "two inputs", "no rows of one text"],
)
def test_requests_that_cannot_share_a_call_get_one_each(options, model_options):
    async def go():
        scheduler, model = scheduler_of(max_batch_size=2, max_delay=LONG, **options), Model(**model_options)
        tasks = [await busy_with(scheduler, model), ask(scheduler, model, "a", "bb", "c"), ask(scheduler, model, "d")]
        await until(lambda: scheduler.waiting > 0)
        model.let_go()
        assert await asyncio.gather(*tasks) == [["first"], ["a", "bb", "c"], ["d"]]
        assert model.calls == [["first"], ["a", "bb", "c"], ["d"]]

    asyncio.run(go())


def test_a_text_that_the_model_refuses_fails_its_own_request_alone():
    async def go():
        scheduler, model = scheduler_of(), Model()
        tasks = [
            await busy_with(scheduler, model),
            *(ask(scheduler, model, *t) for t in (["one"], ["bad", "two"], ["six"])),
        ]
        await until(lambda: scheduler.waiting == 4)
        model.let_go()
        await asyncio.wait(tasks)
        assert [task.result() for task in (tasks[0], tasks[1], tasks[3])] == [["first"], ["one"], ["six"]]
        assert code_of(tasks[2]) == StatusCode.INVALID_ARGUMENT
        assert model.calls[1] == ["one", "bad", "two", "six"]
        await until(lambda: model.users == 0)
        assert scheduler.waiting == 0
        assert await ask(scheduler, model, "x") == ["x"]

    asyncio.run(go())


@pytest.mark.parametrize("rows_independent", [True, False])
def test_a_refused_text_is_not_tried_again_when_it_is_the_request_s_own(rows_independent):
    async def go():
        scheduler, model = scheduler_of(), Model(rows_independent, busy=False)
        task = ask(scheduler, model, "bad")
        await asyncio.wait([task])
        assert code_of(task) == StatusCode.INVALID_ARGUMENT
        assert model.calls == [["bad"]]

    asyncio.run(go())


def test_a_failure_is_logged_and_the_client_told_nothing_of_it(caplog):
    async def go():
        scheduler, model = scheduler_of(), Model()
        tasks = [await busy_with(scheduler, model), ask(scheduler, model, "crash"), ask(scheduler, model, "other")]
        await until(lambda: scheduler.waiting == 2)
        model.let_go()
        await asyncio.wait(tasks)
        assert [code_of(task) for task in tasks[1:]] == [StatusCode.INTERNAL] * 2
        assert "secret" not in str(tasks[1].exception())
        assert await ask(scheduler, model, "x") == ["x"]
        assert model.users == 0

    with caplog.at_level(logging.ERROR):
        asyncio.run(go())
    assert "model m version 1 failed" in caplog.text
    assert "the secret of the model" in caplog.text


def test_a_request_that_is_too_late_leaves_the_queue():
    async def go():
        scheduler, model = scheduler_of(max_queue=2), Model()
        first = await busy_with(scheduler, model)
        late_task = ask(scheduler, model, "a", "b", seconds=0.05)
        await asyncio.wait([late_task])
        assert isinstance(late_task.exception(), TimeoutError)
        assert scheduler.waiting == 0
        second = ask(scheduler, model, "c", "d")
        await until(lambda: scheduler.waiting == 2)
        model.let_go()
        assert await asyncio.gather(first, second) == [["first"], ["c", "d"]]
        assert model.calls == [["first"], ["c", "d"]]

    asyncio.run(go())


@pytest.mark.parametrize("rows_independent", [True, False])
def test_a_flood_of_full_calls_does_not_keep_another_group_waiting(rows_independent):
    async def go():
        scheduler, flooded, other = scheduler_of(max_batch_size=2), Model(), Model()
        flooded.rows_independent = rows_independent
        flood = [ask(scheduler, flooded, "aa", "bb") for _ in range(8)]
        await until(lambda: scheduler.waiting == 12)
        long_task = ask(scheduler, other, "a text of another length")
        more_tasks = [ask(scheduler, flooded, "cc", "dd") for _ in range(8)]
        await until(lambda: scheduler.waiting == 29)
        other.let_go()
        while not long_task.done():
            flooded.let_go(1)
            await asyncio.sleep(0.01)
        assert len(flooded.calls) <= 12
        flooded.let_go(100)
        await asyncio.gather(*flood, *more_tasks)

    asyncio.run(go())


def test_a_request_that_is_too_late_in_the_model_leaves_the_others_their_answers():
    async def go():
        scheduler, model = scheduler_of(), Model()
        first = await busy_with(scheduler, model)
        late_task, other = ask(scheduler, model, "a", seconds=0.3), ask(scheduler, model, "b")
        await until(lambda: scheduler.waiting == 2)
        model.let_go(1)
        await until(lambda: len(model.calls) == 2)
        await asyncio.wait([late_task])
        assert model.users == 1
        model.let_go()
        assert await asyncio.gather(first, other) == [["first"], ["b"]]
        assert isinstance(late_task.exception(), TimeoutError)
        assert model.calls[1] == ["a", "b"]

    asyncio.run(go())


@pytest.mark.parametrize("rows_independent", [True, False])
def test_a_request_that_is_cancelled_leaves_the_queue(rows_independent):
    async def go():
        scheduler, model = scheduler_of(), Model(rows_independent)
        row_counts = [await busy_with(scheduler, model), ask(scheduler, model, "a")]
        given_up = ask(scheduler, model, "b", "c")
        row_counts.append(ask(scheduler, model, "d"))
        await until(lambda: scheduler.waiting >= 3)
        waiting = scheduler.waiting
        given_up.cancel()
        await asyncio.wait([given_up])
        assert scheduler.waiting == waiting - 2
        model.let_go()
        assert await asyncio.gather(*row_counts) == [["first"], ["a"], ["d"]]
        assert sorted(text for call in model.calls for text in call) == ["a", "d", "first"]

    asyncio.run(go())


def test_a_request_that_does_not_fit_into_the_queue_is_refused():
    async def go():
        scheduler, model = scheduler_of(max_queue=3), Model()
        tasks = [await busy_with(scheduler, model), ask(scheduler, model, "a", "b")]
        await until(lambda: scheduler.waiting == 2)
        refused_task = ask(scheduler, model, "c", "d")
        await asyncio.wait([refused_task])
        assert code_of(refused_task) == StatusCode.UNAVAILABLE
        assert refused_task.exception().http_status == 503
        tasks.append(ask(scheduler, model, "e"))
        await until(lambda: scheduler.waiting == 3)
        with pytest.raises(ServingError, match="the queue of waiting texts is full"):
            scheduler.check_room()
        model.let_go()
        assert await asyncio.gather(*tasks) == [["first"], ["a", "b"], ["e"]]
        scheduler.check_room(3)

    asyncio.run(go())


def test_a_request_that_is_not_cut_up_takes_as_much_of_the_queue_as_it_has_texts():
    async def go():
        scheduler, model = scheduler_of(max_queue=5), Model(rows_independent=False)
        tasks = [await busy_with(scheduler, model), ask(scheduler, model, "in line")]
        await asyncio.sleep(0.01)
        tasks.append(ask(scheduler, model, *"abcd"))
        await until(lambda: scheduler.waiting == 4)
        refused_task = ask(scheduler, model, "e", "f")
        await asyncio.wait([refused_task])
        assert code_of(refused_task) == StatusCode.UNAVAILABLE
        model.let_go()
        assert await asyncio.gather(*tasks) == [["first"], ["in line"], list("abcd")]

    asyncio.run(go())


def test_as_many_calls_go_on_as_there_are_threads():
    async def go():
        scheduler, model = scheduler_of(threads=2), Model()
        tasks = [await busy_with(scheduler, model, "a"), await busy_with(scheduler, model, "b")]
        tasks.append(ask(scheduler, model, "c"))
        await until(lambda: scheduler.waiting == 1)
        assert model.users == 2
        model.let_go(1)
        await until(lambda: len(model.calls) == 3)
        model.let_go()
        assert await asyncio.gather(*tasks) == [["a"], ["b"], ["c"]]
        assert model.users == 0

    asyncio.run(go())


def test_the_event_loop_goes_on_while_a_model_works():
    async def go():
        scheduler, model = scheduler_of(), Model()
        task = await busy_with(scheduler, model)
        for _ in range(100):
            await asyncio.sleep(0)
        assert not task.done()
        model.let_go()
        assert await task == ["first"]

    asyncio.run(go())


def test_to_close_waits_for_the_call_that_goes_on():
    async def go():
        scheduler, model = scheduler_of(), Model()
        task = await busy_with(scheduler, model)
        close_task = asyncio.create_task(asyncio.to_thread(scheduler.close))
        await asyncio.sleep(0.02)
        assert not close_task.done()
        model.let_go()
        await close_task
        assert await task == ["first"]

    asyncio.run(go())


def test_nothing_piles_up_of_requests_that_are_over():
    async def go():
        scheduler, model = scheduler_of(), Model()
        row_counts = []
        for turn in range(5):
            tasks = [
                await busy_with(scheduler, model),
                *(ask(scheduler, model, text) for text in ("bad", "one", "two")),
            ]
            await until(lambda: scheduler.waiting == 3)
            tasks[3].cancel()
            model.let_go(4)
            await asyncio.gather(*tasks, return_exceptions=True)
            assert model.calls[-3:] == [["bad", "one"], ["bad"], ["one"]]
            if turn in (1, 4):
                gc.collect()
                row_counts.append(sum(type(instance) is _Row for instance in gc.get_objects()))
        assert row_counts[0] == row_counts[1]

    asyncio.run(go())

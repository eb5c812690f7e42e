"""Streams that join and leave the steps of a model, which end when the test lets them."""

import asyncio
import logging

import numpy as np
import pytest
from grpc import StatusCode

from keras_rnn.serving.server.decoding_batch import Sampling
from keras_rnn.serving.server.errors import ServingError
from keras_rnn.serving.server.streams import Streams
from tests.support.alphabet import BAD, LONG, Alphabet


def streams_of(**options):
    return Streams(**{"threads": 1, "max_streams": 8, **options})


class Text:
    """A text that is written: what has come of it so far."""

    def __init__(self, streams, alphabet, token=0, length=100, seed=0):
        self._events = asyncio.Queue()
        (self.stream,) = streams.open([Sampling(length, 1.0, 0, 1.0, seed)], self._events)
        self._start = lambda: streams.start(alphabet, [self.stream], np.array([token], np.int32), np.zeros((1, 1)))
        self.is_ended = False

    def start(self):
        self._start()
        return self

    async def read(self, tokens=1000):
        """The next tokens as a text, up to its end. Raises the error that ended it."""
        pieces = b""
        for _ in range(tokens):
            async with asyncio.timeout(LONG):
                _, token = await self._events.get()
            if isinstance(token, ServingError):
                raise token
            pieces += token.piece
            if token.is_last:
                self.is_ended = True
                break
        return pieces.decode()


async def until(condition):
    async with asyncio.timeout(LONG):
        while not condition():
            await asyncio.sleep(0.001)


def run(test, **options):
    """Runs `test(streams)` and closes the streams. Afterwards nothing is open."""

    async def whole():
        streams = streams_of(**options)
        try:
            return await test(streams)
        finally:
            await streams.close()
            assert streams.open_count == 0

    return asyncio.run(whole())


def test_a_text_is_written_to_its_end():
    alphabet = Alphabet()

    async def test(streams):
        return await Text(streams, alphabet).start().read(), await Text(streams, alphabet, length=3).start().read()

    assert run(test) == ("abcdefghijklmnopqrstuvwxyz", "abc")
    assert alphabet.users == 0


def test_a_stream_joins_the_next_step_and_leaves_when_it_ends():
    alphabet = Alphabet(busy=True)

    async def test(streams):
        first = Text(streams, alphabet, length=4).start()
        await until(lambda: alphabet.calls == [[0]])
        second = Text(streams, alphabet, token=10, length=2).start()
        alphabet.let_go(100)
        return await first.read(), await second.read()

    assert run(test) == ("abcd", "kl")
    assert alphabet.calls == [[0], [1, 10], [2, 11], [3]]


def test_a_closed_stream_leaves_with_the_next_step_and_makes_room_at_once():
    alphabet = Alphabet(busy=True)

    async def test(streams):
        first, second = Text(streams, alphabet).start(), Text(streams, alphabet, token=5, length=3).start()
        await until(lambda: len(alphabet.calls) == 1)
        assert streams.open_count == 2
        first.stream.close()
        first.stream.close()
        assert streams.open_count == 1
        alphabet.let_go(100)
        assert await second.read() == "fgh"
        assert streams.open_count == 0

    run(test)
    assert alphabet.calls == [[0, 5], [6], [7]]


def test_a_stream_that_is_closed_before_its_step_never_takes_part():
    alphabet = Alphabet(busy=True)

    async def test(streams):
        first = Text(streams, alphabet, length=2).start()
        await until(lambda: len(alphabet.calls) == 1)
        Text(streams, alphabet, token=9).start().stream.close()
        alphabet.let_go(100)
        await first.read()

    run(test)
    assert alphabet.calls == [[0], [1]]


def test_the_next_step_runs_while_tokens_are_delivered():
    alphabet = Alphabet(busy=True)

    async def test(streams):
        text = Text(streams, alphabet, length=9).start()
        alphabet.let_go()
        assert await text.read(1) == "a"
        await until(lambda: len(alphabet.calls) == 2)
        alphabet.let_go(100)
        assert await text.read() == "bcdefghi"

    run(test)


def test_a_model_rests_between_texts():
    alphabet = Alphabet()

    async def test(streams):
        assert await Text(streams, alphabet, length=2).start().read() == "ab"
        await until(lambda: alphabet.users == 0)
        assert await Text(streams, alphabet, token=3, length=2).start().read() == "de"

    run(test)
    assert len(alphabet.calls) == 4


def test_the_model_stays_in_use_until_its_last_step_has_ended():
    alphabet = Alphabet(busy=True)

    async def test(streams):
        text = Text(streams, alphabet).start()
        await until(lambda: alphabet.calls)
        text.stream.close()
        await asyncio.sleep(0.01)
        assert alphabet.users == 1
        alphabet.let_go()
        await until(lambda: alphabet.users == 0)

    run(test)
    assert len(alphabet.calls) == 1


@pytest.mark.parametrize(("batching", "independent"), [(False, True), (True, False)])
def test_texts_that_share_no_batch_have_their_own_steps(batching, independent):
    alphabet = Alphabet(rows_independent=independent)

    async def test(streams):
        texts = [Text(streams, alphabet, token=token, length=2).start() for token in (0, 5)]
        return [await text.read() for text in texts]

    assert run(test, batching=batching) == ["ab", "fg"]
    assert sorted(alphabet.calls) == [[0], [1], [5], [6]]


def test_two_models_take_turns():
    first, second = Alphabet(), Alphabet()

    async def test(streams):
        texts = [Text(streams, alphabet, length=3).start() for alphabet in (first, second)]
        return [await text.read() for text in texts]

    assert run(test) == ["abc", "abc"]
    assert first.calls == second.calls == [[0], [1], [2]]


def test_no_more_than_max_streams_are_open():
    alphabet = Alphabet()

    async def test(streams):
        texts = [Text(streams, alphabet) for _ in range(2)]
        with pytest.raises(ServingError) as error:
            Text(streams, alphabet)
        assert (error.value.code, error.value.http_status) == (StatusCode.UNAVAILABLE, 503)
        assert streams.open_count == 2
        texts[0].stream.close()
        assert len(await Text(streams, alphabet).start().read()) == 26
        texts[1].stream.close()

    run(test, max_streams=2)


def test_a_bad_text_ends_with_an_error_and_the_others_go_on(caplog):
    alphabet = Alphabet()

    async def test(streams):
        texts = [Text(streams, alphabet, token=token, length=2).start() for token in (0, BAD, 5)]
        with pytest.raises(ServingError) as error:
            await texts[1].read()
        assert (error.value.code, error.value.message) == (StatusCode.INTERNAL, "internal error")
        return await texts[0].read(), await texts[2].read()

    with caplog.at_level(logging.ERROR, "keras_rnn.serve"):
        assert run(test) == ("ab", "fg")
    assert [record.getMessage() for record in caplog.records] == ["model alphabet version 1 does not go on with a text"]


def test_a_model_that_fails_ends_all_its_texts(caplog):
    alphabet = Alphabet(error=RuntimeError("the secret of the model"))

    async def test(streams):
        for text in [Text(streams, alphabet).start() for _ in range(2)]:
            with pytest.raises(ServingError) as error:
                await text.read()
            assert error.value.message == "internal error"
        await until(lambda: alphabet.users == 0)
        alphabet.error = None
        return await Text(streams, alphabet, length=1).start().read()

    with caplog.at_level(logging.ERROR, "keras_rnn.serve"):
        assert run(test) == "a"
    assert [record.getMessage() for record in caplog.records] == ["model alphabet version 1 failed"]


def test_the_sizes_of_steps_are_reported():
    sizes = []
    alphabet = Alphabet()

    async def test(streams):
        texts = [Text(streams, alphabet, length=length).start() for length in (1, 3)]
        for text in texts:
            await text.read()

    run(test, on_step=sizes.append)
    assert sizes == [2, 1, 1]


def test_closing_waits_for_the_running_step():
    alphabet = Alphabet(busy=True)

    async def test(streams):
        Text(streams, alphabet).start()
        await until(lambda: alphabet.calls)
        asyncio.get_running_loop().call_later(0.05, alphabet.let_go)

    run(test)
    assert (alphabet.users, len(alphabet.calls)) == (0, 1)

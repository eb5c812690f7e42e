"""What a client may ask of /v1/completions: tokens, limits, times, and a server that stops."""

import contextlib
import json
import signal
from concurrent.futures import ThreadPoolExecutor

import openai
import pytest

from tests.support.serving import serving, until

# The most probable tokens of the model never end a text.
ENDLESS = {"model": "word", "prompt": "a", "max_tokens": 10_000_000, "temperature": 0}
LIMITS = ["--max-streams", 3, "--max-new-tokens", 10_000_000, "--max-text-bytes", 100]


def client_of(server, token="first"):
    return openai.OpenAI(base_url=f"http://127.0.0.1:{server.rest_port}/v1", api_key=token, max_retries=0)


@pytest.fixture(scope="module")
def server(writers, tmp_path_factory):
    folder = tmp_path_factory.mktemp("limited")
    (folder / "tokens").write_text("first\n")
    options = [*LIMITS, "--timeout-seconds", 2, "--token-file", folder / "tokens"]
    with serving(writers / "word", folder / "log", *options) as running:
        yield running


@pytest.fixture(scope="module")
def client(server):
    with client_of(server) as client:
        yield client


def streams(server):
    return server.metrics(Authorization="Bearer first")["keras_rnn_streams"]


def test_a_token_is_needed(server, client):
    assert [model.id for model in client.models.list()] == ["word"]
    with client_of(server, "wrong") as stranger:
        with pytest.raises(openai.AuthenticationError) as error:
            stranger.completions.create(model="word", prompt="a")
        assert error.value.code == "invalid_api_key"
        with pytest.raises(openai.AuthenticationError):
            stranger.models.list()


def test_a_text_beyond_a_limit_is_413(client):
    with pytest.raises(openai.APIStatusError) as error:
        client.completions.create(model="word", prompt="a" * 101)
    assert (error.value.status_code, error.value.param) == (413, "prompt")
    with pytest.raises(openai.APIStatusError) as error:
        client.completions.create(model="word", prompt="a", n=4)
    assert (error.value.status_code, error.value.param) == (413, "n")


def test_more_streams_than_there_may_be_are_503(server, client):
    with contextlib.ExitStack() as stack:
        for _ in range(3):
            next(stack.enter_context(client.completions.create(**ENDLESS, stream=True)))
        with pytest.raises(openai.InternalServerError) as error:
            client.completions.create(model="word", prompt="a", max_tokens=1)
        assert (error.value.status_code, error.value.response.headers["retry-after"]) == (503, "1")
        assert error.value.type == "server_error"
    until(lambda: streams(server) == 0)
    assert client.completions.create(model="word", prompt="a", max_tokens=1, n=3).choices


def test_a_text_that_takes_too_long_is_504(server, client):
    with pytest.raises(openai.InternalServerError) as error:
        client.completions.create(**ENDLESS)
    assert error.value.status_code == 504
    assert error.value.body["message"] == "the request was not answered within its time limit"
    until(lambda: streams(server) == 0)


def test_a_stream_that_takes_too_long_ends_with_an_error(server, client):
    events = []
    stream = client.completions.create(**ENDLESS, stream=True)
    with pytest.raises(openai.APIError, match="not answered within its time limit"):
        events.extend(stream)
    assert len(events) > 10
    until(lambda: streams(server) == 0)


def test_a_client_that_does_not_read_is_left(server):
    """Its answer fills the buffers, and then the time ends."""
    with contextlib.closing(server.connect()) as connection:
        body = json.dumps({**ENDLESS, "n": 3, "stream": True})
        connection.request("POST", "/v1/completions", body, {"Authorization": "Bearer first"})
        until(lambda: streams(server) == 3)
        until(lambda: streams(server) == 0)


def test_a_stopping_server_lets_streams_end_and_gives_up_the_others(writers, tmp_path):
    with (
        serving(writers / "word", tmp_path / "log", *LIMITS, "--grace-seconds", 3) as server,
        client_of(server) as client,
        ThreadPoolExecutor() as pool,
    ):
        short, endless = (
            client.completions.create(**{**ENDLESS, "max_tokens": tokens}, stream=True) for tokens in (600, 10_000_000)
        )
        next(short), next(endless)
        stopped = pool.submit(server.stop, signal.SIGTERM)
        assert list(short)[-1].choices[0].finish_reason == "length"
        with pytest.raises(openai.APIError, match="the server is stopping"):
            list(endless)
        assert stopped.result() == 0
        requests = [line for line in server.log() if line.get("method") == "completions"]
        assert [line["code"] for line in requests] == ["OK", "UNAVAILABLE"]

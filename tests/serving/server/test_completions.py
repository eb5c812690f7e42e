"""OpenAI's client against a server in a process of its own."""

import asyncio
import contextlib
import json

import numpy as np
import openai
import pytest

from tests.support.serving import busy, serving, until

PROMPTS = {"subword": ["the ", "", "☃ naïve"], "word": ["the cat", "", "the cat\n", "a "]}
OPTIONS = {"max_tokens": 40, "temperature": 0.9, "top_p": 0.9, "extra_body": {"top_k": 50}}
ENDLESS = {"model": "word", "max_tokens": 4096, "temperature": 0}  # its most probable tokens never end a text


@pytest.fixture(scope="module")
def server(writers, tmp_path_factory):
    log = tmp_path_factory.mktemp("completions") / "log"
    with serving(writers, log, "--label", "word:stable=1") as running:
        yield running


@pytest.fixture(scope="module")
def client(server):
    with openai.OpenAI(base_url=f"http://127.0.0.1:{server.rest_port}/v1", api_key="none", max_retries=0) as client:
        yield client


def default_answer(server, model, prompt, seed):
    """What `serving_default` gives for a prompt with OPTIONS."""
    inputs = {"prompt": prompt, "length": 40, "temperature": 0.9, "top_k": 50, "top_p": 0.9, "seed": seed}
    answer = server.post(f"/v1/models/{model}:predict", {"inputs": {name: [value] for name, value in inputs.items()}})
    return {name: values[0] for name, values in answer.json["outputs"].items()}


def completion_lines(server, code):
    """The lines of the log about completions that ended so."""
    return [line for line in server.log() if (line.get("method"), line.get("code")) == ("completions", code)]


def parts_of(stream):
    """The events of a stream, and the text, finish reason and number of parts of each choice."""
    events, choices = list(stream), {}
    for event in events:
        for choice in event.choices:
            text, reason, count = choices.get(choice.index, ("", None, 0))
            assert reason is None
            choices[choice.index] = (text + choice.text, choice.finish_reason, count + 1)
    assert {(event.id, event.object) for event in events} == {(events[0].id, "text_completion")}
    return events, choices


@pytest.mark.parametrize("model", PROMPTS)
def test_the_same_seed_writes_what_serving_default_writes(model, server, client):
    reasons = set()
    for seed, prompt in enumerate(PROMPTS[model] * 2):
        expected = default_answer(server, model, prompt, seed)
        answer = client.completions.create(model=model, prompt=prompt, seed=seed, logprobs=0, **OPTIONS)
        (choice,) = answer.choices
        assert choice.text == expected["text"]
        ended = expected["tokens"][-1] == 2
        assert choice.finish_reason == ("stop" if ended else "length")
        assert answer.usage.completion_tokens == len(expected["tokens"])
        count = len(expected["tokens"]) - ended
        np.testing.assert_allclose(
            choice.logprobs.token_logprobs, expected["log_probabilities"][:count], atol=1e-5, rtol=0
        )
        reasons.add(choice.finish_reason)
    assert "length" in reasons
    assert "stop" in reasons or model == "subword"


@pytest.mark.parametrize("model", PROMPTS)
def test_a_streamed_text_is_the_whole_one(model, client):
    for prompt in PROMPTS[model]:
        whole = client.completions.create(model=model, prompt=prompt, seed=3, **OPTIONS).choices[0]
        stream = client.completions.create(model=model, prompt=prompt, seed=3, stream=True, **OPTIONS)
        _, choices = parts_of(stream)
        text, reason, count = choices[0]
        assert (text, reason) == (whole.text, whole.finish_reason)
        assert count > 1


def test_pieces_that_part_a_character_come_as_whole_characters(client):
    """Half the pieces of the model are bytes of no ASCII character: few of them together are UTF-8."""
    stream = client.completions.create(model="subword", prompt="", seed=1, max_tokens=200, stream=True)
    assert "\ufffd" in "".join(event.choices[0].text for event in stream)


def test_the_answer_has_openai_s_form(server, client):
    answer = client.completions.create(model="word", prompt="the cat", seed=1, max_tokens=5)
    assert answer.object == "text_completion"
    assert answer.id.startswith("cmpl-")
    assert answer.model == "word"
    assert answer.system_fingerprint == "word/1"
    assert (answer.choices[0].index, answer.choices[0].logprobs) == (0, None)
    assert (answer.usage.prompt_tokens, answer.usage.total_tokens) == (2, 2 + answer.usage.completion_tokens)
    body = {"model": "word", "prompt": "the", "seed": 1, "stream": True}
    raw = server.post("/v1/completions", body)
    assert raw.headers["content-type"] == "text/event-stream; charset=utf-8"
    lines = raw.body.decode().split("\n\n")
    assert lines[-2:] == ["data: [DONE]", ""]
    assert all(json.loads(line.removeprefix("data: "))["object"] == "text_completion" for line in lines[:-2])


def test_each_prompt_has_n_texts_of_following_seeds(client):
    prompts = ["the", "a cat"]
    together = client.completions.create(model="word", prompt=prompts, n=3, seed=7, **OPTIONS)
    assert [choice.index for choice in together.choices] == list(range(6))
    alone = [
        client.completions.create(model="word", prompt=prompt, seed=seed, **OPTIONS).choices[0].text
        for prompt in prompts
        for seed in (7, 8, 9)
    ]
    assert [choice.text for choice in together.choices] == alone
    assert len(set(alone)) > 3
    assert together.usage.prompt_tokens == 1 + 2
    stream = client.completions.create(model="word", prompt=prompts, n=3, seed=7, stream=True, **OPTIONS)
    _, choices = parts_of(stream)
    assert [choices[index][0] for index in range(6)] == alone


def test_a_stop_string_ends_the_text_before_it(client):
    request = {"model": "word", "prompt": "the", "seed": 2, "max_tokens": 60}
    whole = client.completions.create(**request).choices[0].text
    words = whole.split(" ")
    stop = f"{words[4]} {words[5]}"
    for stops in (stop, ["never", stop]):
        stopped = client.completions.create(**request, stop=stops)
        assert stopped.choices[0].text == whole[: whole.index(stop)]
        assert stopped.choices[0].finish_reason == "stop"
        assert stopped.usage.completion_tokens < 60
        _, choices = parts_of(client.completions.create(**request, stop=stops, stream=True))
        assert choices[0][:2] == (stopped.choices[0].text, "stop")
    assert client.completions.create(**request, stop="never").choices[0].text == whole


def test_the_prompt_is_repeated_where_it_is_asked_for(client):
    request = {"model": "word", "prompt": ["the cat", "a"], "seed": 2}
    alone = client.completions.create(**request)
    repeated = client.completions.create(**request, echo=True)
    expected = [prompt + choice.text for prompt, choice in zip(request["prompt"], alone.choices, strict=True)]
    assert [choice.text for choice in repeated.choices] == expected


def test_log_probabilities_stand_beside_the_tokens(client):
    request = {"model": "word", "prompt": "the", "seed": 2, "logprobs": 1, "max_tokens": 6}
    choice = client.completions.create(**request).choices[0]
    assert "".join(choice.logprobs.tokens) == choice.text
    offsets = np.cumsum([0, *map(len, choice.logprobs.tokens)])[:-1]
    assert choice.logprobs.text_offset == offsets.tolist()
    pairs = zip(choice.logprobs.tokens, choice.logprobs.token_logprobs, strict=True)
    assert choice.logprobs.top_logprobs == [{token: number} for token, number in pairs]
    events, _ = parts_of(client.completions.create(**request, stream=True))
    streamed = [number for event in events for number in event.choices[0].logprobs.token_logprobs]
    assert streamed == pytest.approx(choice.logprobs.token_logprobs, abs=1e-5)


def test_a_stream_tells_its_usage_where_it_is_asked_for(client):
    request = {"model": "word", "prompt": "the cat", "seed": 1, "max_tokens": 5, "stream": True}
    *parts, last = client.completions.create(**request, stream_options={"include_usage": True})
    assert all(part.usage is None for part in parts)
    assert (last.choices, last.usage.prompt_tokens, last.usage.completion_tokens) == ([], 2, 5)


def test_without_a_seed_texts_differ(client):
    texts = [client.completions.create(model="word", prompt="a", max_tokens=30).choices[0].text for _ in range(4)]
    assert len(set(texts)) > 1


@pytest.mark.parametrize("model", ["word:1", "word:stable"])
def test_a_model_is_named_with_its_version_or_label(model, client):
    answer = client.completions.create(model=model, prompt="the", seed=1)
    assert (answer.model, answer.system_fingerprint) == (model, "word/1")
    assert answer.choices[0].text == client.completions.create(model="word", prompt="the", seed=1).choices[0].text


def test_the_models_that_write_are_listed(server, client):
    assert [model.id for model in client.models.list()] == ["subword", "word"]
    assert server.get("/v1/models/word").json["model_version_status"][0]["state"] == "AVAILABLE"


@pytest.mark.parametrize(
    ("options", "param", "message"),
    [
        ({"best_of": 3}, "best_of", "best_of is not served; it takes 1 alone"),
        ({"temperature": 3}, "temperature", "temperature takes a number from 0 to 2, got 3"),
        ({"max_tokens": 5000}, "max_tokens", "max_tokens takes a whole number from 1 to 4096, got 5000"),
        ({"extra_body": {"tools": []}}, "tools", "tools is not served"),
        ({"prompt": [5, 6]}, "prompt", "prompt takes a string or a list of strings, no token ids, got [5, 6]"),
        (
            {"model": "echo"},
            "model",
            "model echo writes no texts; it lacks one of the signatures prefill, step, uniforms",
        ),
        ({"model": "word:new"}, None, "Unrecognized servable version label: new"),
    ],
)
def test_what_is_refused_is_named(options, param, message, client):
    with pytest.raises(openai.BadRequestError) as error:
        client.completions.create(**{"model": "word", "prompt": "a", **options})
    assert (error.value.param, error.value.type) == (param, "invalid_request_error")
    assert error.value.body["message"] == message


@pytest.mark.parametrize("model", ["none", "word:7"])
def test_a_model_that_is_not_there_is_404(model, client):
    with pytest.raises(openai.NotFoundError) as error:
        client.completions.create(model=model, prompt="a")
    assert error.value.code == "model_not_found"


def test_a_body_that_is_no_json_is_400(server):
    answer = server.post("/v1/completions", b"{")
    assert answer.status == 400
    assert answer.json["error"]["message"].startswith("JSON Parse error")
    assert server.get("/v1/completions").json == {"error": "Malformed request: GET /v1/completions"}


def test_many_streams_at_once_write_what_each_writes_alone(server, client):
    requests = [
        {"model": "word", "prompt": PROMPTS["word"][seed % 4], "seed": seed, "max_tokens": 20 + 2 * seed}
        for seed in range(32)
    ]
    alone = [client.completions.create(**request).choices[0].text for request in requests]
    before = server.metrics()

    async def read(request):
        stream = await asynchronous.completions.create(**request, stream=True)
        return "".join([event.choices[0].text async for event in stream])

    async def all_together():
        async with asynchronous:
            return await asyncio.gather(*map(read, requests))

    address = f"http://127.0.0.1:{server.rest_port}/v1"
    asynchronous = openai.AsyncOpenAI(base_url=address, api_key="none", max_retries=0)
    assert asyncio.run(all_together()) == alone
    after = server.metrics()
    steps, tokens = (after[name] - before[name] for name in ("keras_rnn_step_size_count", "keras_rnn_tokens_total"))
    assert tokens / steps > 4
    assert after["keras_rnn_streams"] == 0


@pytest.mark.parametrize("streamed", [True, False])
def test_a_client_that_leaves_frees_its_row(streamed, server):
    """The text would take 4096 steps."""
    began, lines = server.metrics()["keras_rnn_tokens_total"], completion_lines(server, "CANCELLED")
    with contextlib.closing(server.connect()) as connection:
        body = json.dumps({**ENDLESS, "prompt": "a", "stream": streamed})
        connection.request("POST", "/v1/completions", body)
        if streamed:
            assert connection.getresponse().read(100).startswith(b"data: ")
        until(lambda: server.metrics()["keras_rnn_tokens_total"] > began)
    until(lambda: server.metrics()["keras_rnn_streams"] == 0)
    (line,) = until(lambda: completion_lines(server, "CANCELLED")[len(lines) :])
    assert (line["error"], line["rows"]) == ("the client went away", 1)
    ended = server.metrics()["keras_rnn_tokens_total"]
    assert ended - began < 4096
    assert server.metrics()["keras_rnn_tokens_total"] == ended


def test_streams_go_on_while_a_prompt_waits_for_a_busy_model(server, client, tmp_path):
    stream = client.completions.create(**ENDLESS, prompt="a", stream=True)
    next(stream)
    with busy(server, tmp_path / "open") as in_the_model:
        before = server.metrics()["keras_rnn_tokens_total"]
        until(lambda: server.metrics()["keras_rnn_tokens_total"] > before + 50)
        assert not in_the_model.done()
    stream.close()


def test_the_log_and_the_metrics_have_no_texts(server, client):
    lines = completion_lines(server, "OK")
    client.completions.create(model="word", prompt="a secret", max_tokens=3, user="someone")
    (line,) = until(lambda: completion_lines(server, "OK")[len(lines) :])
    assert {name: line[name] for name in ("protocol", "model", "version", "rows", "code")} == {
        "protocol": "REST",
        "model": "word",
        "version": 1,
        "rows": 1,
        "code": "OK",
    }
    assert "secret" not in server.log_text()
    labels = '{method="completions",model="word",protocol="REST"}'
    assert server.metrics()[f"keras_rnn_requests_total{labels}"] > 0

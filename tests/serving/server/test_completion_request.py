"""The bodies of /v1/completions: what they ask for, and the fields that are refused by name."""

import json

import pytest

from keras_rnn.serving.server.completion_request import completion_request, model_target
from keras_rnn.serving.server.decoding_batch import Sampling
from keras_rnn.serving.server.errors import ServingError
from keras_rnn.serving.server.settings import ServerSettings


@pytest.fixture(scope="module")
def settings(tmp_path_factory):
    folder = tmp_path_factory.mktemp("models")
    return ServerSettings(folder, max_streams=8, max_new_tokens=100, max_text_bytes=20, max_texts=6)


def refusal(call, *arguments):
    with pytest.raises(ServingError) as error:
        call(*arguments)
    return error.value.http_status, error.value.param, error.value.message


def test_the_defaults_are_openai_s(settings):
    request = completion_request({"model": "m", "prompt": "a", "user": {"any": "thing"}}, settings)
    assert (request.prompts, request.n, request.stops) == (["a"], 1, [])
    assert not any((request.echo, request.with_logprobs, request.is_streamed, request.with_usage))
    (sampling,) = request.samplings
    assert Sampling(16, 1.0, 0, 1.0, sampling.seed) == sampling
    assert 0 <= sampling.seed < 2**31


def test_a_missing_prompt_is_the_beginning_of_a_text(settings):
    assert completion_request({}, settings).prompts == [""]


def test_null_counts_as_missing(settings):
    names = ["prompt", "max_tokens", "temperature", "seed", "n", "stop", "stream", "logprobs", "best_of", "suffix"]
    request = completion_request(dict.fromkeys(names), settings)
    assert (request.prompts, request.samplings[0].length) == ([""], 16)


def test_each_prompt_has_its_choices_with_one_seed_after_the_other(settings):
    body = {"prompt": ["a", "b"], "n": 3, "seed": 5, "max_tokens": 7, "temperature": 0, "top_p": 0.5, "top_k": 4}
    request = completion_request(body, settings)
    assert request.samplings == [Sampling(7, 0.0, 4, 0.5, seed) for seed in (5, 6, 7)] * 2


def test_without_a_seed_requests_differ(settings):
    assert len({completion_request({}, settings).samplings[0].seed for _ in range(20)}) > 1


def test_stop_is_a_string_or_a_list(settings):
    assert completion_request({"stop": "x"}, settings).stops == ["x"]
    assert completion_request({"stop": ["x", "yz"]}, settings).stops == ["x", "yz"]


def test_values_without_effect_are_served(settings):
    body = {"best_of": 1, "presence_penalty": 0.0, "frequency_penalty": 0, "logit_bias": {}, "suffix": ""}
    assert completion_request(body, settings).n == 1


def test_logprobs_of_0_are_those_of_the_tokens_alone(settings):
    request = completion_request({"logprobs": 0}, settings)
    assert (request.with_logprobs, request.with_top) == (True, False)
    assert completion_request({"logprobs": 5}, settings).with_top


def test_usage_is_asked_for_by_a_stream_option(settings):
    assert completion_request({"stream": True, "stream_options": {"include_usage": True}}, settings).with_usage


REFUSED = [
    ({"tools": []}, "tools is not served"),
    ({"best_of": 2}, "best_of is not served; it takes 1 alone"),
    ({"logit_bias": {"5": 1}}, "logit_bias is not served; it takes {} alone"),
    ({"presence_penalty": 0.5}, "presence_penalty is not served; it takes 0 alone"),
    ({"frequency_penalty": -1}, "frequency_penalty is not served; it takes 0 alone"),
    ({"suffix": "x"}, 'suffix is not served; it takes "" alone'),
    ({"prompt": [1, 2]}, "prompt takes a string or a list of strings, no token ids, got [1, 2]"),
    ({"prompt": [[1]]}, "prompt takes a string or a list of strings, no token ids, got [[1]]"),
    ({"prompt": []}, "prompt takes a string or a list of strings, no token ids, got []"),
    ({"prompt": "\ud800"}, "prompt takes text, got half a surrogate pair"),
    ({"max_tokens": 0}, "max_tokens takes a whole number from 1 to 100, got 0"),
    ({"max_tokens": 101}, "max_tokens takes a whole number from 1 to 100, got 101"),
    ({"max_tokens": 1.5}, "max_tokens takes a whole number from 1 to 100, got 1.5"),
    ({"max_tokens": True}, "max_tokens takes a whole number from 1 to 100, got true"),
    ({"temperature": -0.1}, "temperature takes a number from 0 to 2, got -0.1"),
    ({"temperature": "hot"}, 'temperature takes a number from 0 to 2, got "hot"'),
    ({"temperature": float("nan")}, "temperature takes a number from 0 to 2, got NaN"),
    ({"top_p": 0}, "top_p takes a number above 0 and up to 1, got 0"),
    ({"top_p": 1.1}, "top_p takes a number from 0 to 1, got 1.1"),
    ({"top_k": -1}, "top_k takes a whole number from 0 to 2147483647, got -1"),
    ({"seed": -1}, "seed takes a whole number from 0 to 2147483647, got -1"),
    ({"seed": 2**31 - 1, "n": 2}, "seed takes a whole number from 0 to 2147483646, got 2147483647"),
    ({"n": 0}, "n takes a whole number from 1 to 2147483647, got 0"),
    ({"stop": ["a"] * 5}, 'stop takes up to 4 strings of 1 to 1000 characters, got ["a", "a", "a", "a", "a"]'),
    ({"stop": ""}, 'stop takes up to 4 strings of 1 to 1000 characters, got ""'),
    ({"stop": 3}, "stop takes up to 4 strings of 1 to 1000 characters, got 3"),
    ({"stream": 1}, "stream takes true or false, got 1"),
    ({"echo": "yes"}, 'echo takes true or false, got "yes"'),
    ({"logprobs": 6}, "logprobs takes a whole number from 0 to 5, got 6"),
    ({"logprobs": -1}, "logprobs takes a whole number from 0 to 5, got -1"),
    ({"logprobs": 0, "echo": True}, "logprobs is not served with echo; the signature score has those of a prompt"),
    ({"stream_options": {"other": 1}}, 'stream_options takes an object with include_usage alone, got {"other": 1}'),
]


@pytest.mark.parametrize(("body", "message"), REFUSED, ids=[json.dumps(body)[:40] for body, _ in REFUSED])
def test_what_is_not_served_is_refused_by_name(body, message, settings):
    assert refusal(completion_request, body, settings) == (400, next(iter(body)), message)


def test_long_values_are_shown_in_part(settings):
    _, _, message = refusal(completion_request, {"prompt": ["a" * 500, 1]}, settings)
    assert len(message) < 200


def test_what_is_beyond_a_limit_is_413(settings):
    too_long = (413, "prompt", "prompt takes at most 20 bytes, got 22")
    assert refusal(completion_request, {"prompt": ["a", "é" * 11]}, settings) == too_long
    too_many = (413, "n", "a request takes at most 6 texts, prompts times n, got 8")
    assert refusal(completion_request, {"prompt": ["a"] * 4, "n": 2}, settings) == too_many
    assert refusal(completion_request, {"n": 2**31 - 1}, settings)[:2] == (413, "n")
    assert refusal(completion_request, {"prompt": ["a"] * 7}, settings)[:2] == (413, "prompt")


@pytest.mark.parametrize(
    ("model", "target"),
    [("m", ("m", None, None)), ("m:12", ("m", "12", None)), ("my model:stable", ("my model", None, "stable"))],
)
def test_a_model_is_named_with_its_version_or_label(model, target):
    assert model_target({"model": model}) == target


@pytest.mark.parametrize("model", [None, "", 3, "a/b", "a:b:c", ":1", "a:"])
def test_what_names_no_model_is_refused(model):
    status, param, message = refusal(model_target, {"model": model})
    assert (status, param) == (400, "model")
    assert message.startswith("model takes NAME, NAME:VERSION or NAME:LABEL, got ")

"""The bodies of OpenAI's `/v1/completions`: https://platform.openai.com/docs/api-reference/completions/create."""

import json
import re
import secrets
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from keras_rnn.serving.server.decoding_batch import Sampling
from keras_rnn.serving.server.errors import ServingError, invalid, too_large
from keras_rnn.serving.server.settings import ServerSettings

MAX_STOPS, MAX_STOP_CHARACTERS = 4, 1000
MAX_LOGPROBS = 5
MAX_TEMPERATURE = 2.0
SEEDS = 2**31  # from 0 on
LARGEST_INT32 = 2**31 - 1

_SERVED = {
    "model",
    "prompt",
    "max_tokens",
    "temperature",
    "top_p",
    "top_k",
    "seed",
    "n",
    "stop",
    "stream",
    "stream_options",
    "echo",
    "logprobs",
}
_IGNORED = {"user"}
# Fields that are served only with a value that changes nothing.
_WITHOUT_EFFECT: dict[str, Any] = {
    "best_of": 1,
    "frequency_penalty": 0,
    "logit_bias": {},
    "presence_penalty": 0,
    "suffix": "",
}


@dataclass(frozen=True)
class CompletionRequest:
    """What a request asks for.

    prompts: the texts to go on with.
    n: how many texts follow each prompt.
    samplings: of the choices: of the `n` of the first prompt, of the `n` of the second, ...
    with_logprobs: whether the answer has the log-probability of each token; with_top: and in `top_logprobs`, too.
    """

    prompts: list[str]
    n: int
    samplings: list[Sampling]
    stops: list[str]
    echo: bool
    with_logprobs: bool
    with_top: bool
    is_streamed: bool
    with_usage: bool


def model_target(document: Mapping[str, Any]) -> tuple[str, str | None, str | None]:
    """Returns the name, version and label in `model`: NAME, NAME:VERSION or NAME:LABEL."""
    model = document.get("model")
    match = re.fullmatch(r"([^/:]+)(?::(?:(\d+)|([^/:]+)))?", model, re.ASCII) if isinstance(model, str) else None
    if match is None:
        raise _refusal("model", "takes NAME, NAME:VERSION or NAME:LABEL", model)
    return match[1], match[2], match[3]


def completion_request(document: Mapping[str, Any], settings: ServerSettings) -> CompletionRequest:
    """Returns what the body asks for. A field that is null counts as missing.

    Raises:
        ServingError: with the field as `param`, a field that is not served or a value out of its range.
    """
    fields = {name: value for name, value in document.items() if value is not None and name not in _IGNORED}
    for name, value in fields.items():
        if name not in _SERVED and (name not in _WITHOUT_EFFECT or value != _WITHOUT_EFFECT[name]):
            raise invalid(f"{name[:100]} is not served" + _only(name), param=name[:100])
    prompts = _prompts(fields.get("prompt", ""), settings)
    n = _whole(fields, "n", 1, 1, LARGEST_INT32)
    most = min(settings.max_streams, settings.max_texts)
    if len(prompts) * n > most:
        message = f"a request takes at most {most} texts, prompts times n, got {len(prompts) * n}"
        raise too_large(message, param="n" if n > 1 else "prompt")
    stream_options = _stream_options(fields)
    logprobs = _whole(fields, "logprobs", -1, 0, MAX_LOGPROBS)
    echo = _flag(fields, "echo")
    if echo and logprobs >= 0:
        raise invalid("logprobs is not served with echo; the signature score has those of a prompt", param="logprobs")
    return CompletionRequest(
        prompts=prompts,
        n=n,
        samplings=_samplings(fields, n, settings) * len(prompts),
        stops=_stops(fields.get("stop", [])),
        echo=echo,
        with_logprobs=logprobs >= 0,
        with_top=logprobs > 0,
        is_streamed=_flag(fields, "stream"),
        with_usage=_flag(stream_options, "include_usage", prefix="stream_options."),
    )


def _prompts(prompt: Any, settings: ServerSettings) -> list[str]:
    prompts = [prompt] if isinstance(prompt, str) else prompt
    if not isinstance(prompts, list) or not prompts or not all(isinstance(text, str) for text in prompts):
        raise _refusal("prompt", "takes a string or a list of strings, no token ids", prompt)
    for text in prompts:
        size = len(_encoded("prompt", text))
        if size > settings.max_text_bytes:
            raise too_large(f"prompt takes at most {settings.max_text_bytes} bytes, got {size}", param="prompt")
    return prompts


def _samplings(fields: Mapping[str, Any], n: int, settings: ServerSettings) -> list[Sampling]:
    options = {
        "length": _whole(fields, "max_tokens", min(16, settings.max_new_tokens), 1, settings.max_new_tokens),
        "temperature": _number(fields, "temperature", 1.0, 0.0, MAX_TEMPERATURE),
        "top_k": _whole(fields, "top_k", 0, 0, LARGEST_INT32),
        "top_p": _number(fields, "top_p", 1.0, 0.0, 1.0),
    }
    if options["top_p"] == 0:
        raise _refusal("top_p", "takes a number above 0 and up to 1", 0)
    seed = _whole(fields, "seed", secrets.randbelow(SEEDS - n), 0, SEEDS - n)
    return [Sampling(**options, seed=seed + choice) for choice in range(n)]


def _stops(stop: Any) -> list[str]:
    stops = [stop] if isinstance(stop, str) else stop
    is_served = isinstance(stops, list) and len(stops) <= MAX_STOPS
    if not is_served or not all(isinstance(text, str) and 0 < len(text) <= MAX_STOP_CHARACTERS for text in stops):
        raise _refusal("stop", f"takes up to {MAX_STOPS} strings of 1 to {MAX_STOP_CHARACTERS} characters", stop)
    return stops


def _stream_options(fields: Mapping[str, Any]) -> dict[str, Any]:
    options = fields.get("stream_options", {})
    if not isinstance(options, dict) or not options.keys() <= {"include_usage"}:
        raise _refusal("stream_options", "takes an object with include_usage alone", options)
    return {name: value for name, value in options.items() if value is not None}


def _whole(fields: Mapping[str, Any], name: str, default: int, lowest: int, highest: int) -> int:
    value = fields.get(name, default)
    if name in fields and not (type(value) is int and lowest <= value <= highest):
        raise _refusal(name, f"takes a whole number from {lowest} to {highest}", value)
    return value


def _number(fields: Mapping[str, Any], name: str, default: float, lowest: float, highest: float) -> float:
    value = fields.get(name, default)
    if not (type(value) in (int, float) and lowest <= value <= highest):
        raise _refusal(name, f"takes a number from {lowest:g} to {highest:g}", value)
    return float(value)


def _flag(fields: Mapping[str, Any], name: str, prefix: str = "") -> bool:
    value = fields.get(name, False)
    if not isinstance(value, bool):
        raise _refusal(prefix + name, "takes true or false", value)
    return value


def _encoded(name: str, text: str) -> bytes:
    try:
        return text.encode()
    except UnicodeEncodeError:
        raise invalid(f"{name} takes text, got half a surrogate pair", param=name) from None


def _only(name: str) -> str:
    return f"; it takes {json.dumps(_WITHOUT_EFFECT[name])} alone" if name in _WITHOUT_EFFECT else ""


def _refusal(name: str, expected: str, value: Any) -> ServingError:
    shown = json.dumps(value)
    return invalid(f"{name} {expected}, got {shown if len(shown) <= 100 else shown[:97] + '...'}", param=name)

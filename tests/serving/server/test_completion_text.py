"""A choice as it grows: text, finish reason and log-probabilities."""

import numpy as np
import pytest

from keras_rnn.serving.server.completion_request import CompletionRequest
from keras_rnn.serving.server.completion_text import ChoiceText, join_choice
from keras_rnn.serving.server.decoding_batch import Sampling, Token


def request_of(**options):
    defaults = {"prompts": ["p"], "n": 1, "stops": [], "echo": False, "with_logprobs": False, "with_top": False}
    sampling = Sampling(9, 1.0, 0, 1.0, 0)
    return CompletionRequest(**{**defaults, **options}, samplings=[sampling], is_streamed=False, with_usage=False)


def parts_of(pieces, ends=False, drops_spaces=False, **options):
    """The choice after each piece. The last is followed by the end of the text, or is the last that fits."""
    choice = ChoiceText(0, request_of(**options), drops_spaces)
    last = len(pieces) - 1
    tokens = [Token(piece, np.float32(-index / 4), not ends and index == last) for index, piece in enumerate(pieces)]
    if ends:
        tokens.append(Token(b"", np.float32(-9), True))
    parts = []
    for token in tokens:
        if not choice.is_finished:
            parts.append(choice.add(token))
    assert choice.is_finished
    return parts


def texts_of(*arguments, **options):
    return [part and part["text"] for part in parts_of(*arguments, **options)]


def whole(*arguments, **options):
    return join_choice([part for part in parts_of(*arguments, **options) if part])


def test_a_text_ends_at_its_length_or_by_itself():
    parts = parts_of([b"a", b"b"])
    assert [part["finish_reason"] for part in parts] == [None, "length"]
    parts = parts_of([b"a", b"b"], ends=True)
    assert [(part["text"], part["finish_reason"]) for part in parts] == [("a", None), ("b", None), ("", "stop")]
    assert parts[0] == {"text": "a", "index": 0, "logprobs": None, "finish_reason": None}


def test_a_half_character_is_sent_when_it_is_whole():
    assert texts_of([b"a", b"\xe2\x98", b"\x83", b"b"]) == ["a", None, "☃", "b"]
    assert texts_of([b"a", b"\xe2\x98"]) == ["a", "\ufffd"]


def test_a_stop_string_ends_the_text_before_it():
    parts = parts_of([b"a", b"x", b"yb", b"c"], stops=["xy"])
    assert [part and (part["text"], part["finish_reason"]) for part in parts] == [("a", None), None, ("", "stop")]
    assert whole([b"a", b"x"], stops=["xy"])["text"] == "ax"


@pytest.mark.parametrize(("prompt", "text"), [("", "a b"), ("x ", "a b"), ("x\n", "a b"), ("x", " a b")])
def test_the_first_space_of_words_depends_on_the_prompt(prompt, text):
    assert whole([b" a", b" b"], prompts=[prompt], drops_spaces=True)["text"] == text


def test_the_prompt_is_repeated_before_the_text():
    assert texts_of([b"\xc3", b"\xa9", b"b"], echo=True) == [None, "pé", "b"]
    choice = ChoiceText(3, request_of(prompts=["p", "q"], n=2, echo=True), False)
    assert choice.add(Token(b"a", np.float32(0), False))["text"] == "qa"


def test_log_probabilities_come_with_the_text_that_their_tokens_begin():
    parts = parts_of([b"a", b"\xc3", b"\xa9b", b"c"], with_logprobs=True, with_top=True)
    assert [part and part["logprobs"]["tokens"] for part in parts] == [
        ["a"],
        None,
        [r"bytes:\xc3", r"bytes:\xa9\x62"],
        ["c"],
    ]
    assert whole([b"a", b"\xc3", b"\xa9b", b"c"], with_logprobs=True, with_top=True)["logprobs"] == {
        "tokens": ["a", r"bytes:\xc3", r"bytes:\xa9\x62", "c"],
        "token_logprobs": [0.0, -0.25, -0.5, -0.75],
        "top_logprobs": [{"a": 0.0}, {r"bytes:\xc3": -0.25}, {r"bytes:\xa9\x62": -0.5}, {"c": -0.75}],
        "text_offset": [0, 1, 1, 3],
    }


def test_tokens_of_a_stop_string_have_no_log_probabilities():
    logprobs = whole([b"a", b"bx", b"y", b"c"], stops=["xy"], with_logprobs=True)["logprobs"]
    assert (logprobs["tokens"], logprobs["top_logprobs"]) == (["a", "bx"], None)
    assert whole([b"x", b"y"], stops=["xy"], with_logprobs=True)["logprobs"]["tokens"] == []


def test_the_end_of_a_text_is_no_token_of_it():
    assert whole([b"a"], ends=True, with_logprobs=True)["logprobs"]["tokens"] == ["a"]


def test_log_probabilities_have_the_digits_of_float32():
    choice = ChoiceText(0, request_of(with_logprobs=True), False)
    assert choice.add(Token(b"a", np.float32(-0.1), False))["logprobs"]["token_logprobs"] == [-0.1]

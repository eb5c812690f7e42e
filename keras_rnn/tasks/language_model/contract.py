"""What is known of language models without Keras and TensorFlow: their options, and what an export promises."""

from collections.abc import Iterator, Mapping, Sequence
from typing import Any

import numpy as np

from keras_rnn.tasks.contract import TOLERANCE_ALONE, Call, Signature, padded_ids
from keras_rnn.tasks.language_model.options import LanguageModelOptions

TEXT_OPTIONS = LanguageModelOptions

CHECKED_TOKENS = 8  # that an export writes behind each text, the most probable ones
STATE_ROWS = 2  # whose states are compared
MAX_CALL_LENGTH = 10_000  # tokens that one call of `serving_default` writes: a server's thread is busy with them
BLOCK = 64  # random numbers of a call of `uniforms`

STRINGS, NUMBERS, IDS = ("string", [None]), ("float32", [None]), ("int32", [None])
MANY_NUMBERS, MANY_IDS, MANY_STRINGS = ("float32", [None, None]), ("int32", [None, None]), ("string", [None, None])
SAMPLING = {"temperature": NUMBERS, "top_k": IDS, "top_p": NUMBERS}


def writes(card: Mapping[str, Any]) -> bool:
    """Whether the model can go on with a text: not if it reads backwards."""
    return "forward" in card["reading"]


def signatures(card: Mapping[str, Any]) -> dict[str, Signature]:
    """The signatures of an export by name, from its model card."""
    score = Signature({"text": STRINGS}, {"token_ids": MANY_IDS, "pieces": MANY_STRINGS, "nats": MANY_NUMBERS})
    if not writes(card):
        return {"serving_default": score, "score": score}
    return {
        "serving_default": Signature(
            {"prompt": STRINGS, "length": IDS, **SAMPLING, "seed": IDS},
            {"text": STRINGS, "tokens": MANY_IDS, "log_probabilities": MANY_NUMBERS},
        ),
        "score": score,
        "prefill": Signature({"text": STRINGS}, {"state": MANY_NUMBERS, "token": IDS, "length": IDS}),
        "step": Signature(
            {"token": IDS, "state": MANY_NUMBERS, "uniform": NUMBERS, **SAMPLING},
            {"token": IDS, "piece": STRINGS, "log_probability": NUMBERS, "state": MANY_NUMBERS},
        ),
        "uniforms": Signature({"seed": IDS, "block": IDS}, {"uniforms": ("float32", [None, BLOCK])}),
    }


def check_answers(card: Mapping[str, Any], answers: Sequence[Mapping[str, Any]]) -> None:
    """ValueError, LookupError or TypeError where the answers are not those of a language model."""
    for row in answers:
        row["text"].encode(), np.array(row["token_ids"], np.int32), np.array(row["nats"], np.float32)
        if len(row["token_ids"]) != len(row["nats"]):
            raise ValueError("not a number for each token")
        if writes(card):
            row["continuation"].encode(), np.array(row["tokens"], np.int32), np.array(row["state"], np.float32)


def calls(card: Mapping[str, Any], answers: Sequence[Mapping[str, Any]]) -> Iterator[Call]:
    """Calls of the signatures with all rows, and at the end one with the longest row alone."""
    whole = list(answers)
    if writes(card):
        yield _generation(whole)
        yield _prefill(whole[:STATE_ROWS])
    else:
        yield _score("serving_default", whole)
    yield _score("score", whole)
    longest = max(whole, key=lambda row: len(row["token_ids"]))
    yield _score("score", [longest], tolerance=TOLERANCE_ALONE, condition=", asked alone,")


def _score(signature: str, rows: list[Mapping[str, Any]], **options) -> Call:
    texts = [row["text"] for row in rows]
    nats = np.zeros((len(rows), max(len(row["nats"]) for row in rows)), np.float32)
    for index, row in enumerate(rows):
        nats[index, : len(row["nats"])] = row["nats"]
    outputs = {"token_ids": padded_ids([row["token_ids"] for row in rows]), "nats": nats}
    return Call(signature, {"text": np.array(texts, object)}, outputs, texts, **options)


def _generation(rows: list[Mapping[str, Any]]) -> Call:
    count, texts = len(rows), [row["text"] for row in rows]
    inputs = {
        "prompt": np.array(texts, object),
        "length": np.full(count, CHECKED_TOKENS, np.int32),
        "temperature": np.zeros(count, np.float32),
        "top_k": np.zeros(count, np.int32),
        "top_p": np.ones(count, np.float32),
        "seed": np.zeros(count, np.int32),
    }
    outputs = {
        "text": np.array([row["continuation"] for row in rows], object),
        "tokens": padded_ids([row["tokens"] for row in rows]),
    }
    return Call("serving_default", inputs, outputs, texts)


def _prefill(rows: list[Mapping[str, Any]]) -> Call:
    texts = [row["text"] for row in rows]
    return Call(
        "prefill",
        {"text": np.array(texts, object)},
        {"state": np.array([row["state"] for row in rows], np.float32)},
        texts,
    )

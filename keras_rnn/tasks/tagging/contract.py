"""What is known of tagging without Keras and TensorFlow: its options, and what an export promises."""

from collections.abc import Iterator, Mapping, Sequence
from typing import Any

import numpy as np

from keras_rnn.tasks.contract import TOLERANCE_ALONE, Call, Signature
from keras_rnn.text.options import TextOptions

TEXT_OPTIONS = TextOptions

STRINGS, NUMBERS = ("string", [None, None]), ("float32", [None, None])


def signatures(card: Mapping[str, Any]) -> dict[str, Signature]:
    """The signatures of an export by name, from its model card."""
    outputs = {"tokens": STRINGS, "tags": STRINGS, "confidence": NUMBERS}
    return {
        "serving_default": Signature({"text": ("string", [None])}, outputs),
        "tokens": Signature({"tokens": STRINGS}, {"tags": STRINGS, "confidence": NUMBERS}),
    }


def check_answers(card: Mapping[str, Any], answers: Sequence[Mapping[str, Any]]) -> None:
    """ValueError, LookupError or TypeError where the answers are not those of a tagger with these tags."""
    names = {*card["tag_names"]}
    for row in answers:
        row["text"].encode(), [token.encode() for token in row["tokens"]], np.array(row["confidence"], np.float32)
        if not len(row["tokens"]) == len(row["tags"]) == len(row["confidence"]):
            raise ValueError("not a tag and a number for each token")
        if unknown := {*row["tags"]} - names:
            raise ValueError(f"{unknown.pop()!r} is none of the tags")


def calls(card: Mapping[str, Any], answers: Sequence[Mapping[str, Any]]) -> Iterator[Call]:
    """Calls of both signatures with all rows, and at the end one with the longest row alone."""
    rows = list(answers)
    yield _call("serving_default", rows)
    yield _call("tokens", rows)
    longest = max(rows, key=lambda row: len(row["tokens"]))
    yield _call("tokens", [longest], tolerance=TOLERANCE_ALONE, condition=", asked alone,")


def _call(signature: str, rows: list[Mapping[str, Any]], **options) -> Call:
    tokens, tags = (_pad([row[name] for row in rows], "", object) for name in ("tokens", "tags"))
    outputs = {"tags": tags, "confidence": _pad([row["confidence"] for row in rows], 0.0, np.float32)}
    names = [row["text"] for row in rows]
    if signature == "tokens":
        return Call(signature, {"tokens": tokens}, outputs, names, **options)
    return Call(signature, {"text": np.array(names, object)}, {"tokens": tokens, **outputs}, names, **options)


def _pad(rows: Sequence[Sequence], padding: Any, dtype: Any) -> np.ndarray:
    """`(rows, longest)`."""
    batch = np.full((len(rows), max(map(len, rows))), padding, dtype)
    for index, row in enumerate(rows):
        batch[index, : len(row)] = row
    return batch

"""What is known of classification without Keras and TensorFlow: its options, and what an export promises."""

from collections.abc import Iterator, Mapping, Sequence
from typing import Any

import numpy as np

from keras_rnn.tasks.contract import TOLERANCE_ALONE, Call, Signature, padded_ids
from keras_rnn.text.options import TextOptions

TEXT_OPTIONS = TextOptions


def signatures(card: Mapping[str, Any]) -> dict[str, Signature]:
    """The signatures of an export by name, from its model card."""
    classes = len(card["class_names"])
    strings, numbers = ("string", [None]), ("float32", [None, classes])
    return {
        "serving_default": Signature({"text": strings}, {"probabilities": numbers, "label": strings}),
        "tokens": Signature({"token_ids": ("int32", [None, None])}, {"logits": numbers}),
        "classify": Signature({"inputs": strings}, {"classes": ("string", [None, classes]), "scores": numbers}),
    }


def check_answers(card: Mapping[str, Any], answers: Sequence[Mapping[str, Any]]) -> None:
    """ValueError, LookupError or TypeError where the answers are not those of a classifier with these classes."""
    names = card["class_names"]
    for row in answers:
        row["text"].encode(), row["label"].encode(), np.array(row["token_ids"], np.int32)
        if not len(row["probabilities"]) == len(row["logits"]) == len(names):
            raise ValueError(f"not a number for each of {len(names)} classes")


def calls(card: Mapping[str, Any], answers: Sequence[Mapping[str, Any]]) -> Iterator[Call]:
    """Calls of every signature with all texts, and at the end one with the longest text alone."""
    names = card["class_names"]
    texts = [row["text"] for row in answers]
    probabilities, logits = (
        np.array([row[output] for row in answers], np.float32) for output in ("probabilities", "logits")
    )
    labels = np.array([row["label"] for row in answers], object)
    yield Call("serving_default", {"text": _strings(texts)}, {"probabilities": probabilities, "label": labels}, texts)
    token_ids = padded_ids([row["token_ids"] for row in answers])
    yield Call("tokens", {"token_ids": token_ids}, {"logits": logits}, texts)
    classes = np.array([names] * len(answers), object)
    scores = {"classes": classes, "scores": probabilities}
    yield Call("classify", {"text": _strings(texts)}, scores, texts, method="classify")
    # A graph may treat a single text differently. The longest text has no padding in a batch either.
    longest = max(range(len(answers)), key=lambda row: len(answers[row]["token_ids"]))
    longest_row = slice(longest, longest + 1)
    yield Call(
        "serving_default",
        {"text": _strings(texts[longest_row])},
        {"probabilities": probabilities[longest_row]},
        texts[longest_row],
        tolerance=TOLERANCE_ALONE,
        condition=", asked alone,",
    )


def _strings(texts: Sequence[str]) -> np.ndarray:
    return np.array(texts, object)

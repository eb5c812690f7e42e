"""What a classifier answers: a label and probabilities for each text."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

import keras
import numpy as np

from keras_rnn.tasks.inference import TEXT_CHARACTERS, on_all_cores, softmax, text_logits_function
from keras_rnn.tasks.task import Facts
from keras_rnn.text.encoded import in_length_batches


@dataclass(frozen=True)
class Prediction:
    """The likeliest class of a text, and the probability of each class by name."""

    text: str
    label: str
    probabilities: dict[str, float]


@dataclass(frozen=True)
class Predictor:
    """`probabilities` takes a list of strings and returns float32 `(texts, classes)`."""

    class_names: tuple[str, ...]
    probabilities: Callable[[list[str]], np.ndarray]

    def predict(self, texts: list[str]) -> list[Prediction]:
        """A prediction for each text, in order."""
        return [
            Prediction(
                text,
                self.class_names[int(row.argmax())],
                dict(zip(self.class_names, map(float, row), strict=True)),
            )
            for text, row in zip(texts, self.probabilities(texts), strict=True)
        ]


def keras_predictor(model: keras.Model, facts: Facts | None) -> Predictor:
    """A Predictor of a text model; without facts its classes are called "0", "1", ..."""
    names = facts["class_names"] if facts is not None else map(str, range(model.output_shape[-1]))
    logits = text_logits_function(model)
    return Predictor(tuple(names), lambda texts: softmax(logits(texts)))


def saved_model_predictor(function: Callable[..., Callable], card: Mapping[str, Any]) -> Predictor:
    """A Predictor of an exported version; `function(signature, input, output)` calls one of its signatures."""
    call = on_all_cores(function("serving_default", "text", "probabilities"))
    return Predictor(tuple(card["class_names"]), lambda texts: in_length_batches(call, texts, TEXT_CHARACTERS))

"""What a tagger answers: the tokens of a sentence, their tags, and the spans that these make."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import keras
import numpy as np
import tensorflow as tf

from keras_rnn.errors import UsageError
from keras_rnn.layers.forms import for_this_process
from keras_rnn.models import token_model_of
from keras_rnn.tasks.inference import TEXT_CHARACTERS
from keras_rnn.tasks.tagging.network import network_inputs
from keras_rnn.tasks.tagging.spans import spans_of
from keras_rnn.tasks.task import Facts
from keras_rnn.text.encoded import length_batches
from keras_rnn.text.tokens import split_sentences, token_features_of


@dataclass(frozen=True)
class TaggedSpan:
    """A span: its name, the tokens from `start` up to, but not including, `end`, and how sure the model is of it.

    `confidence` is the lowest marginal probability of its tags.
    """

    name: str
    text: str
    start: int
    end: int
    confidence: float


@dataclass(frozen=True)
class TaggedText:
    """The tokens of a text, a tag for each, the marginal probability of each of these tags, and the spans."""

    text: str
    tokens: list[str]
    tags: list[str]
    confidence: list[float]
    spans: list[TaggedSpan]


@dataclass(frozen=True)
class Predictor:
    """`tag` takes a list of strings and returns tokens, tags and confidences `(texts, time)`, padded with "" and 0."""

    tag_names: tuple[str, ...]
    tag: Callable[[list[str]], tuple[np.ndarray, np.ndarray, np.ndarray]]

    def predict(self, texts: list[str]) -> list[TaggedText]:
        """The answer for each text, in order."""
        answers: dict[int, TaggedText] = {}
        for rows in length_batches(np.array([len(text) for text in texts]), TEXT_CHARACTERS):
            outputs = self.tag([texts[row] for row in rows])
            for row, *columns in zip(rows, *outputs, strict=True):
                answers[row] = tagged_text(texts[row], *columns)
        return [answers[row] for row in range(len(texts))]


def tagged_text(text: str, tokens: np.ndarray, tags: np.ndarray, confidence: np.ndarray) -> TaggedText:
    """The answer of one row, whose tokens and tags are bytes, padded with b""."""
    count = int(np.count_nonzero(tokens != b""))
    words, names = ([value.decode() for value in column[:count]] for column in (tokens, tags))
    confidences = [float(value) for value in confidence[:count]]
    spans = [
        TaggedSpan(
            span.name,
            " ".join(words[span.start : span.end]),
            span.start,
            span.end,
            min(confidences[span.start : span.end]),
        )
        for span in spans_of(names)
    ]
    return TaggedText(text, words, names, confidences, spans)


def tag_function(model: keras.Model, tag_names: Sequence[str], network: Callable) -> Callable:
    """A function from tokens `(batch, time)` to `tags` and `confidence`, padded with "" and 0.

    Args:
        model: a full model, whose lookups and decoder are used.
        tag_names: one name a tag.
        network: from the inputs of the token model inside `model` to its output.
    """
    lookups, token_model = token_features_of(model), token_model_of(model)
    decoder, names = model.get_layer("decoder"), tf.constant(list(tag_names))

    def tag(tokens):
        features = {name: tf.cast(ids, tf.int32) for name, ids in lookups(tokens).items()}
        is_real = features["token_ids"] != 0
        decoded = decoder(network(network_inputs(token_model, features)), mask=is_real)
        indices = tf.maximum(decoded["tags"], 0)
        confidence = tf.gather(decoded["marginals"], indices, batch_dims=2)
        return {
            "tags": tf.where(is_real, tf.gather(names, indices), ""),
            "confidence": tf.where(is_real, confidence, 0.0),
        }

    return tag


def keras_predictor(model: keras.Model, facts: Facts | None) -> Predictor:
    """A Predictor of a full model.

    Raises:
        UsageError: the model's file stands in no run directory, where its tags have their names.
    """
    if facts is None:
        raise UsageError("a tagger takes its run directory, whose tags.json names its tags")
    token_model = token_model_of(model)
    tag_tokens = tag_function(model, facts["tag_names"], lambda inputs: token_model(inputs, training=False))

    @tf.function(input_signature=[tf.TensorSpec((None,), tf.string)])
    def forward(texts):
        tokens = split_sentences(texts).to_tensor("")
        with for_this_process():
            return {"tokens": tokens, **tag_tokens(tokens)}

    def tag(texts: list[str]) -> tuple:
        outputs = forward(tf.constant(texts))
        return tuple(outputs[name].numpy() for name in ("tokens", "tags", "confidence"))

    return Predictor(tuple(facts["tag_names"]), tag)


def saved_model_predictor(function: Callable[..., Callable], card: Mapping[str, Any]) -> Predictor:
    """A Predictor of an exported version; `function(signature, input, outputs)` calls one of its signatures."""
    tag = function("serving_default", "text", ("tokens", "tags", "confidence"))
    return Predictor(tuple(card["tag_names"]), tag)

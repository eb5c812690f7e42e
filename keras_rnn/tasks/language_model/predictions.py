"""What a language model answers to a text: how it goes on, and how probable the text was."""

import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import keras
import numpy as np
import tensorflow as tf

from keras_rnn import checks
from keras_rnn.errors import UsageError
from keras_rnn.layers.forms import for_this_process
from keras_rnn.models import token_model_of
from keras_rnn.tasks.inference import TEXT_CHARACTERS
from keras_rnn.tasks.language_model.contract import writes
from keras_rnn.tasks.language_model.generation import Generator, generator_of
from keras_rnn.tasks.language_model.text_model import tokenizer_inside
from keras_rnn.tasks.task import Facts
from keras_rnn.text.encoded import length_batches

MAX_LENGTH = 100_000  # tokens that one call writes


@dataclass(frozen=True)
class Sampling:
    """How the next tokens are chosen, as `keras_rnn.tasks.language_model.sampling.sample` takes it.

    Args:
        length: most tokens.
        temperature: 0 takes the most probable token each time.
        top_k: 0 keeps all.
        top_p: 1 keeps all.
        seed: of the random numbers; another text has the same.

    Raises:
        UsageError: a value out of its range.
    """

    length: int = 40
    temperature: float = 0.8
    top_k: int = 0
    top_p: float = 0.95
    seed: int = 0

    def __post_init__(self):
        if checks.whole_number("length", self.length) > MAX_LENGTH:
            raise UsageError(f"length takes at most {MAX_LENGTH:,} tokens, got {self.length:,}")
        checks.number_from_zero("temperature", self.temperature)
        checks.whole_number("top_k", self.top_k, minimum=0)
        if not 0 < checks.number_from_zero("top_p", self.top_p) <= 1:
            raise UsageError(f"top_p takes a number above 0 and up to 1, got {self.top_p!r}")
        if checks.whole_number("seed", self.seed, minimum=0) >= 2**31:
            raise UsageError(f"seed takes a whole number below 2**31, got {self.seed}")

    def arrays(self, rows: int) -> dict[str, np.ndarray]:
        """The inputs of `Generator.generate` beside the prompts, one value a row."""
        return {
            "length": np.full(rows, self.length, np.int32),
            "temperature": np.full(rows, self.temperature, np.float32),
            "top_k": np.full(rows, self.top_k, np.int32),
            "top_p": np.full(rows, self.top_p, np.float32),
            "seed": np.full(rows, self.seed, np.int32),
        }


@dataclass(frozen=True)
class ScoredText:
    """A text, how many tokens it has, what they cost in nats, and exp(nats / tokens).

    The end of the text is one of them where the run predicts ends.
    """

    text: str
    tokens: int
    nats: float
    perplexity: float


@dataclass(frozen=True)
class ContinuedText(ScoredText):
    """A text with its score, and how the model goes on with it by `Sampling`'s defaults.

    A model that reads backwards does not go on.
    """

    continuation: str | None


def scored(text: str, token_ids: np.ndarray, nats: np.ndarray) -> ScoredText:
    """The score of a text from a row of ids and nats, padded with 0."""
    count, total = int(np.count_nonzero(token_ids)), float(nats.sum(dtype=np.float64))
    return ScoredText(text, count, total, math.exp(min(total / max(count, 1), 700)))


@dataclass(frozen=True)
class Predictor:
    """`score` takes strings to nats `(texts, time)`, and `generate` strings and options to texts, bytes, or is None."""

    score: Callable[[list[str]], tuple[np.ndarray, np.ndarray]]
    generate: Callable[[list[str], Mapping[str, np.ndarray]], np.ndarray] | None

    def predict(self, texts: list[str]) -> list[ContinuedText]:
        """The answer for each text, in order."""
        answers: dict[int, ContinuedText] = {}
        for rows in length_batches(np.array([len(text) for text in texts]), TEXT_CHARACTERS):
            batch = [texts[row] for row in rows]
            ids, nats = self.score(batch)
            continuations: Sequence = [None] * len(batch)
            if self.generate is not None:
                continuations = [
                    value.decode(errors="replace") for value in self.generate(batch, Sampling().arrays(len(batch)))
                ]
            for row, row_ids, row_nats, continuation in zip(rows, ids, nats, continuations, strict=True):
                score = scored(texts[row], row_ids, row_nats)
                answers[row] = ContinuedText(**vars(score), continuation=continuation)
        return [answers[row] for row in range(len(texts))]


def generator_of_model(model: keras.Model) -> Generator:
    """The Generator of a full model, for graphs of this process."""
    return generator_of(tokenizer_inside(model), token_model_of(model), lambda function, spec, inlined=False: function)


def keras_predictor(model: keras.Model, facts: Facts | None) -> Predictor:
    """A Predictor of a full model.

    Raises:
        UsageError: the model's file stands in no run directory, where its tokens are.
    """
    if facts is None:
        raise UsageError("a language model takes its run directory, whose pieces.json has its tokens")

    @tf.function(input_signature=[tf.TensorSpec((None,), tf.string)])
    def score(texts):
        with for_this_process():
            outputs = model(texts, training=False)
        return outputs["token_ids"], outputs["nats"]

    def scores(texts: list[str]) -> tuple[np.ndarray, np.ndarray]:
        ids, nats = score(tf.constant(texts))
        return ids.numpy(), nats.numpy()

    if not writes(facts):
        return Predictor(scores, None)
    generate = generate_function(generator_of_model(model))
    return Predictor(scores, lambda texts, options: generate(tf.constant(texts), **options)["text"].numpy())


def generate_function(generator: Generator) -> Callable:
    """`generator.generate` as a graph, traced once."""

    @tf.function(autograph=False, reduce_retracing=True)
    def generate(prompt, length, temperature, top_k, top_p, seed):
        with for_this_process():
            return generator.generate(prompt, length, temperature, top_k, top_p, seed)

    return generate


def saved_model_predictor(function: Callable[..., Callable], card: Mapping[str, Any]) -> Predictor:
    """A Predictor of an exported version; `function(signature, inputs, outputs)` calls one of its signatures."""
    score = function("score", "text", ("token_ids", "nats"))
    if not writes(card):
        return Predictor(score, None)
    names = ("prompt", "length", "temperature", "top_k", "top_p", "seed")
    generate = function("serving_default", names, "text")
    return Predictor(score, lambda texts, options: generate(texts, *(options[name] for name in names[1:])))

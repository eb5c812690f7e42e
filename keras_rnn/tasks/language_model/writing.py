"""Texts as a language model writes them, piece by piece, and what each token of a text costs."""

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import keras
import numpy as np
import tensorflow as tf

from keras_rnn.errors import UsageError
from keras_rnn.layers.forms import for_this_process
from keras_rnn.tasks.language_model.contract import BLOCK, SAMPLING, writes
from keras_rnn.tasks.language_model.generation import signature_specs
from keras_rnn.tasks.language_model.predictions import Sampling, ScoredText, generator_of_model, scored
from keras_rnn.tasks.language_model.rows import reading_of
from keras_rnn.tasks.language_model.sampling import uniform_numbers
from keras_rnn.tasks.language_model.text_model import tokenizer_inside
from keras_rnn.tasks.task import Facts
from keras_rnn.text.piece_tokenizer import BOUNDARY_ID
from keras_rnn.text.text_stream import TextStream


@dataclass(frozen=True)
class Writer:
    """The functions of a language model that writes, of a batch each, from arrays to arrays.

    Args:
        prefill: text to (state, token).
        step: (token, state, uniform, temperature, top_k, top_p) to (token, piece, state).
        uniforms: (seed, block) to numbers `(batch, BLOCK)`.
        has_words: whether pieces are words.
    """

    prefill: Callable[..., tuple]
    step: Callable[..., tuple]
    uniforms: Callable[..., Any]
    has_words: bool

    def write(self, prompt: str, sampling: Sampling, stops: Sequence[str] = ()) -> Iterator[str]:
        """Yields what follows the prompt, as it is made, until the length, a boundary or a stop string.

        Raises:
            RuntimeError: the network's logits are not finite.
        """
        text = TextStream(stops, starts_line=not prompt or prompt[-1].isspace(), drops_spaces=self.has_words)
        options = sampling.arrays(1)
        state, token = self.prefill(np.array([prompt], object))
        numbers: Any = None
        for index in range(sampling.length):
            if index % BLOCK == 0:
                numbers = self.uniforms(options["seed"], np.array([index // BLOCK], np.int32))
            arguments = (options[name] for name in SAMPLING)
            try:
                token, piece, state = self.step(token, state, numbers[:, index % BLOCK], *arguments)
            except tf.errors.InvalidArgumentError as error:
                raise RuntimeError("the network's logits are not finite; it has diverged, or is damaged") from error
            if token[0] == BOUNDARY_ID:
                break
            if certain := text.add(piece[0]):
                yield certain
            if text.is_stopped:
                return
        if rest := text.end():
            yield rest


def sampling(**options: Any) -> Sampling:
    """How the next tokens are chosen; UsageError where an option is out of its range."""
    return Sampling(**options)


@dataclass(frozen=True)
class TokenScores(ScoredText):
    """A text with its score, and each of its tokens with what it costs in nats."""

    token_nats: list[tuple[str, float]]


@dataclass(frozen=True)
class Scorer:
    """`nats` takes an array of texts to ids, pieces (bytes) and nats, each `(texts, time)`."""

    nats: Callable[[np.ndarray], tuple[np.ndarray, np.ndarray, np.ndarray]]

    def score(self, texts: Sequence[str]) -> Iterator[TokenScores]:
        """What each text costs, read alone: the longest decides how much memory that takes."""
        for text in texts:
            ids, pieces, nats = (values[0] for values in self.nats(np.array([text], object)))
            names = [piece.decode(errors="replace") for piece in pieces.tolist()]
            yield TokenScores(**vars(scored(text, ids, nats)), token_nats=list(zip(names, nats.tolist(), strict=True)))


def keras_scorer(model: keras.Model, facts: Facts) -> Scorer:
    """A Scorer of a run's model."""
    tokenizer = tokenizer_inside(model)

    @tf.function(input_signature=signature_specs(["text"]), autograph=False)
    def nats(text):
        with for_this_process():
            outputs = model(text, training=False)
        return outputs["token_ids"], tokenizer.pieces_of(outputs["token_ids"]), outputs["nats"]

    return Scorer(lambda texts: tuple(values.numpy() for values in nats(tf.constant(texts))))


def saved_model_scorer(function: Callable[..., Callable], card: Mapping[str, Any]) -> Scorer:
    """A Scorer of an exported version; `function(signature, inputs, outputs)` calls one of its signatures."""
    return Scorer(function("score", "text", ("token_ids", "pieces", "nats")))


def _check_writes(facts: Mapping[str, Any]) -> None:
    if not writes(facts):
        raise UsageError("the model reads texts backwards, and cannot go on with one; it takes a forward model")


def keras_writer(model: keras.Model, facts: Facts) -> Writer:
    """A Writer of a run's model; UsageError where it reads backwards."""
    _check_writes(facts)
    generator = generator_of_model(model)

    def graph(function: Callable, *names: str) -> Callable:
        @tf.function(input_signature=signature_specs(names), autograph=False)
        def call(*arguments):
            with for_this_process():
                return function(*arguments)

        return lambda *arguments: tf.nest.map_structure(lambda tensor: tensor.numpy(), call(*arguments))

    def values(*names: str) -> Callable[[dict], tuple]:
        return lambda outputs: tuple(outputs[name] for name in names)

    read, stepped = values("state", "token"), values("token", "piece", "state")
    return Writer(
        graph(lambda text: read(generator.prefill(text)), "text"),
        graph(lambda *arguments: stepped(generator.step(*arguments)), "token", "state", "uniform", *SAMPLING),
        graph(lambda seed, block: uniform_numbers(seed, tf.reduce_min(block), 1), "seed", "block"),
        reading_of(facts).tokens == "word",
    )


def saved_model_writer(function: Callable[..., Callable], card: Mapping[str, Any]) -> Writer:
    """A Writer of an exported version; `function(signature, inputs, outputs)` calls one of its signatures."""
    _check_writes(card)
    return Writer(
        function("prefill", "text", ("state", "token")),
        function("step", ("token", "state", "uniform", *SAMPLING), ("token", "piece", "state")),
        function("uniforms", ("seed", "block"), "uniforms"),
        reading_of(card).tokens == "word",
    )

"""The texts of one model that are written together: each step adds one token to each."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, NamedTuple

import numpy as np
import tensorflow as tf

from keras_rnn.serving.server.generator import Generator
from keras_rnn.serving.server.servable import Arrays


@dataclass(frozen=True)
class Sampling:
    """How the tokens of a text are chosen: at most `length`. `top_k` 0 and `top_p` 1 leave out none.

    Token i takes the number i of those that `uniforms` makes from `seed`.
    """

    length: int
    temperature: float
    top_k: int
    top_p: float
    seed: int


class Token(NamedTuple):
    """`piece` is what the token adds to the text; `is_last` tells that no other follows."""

    piece: bytes
    log_probability: np.float32
    is_last: bool


class DecodingBatch:
    """Rows of arrays, one a text. They stay arrays from step to step; a change of the texts copies them.

    keys: what `add` was told of each row.
    """

    def __init__(self, generator: Generator):
        self._generator = generator
        self._columns: Arrays = {}
        self.keys: list[Any] = []

    def add(self, keys: Sequence[Any], samplings: Sequence[Sampling], tokens: np.ndarray, states: np.ndarray) -> None:
        """Takes new texts, with the last token of each prompt `(rows,)` and the state before it `(rows, features)`."""
        rows = len(keys)
        columns = {
            "token": tokens,
            "state": states,
            "temperature": np.array([sampling.temperature for sampling in samplings], np.float32),
            "top_k": np.array([sampling.top_k for sampling in samplings], np.int32),
            "top_p": np.array([sampling.top_p for sampling in samplings], np.float32),
            "seed": np.array([sampling.seed for sampling in samplings], np.int32),
            "length": np.array([sampling.length for sampling in samplings]),
            "count": np.zeros(rows, int),
            "uniforms": np.zeros((rows, self._generator.block_size), np.float32),
        }
        self._columns = _concatenate([self._columns, columns]) if self.keys else columns
        self.keys += keys

    def keep(self, is_kept: Sequence[bool]) -> None:
        """Drops the texts for which `is_kept` is False."""
        if all(is_kept):
            return
        rows = np.flatnonzero(is_kept)
        self._columns = {name: values[rows] for name, values in self._columns.items()}
        self.keys = [self.keys[row] for row in rows]

    def step(self) -> list[tuple[Any, Token | None]]:
        """Returns the key and the next token of each text, None for a text that the model cannot go on with."""
        columns = self._columns
        inputs = {name: columns[name] for name in ("token", "state", "temperature", "top_k", "top_p")}
        outputs = _step(self._generator, {**inputs, "uniform": self._uniform()})
        columns["token"], columns["state"] = outputs["token"], outputs["state"]
        columns["count"] += 1
        is_full = columns["count"] >= columns["length"]
        values = zip(outputs["piece"], outputs["log_probability"], is_full.tolist(), outputs["is_good"], strict=True)
        tokens = [Token(piece, number, full or not piece) if good else None for piece, number, full, good in values]
        return list(zip(self.keys, tokens, strict=True))

    def _uniform(self) -> np.ndarray:
        """The random number of each text's next token, `(rows,)`."""
        columns, size = self._columns, self._generator.block_size
        index = columns["count"] % size
        starts = np.flatnonzero(index == 0)
        blocks = columns["count"][starts] // size
        for block in np.unique(blocks):
            rows = starts[blocks == block]
            inputs = {"seed": columns["seed"][rows], "block": np.array([block], np.int32)}
            columns["uniforms"][rows] = self._generator.uniforms.run(inputs)["uniforms"]
        return columns["uniforms"][np.arange(len(index)), index]


def _step(generator: Generator, inputs: Arrays) -> Arrays:
    """The outputs of a step, and `is_good`: one bad row fails a call, so that it is called again by halves."""
    rows = len(inputs["token"])
    try:
        return {**generator.step.run(inputs), "is_good": np.ones(rows, bool)}
    except tf.errors.InvalidArgumentError:
        if rows == 1:
            nothing = {"piece": np.array([b""], object), "log_probability": np.zeros(1, np.float32)}
            return {"token": inputs["token"], "state": inputs["state"], **nothing, "is_good": np.zeros(1, bool)}
    parts = (slice(rows // 2), slice(rows // 2, None))
    return _concatenate([_step(generator, {name: values[part] for name, values in inputs.items()}) for part in parts])


def _concatenate(parts: Sequence[Mapping[str, np.ndarray]]) -> Arrays:
    return {name: np.concatenate([part[name] for part in parts]) for name in parts[0]}

"""A generator in NumPy whose texts can be told beforehand."""

import threading
from dataclasses import dataclass, field

import numpy as np
import tensorflow as tf

from keras_rnn.serving.server.generator import Generator

BLOCK = 4  # random numbers of a block
BAD = 99  # a token that no step goes on with
LONG = 60.0  # more seconds than any test waits


@dataclass
class Call:
    run: object


@dataclass(eq=False)
class Alphabet:
    """Writes the letter after the last one, from a to z; then the text ends. Token 0 stands before a.

    A step's `log_probability` is minus its uniform number, which is 10 times the seed plus its number. The state of a
    row is a sum of its tokens. A step waits for `let_go` if `busy`.

    calls: the tokens of each step so far.
    """

    name, version = "alphabet", 1

    rows_independent: bool = True
    busy: bool = False
    users: int = 0
    calls: list = field(default_factory=list)
    blocks: list = field(default_factory=list)
    error: Exception | None = None

    def __post_init__(self):
        self.generator = Generator(None, Call(self._step), Call(self._uniforms), BLOCK, False)
        self._may_end = threading.Semaphore(0)

    def let_go(self, steps=1):
        self._may_end.release(steps)

    def _step(self, inputs):
        tokens = inputs["token"]
        self.calls.append(tokens.tolist())
        if self.busy:
            assert self._may_end.acquire(timeout=LONG)
        if self.error:
            raise self.error
        if BAD in tokens:
            raise tf.errors.InvalidArgumentError(None, None, "the logits are not finite")
        following = tokens + 1
        pieces = [b"" if token > 26 else bytes([96 + token]) for token in following]
        return {
            "token": following,
            "piece": np.array(pieces, object),
            "log_probability": -inputs["uniform"],
            "state": inputs["state"] + tokens[:, None],
        }

    def _uniforms(self, inputs):
        (block,) = inputs["block"].tolist()
        self.blocks.append((inputs["seed"].tolist(), block))
        numbers = block * BLOCK + np.arange(BLOCK)
        return {"uniforms": (10 * inputs["seed"][:, None] + numbers).astype(np.float32)}

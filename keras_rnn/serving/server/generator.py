"""The functions of a model that writes texts token by token. A model has them if its signatures say so."""

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np

from keras_rnn.serving.server.servable import Signature

_OPTIONS = {"temperature", "top_k", "top_p"}
_INPUTS = {
    "prefill": {"text"},
    "step": {"token", "state", "uniform", *_OPTIONS},
    "uniforms": {"seed", "block"},
}
_OUTPUTS = {
    "prefill": {"state", "token", "length"},
    "step": {"token", "piece", "log_probability", "state"},
    "uniforms": {"uniforms"},
}
NAMES = ", ".join(_INPUTS)


@dataclass(frozen=True)
class Generator:
    """The signatures of one version that writes texts. B stands for the batch.

    Args:
        prefill: text string (B,) to state float32 (B, features), token int32 (B,) and length int32 (B,), the number of
            tokens.
        step: token, state, uniform float32 (B,) in [0, 1), temperature float32 (B,), top_k int32 (B,) and top_p float32
            (B,) to token, piece string (B,), log_probability float32 (B,) and state. A piece is what a token adds to
            the text; that of the token that ends a text is empty.
        uniforms: seed int32 (B,) and block int32 (1,) to uniforms float32 (B, `block_size`).
        block_size: the number of random numbers in a block.
        drops_spaces: the pieces are words with a space before each, which the first word of a line does not have.
    """

    prefill: Signature
    step: Signature
    uniforms: Signature
    block_size: int
    drops_spaces: bool


def generator_of(signatures: Mapping[str, Signature]) -> Generator | None:
    """Returns the generator that these signatures are, or None if they are none.

    It calls each of them, so the first request does not wait for TensorFlow to prepare them.
    """
    if not all(name in signatures and _fits(signatures[name]) for name in _INPUTS):
        return None
    prefill, step, uniforms = (signatures[name] for name in _INPUTS)
    read = prefill.run({"text": np.array([b"a", b"a "], object)})
    numbers = uniforms.run({"seed": np.zeros(1, np.int32), "block": np.zeros(1, np.int32)})["uniforms"]
    for rows in (1, 2):
        step.run(
            {
                "token": read["token"][:rows],
                "state": read["state"][:rows],
                "uniform": np.zeros(rows, np.float32),
                "temperature": np.ones(rows, np.float32),
                "top_k": np.zeros(rows, np.int32),
                "top_p": np.ones(rows, np.float32),
            }
        )
    # Words are what white space parts. Other models read the space behind a text.
    drops_spaces = bool(read["length"][0] == read["length"][1])
    return Generator(prefill, step, uniforms, numbers.shape[1], drops_spaces)


def _fits(signature: Signature) -> bool:
    outputs = set(signature.definition.outputs)
    return set(signature.inputs) == _INPUTS[signature.name] and outputs >= _OUTPUTS[signature.name]

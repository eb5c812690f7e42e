"""Predict and Classify on arrays, for both REST and gRPC."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from keras_rnn.serving.layout import CLASSIFY_METHOD
from keras_rnn.serving.server.errors import internal, invalid, too_large, too_many_rows
from keras_rnn.serving.server.manager import ModelManager
from keras_rnn.serving.server.scheduler import Scheduler
from keras_rnn.serving.server.servable import Arrays, Servable, Signature, TensorSpec
from keras_rnn.serving.server.settings import ServerSettings
from keras_rnn.serving.server.streams import Streams
from keras_rnn.serving.server.warmup import DEFAULT_SIGNATURE

CLASSES, SCORES, EXAMPLES = "classes", "scores", "inputs"  # the tensors of a classify signature


@dataclass(frozen=True)
class Server:
    """The parts of the server that a request needs."""

    settings: ServerSettings
    manager: ModelManager
    scheduler: Scheduler
    streams: Streams
    tokens: tuple[bytes, ...]


def signature_of(servable: Servable, name: str) -> Signature:
    """Returns the signature of this name, the default one for "". ServingError (INVALID_ARGUMENT) if there is none."""
    name = name or DEFAULT_SIGNATURE
    if name not in servable.signatures:
        raise invalid(f'Serving signature name: "{name[:100]}" not found in signature def')
    return servable.signatures[name]


async def predict(server: Server, servable: Servable, signature: Signature, inputs: Arrays) -> Arrays:
    """Returns the outputs by name. Raises ServingError if the inputs do not fit the signature or exceed a limit."""
    for name, array in inputs.items():
        _check(name, array, signature.inputs[name], server.settings)
    return await server.scheduler.run(servable, signature, inputs)


async def classify(
    server: Server, servable: Servable, signature: Signature, examples: list[bytes]
) -> tuple[np.ndarray, np.ndarray]:
    """Returns the class names, bytes `(examples, classes)`, and their scores, float32 `(examples, classes)`.

    `examples`: serialized tf.train.Example.
    """
    if signature.definition.method_name != CLASSIFY_METHOD or set(signature.inputs) != {EXAMPLES}:
        raise invalid(f"the signature {signature.name} is none for classify; name one that is by signature_name")
    outputs = await predict(server, servable, signature, {EXAMPLES: np.array(examples, object)})
    if outputs.get(CLASSES) is None or outputs.get(SCORES) is None or outputs[CLASSES].ndim != 2:
        raise internal()
    return outputs[CLASSES], outputs[SCORES]


def join_context(
    context: bytes, examples: Sequence[Any], serialize: Callable[[Any], bytes], settings: ServerSettings
) -> list[bytes]:
    """Returns serialized examples, each after the features of a serialized context. The example's own features win.

    Raises:
        ServingError: no example, too many, or too large a context. Nothing is serialized then.
    """
    if not examples:
        raise invalid("Input is empty")
    if len(examples) > settings.max_texts:
        raise too_many_rows(len(examples), settings.max_texts)
    if len(context) > settings.max_text_bytes:
        raise too_large(f"a context takes at most {settings.max_text_bytes} bytes, got {len(context)}")
    return [context + serialize(example) for example in examples]


def _check(name: str, array: np.ndarray, spec: TensorSpec, settings: ServerSettings) -> None:
    if array.dtype != spec.dtype:
        raise invalid(f"input {name} takes {_dtype(spec.dtype)}, got {_dtype(array.dtype)}")
    fits = spec.shape is None or (
        len(spec.shape) == array.ndim
        and all(size in (None, actual) for size, actual in zip(spec.shape, array.shape, strict=True))
    )
    if not fits:
        raise invalid(f"input {name} takes the shape {_shape(spec.shape)}, got {_shape(array.shape)}")
    if array.size == 0:
        raise invalid(f"input {name} takes at least one element, got the shape {_shape(array.shape)}")
    rows = array.shape[0] if array.ndim else 1
    if rows > settings.max_texts:
        raise too_many_rows(rows, settings.max_texts)
    if array.dtype.hasobject:
        longest = max(map(len, array.flat))
        if longest > settings.max_text_bytes:
            raise too_large(f"a text takes at most {settings.max_text_bytes} bytes, got {longest}")
    elif array.size > settings.max_tokens:
        raise too_large(f"a request takes at most {settings.max_tokens} numbers, got {array.size}")


def _dtype(dtype: np.dtype) -> str:
    return "string" if dtype.hasobject else dtype.name


def _shape(shape: tuple) -> str:
    return "(" + ", ".join("None" if size is None else str(size) for size in shape) + ")"

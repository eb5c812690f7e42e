"""One version of a model, loaded: its signatures as functions of numpy arrays."""

import json
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import tensorflow as tf
from tensorflow.core.protobuf.meta_graph_pb2 import SignatureDef

from keras_rnn.serving.layout import MODEL_CARD
from keras_rnn.serving.session import open_session

Arrays = dict[str, np.ndarray]


@dataclass(frozen=True)
class TensorSpec:
    """dtype: numpy's, `object` for strings. shape: None for a size that is free; None for a free rank."""

    dtype: np.dtype
    shape: tuple[int | None, ...] | None


@dataclass(frozen=True)
class Signature:
    """run: from arrays by input name to arrays by output name; may be called from several threads."""

    name: str
    definition: SignatureDef
    inputs: dict[str, TensorSpec]
    run: Callable[[Arrays], Arrays]

    @property
    def takes_rows_of_text(self) -> bool:
        """Whether it takes one tensor of strings `(batch,)`, and so can take several requests' in one call."""
        specs = list(self.inputs.values())
        return len(specs) == 1 and specs[0].dtype.hasobject and specs[0].shape == (None,)


class Servable:
    """A loaded SavedModel and the number of its users, so that it is unloaded when the last has gone.

    It runs in a session of its own: `close` gives everything back.

    signatures: by name.
    rows_independent: False where a text's answer depends on the texts beside it, so that requests are not mixed;
        also where no model card says that it does not.
    """

    def __init__(self, name: str, version: int, directory: Path):
        self.name, self.version = name, version
        self.rows_independent = _rows_independent(directory)
        self.users = 0
        self._session, signatures = open_session(directory)
        self.signatures = {
            key: _signature(self._session, key, definition)
            for key, definition in signatures.items()
            if definition.inputs and definition.outputs  # leaves out the loader's own entries
        }

    def close(self) -> None:
        self._session.close()


def rows_of(inputs: Arrays) -> int:
    """How many rows a request's inputs have."""
    return max((len(array) for array in inputs.values() if array.ndim), default=1)


def _signature(session, name: str, definition: SignatureDef) -> Signature:
    inputs, outputs = sorted(definition.inputs), sorted(definition.outputs)
    call = session.make_callable(
        [definition.outputs[key].name for key in outputs], [definition.inputs[key].name for key in inputs]
    )

    def run(arrays: Arrays) -> Arrays:
        return dict(zip(outputs, call(*(arrays[key] for key in inputs)), strict=True))

    return Signature(name, definition, {key: _spec(definition.inputs[key]) for key in inputs}, run)


def _spec(info) -> TensorSpec:
    dtype = np.dtype(tf.dtypes.as_dtype(info.dtype).as_numpy_dtype)
    if info.tensor_shape.unknown_rank:
        return TensorSpec(dtype, None)
    return TensorSpec(dtype, tuple(dim.size if dim.size >= 0 else None for dim in info.tensor_shape.dim))


def _rows_independent(directory: Path) -> bool:
    card = directory / MODEL_CARD
    return card.is_file() and json.loads(card.read_text(encoding="utf-8")).get("rows_independent") is True

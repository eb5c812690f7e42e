"""A loaded version of a model. Its signatures are functions of numpy arrays."""

import json
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import tensorflow as tf
from tensorflow.core.protobuf.meta_graph_pb2 import SignatureDef

from keras_rnn.serving.layout import MODEL_CARD, SAVED_MODEL
from keras_rnn.serving.session import open_session

Arrays = dict[str, np.ndarray]


@dataclass(frozen=True)
class TensorSpec:
    """`dtype` is `object` for strings. `shape` has None for a free size, and is None for a free rank."""

    dtype: np.dtype
    shape: tuple[int | None, ...] | None


@dataclass(frozen=True)
class Signature:
    """`run` takes arrays by input name and returns arrays by output name. Several threads may call it."""

    name: str
    definition: SignatureDef
    inputs: dict[str, TensorSpec]
    run: Callable[[Arrays], Arrays]

    @property
    def takes_rows_of_text(self) -> bool:
        """Whether it takes one tensor of strings `(batch,)`, so that requests can share a call."""
        specs = list(self.inputs.values())
        return len(specs) == 1 and specs[0].dtype.hasobject and specs[0].shape == (None,)


class Servable:
    """A loaded SavedModel and the number of its users. It is unloaded when that number is 0.

    It has its own session: `close` frees all of its memory.

    signatures: by name.
    created: when the version was written, in seconds since 1970.
    generator: set once the version is loaded, if it writes texts.
    rows_independent: False if the answer to a text depends on the batch, so that requests share no call. It is also
        False if no model card says that the answer does not.
    """

    def __init__(self, name: str, version: int, directory: Path):
        self.name, self.version = name, version
        self.rows_independent = _rows_independent(directory)
        self.users = 0
        self.created = int((directory / SAVED_MODEL).stat().st_mtime)
        self.generator: Any = None
        self._session, signatures = open_session(directory)
        self.signatures = {
            key: _signature(self._session, key, definition)
            for key, definition in signatures.items()
            if definition.inputs and definition.outputs  # the loader's own entries have none
        }

    def close(self) -> None:
        self._session.close()


def row_count(inputs: Arrays) -> int:
    """Returns the number of rows of a request's inputs."""
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

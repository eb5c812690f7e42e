"""The registry of recurrent cells: from a name to a function that makes a layer."""

from collections.abc import Callable
from dataclasses import dataclass

import keras

from keras_rnn.layers import recurrent
from keras_rnn.registry import Registry


@dataclass(frozen=True)
class Cell:
    """`make(units, *, dropout, recurrent_dropout, **rnn_options)` returns a keras.layers.RNN-like layer.

    `cudnn` says whether the layer takes `use_cudnn` as Keras' LSTM and GRU do.
    """

    make: Callable[..., keras.layers.Layer]
    cudnn: bool = False


_CELLS: Registry[Cell] = Registry("cell")


def register_cell(name: str, *, cudnn: bool = False):
    """Decorator that registers a function or layer class with the signature of `Cell.make` under `name`.

    Raises:
        UsageError: the name is registered already.
    """
    return _CELLS.register(name, lambda make: Cell(make, cudnn))


def list_cells(pattern: str = "*") -> list[str]:
    """The registered names that match a shell pattern, sorted."""
    return _CELLS.names(pattern)


def get_cell(name: str) -> Cell:
    """The cell of this name.

    Raises:
        UsageError: no cell has this name; the message has the nearest names.
    """
    return _CELLS.get(name)


register_cell("simple_rnn")(recurrent.SimpleRNN)
register_cell("lstm", cudnn=True)(recurrent.LSTM)
register_cell("gru", cudnn=True)(recurrent.GRU)

"""Fixtures of several files of tests."""

import keras
import pytest

from keras_rnn.layers import native, tf_lstm
from tests.layers.recurrent_pairs import LOOP_UNITS


@pytest.fixture
def never_keras_loop(monkeypatch):
    """A function after whose call Keras' loop over the steps fails."""

    def loop(*args, **kwargs):
        raise AssertionError("Keras' loop ran")

    return lambda: monkeypatch.setattr(keras.layers.RNN, "inner_loop", loop)


@pytest.fixture
def each_way(monkeypatch):
    """A generator of values of `training`, one for each form in which our layers run."""

    def ways():
        yield True  # machine code
        yield False  # a graph
        monkeypatch.setattr(native, "_enabled", False)
        yield True  # a graph that saves what its gradient needs

    return ways


@pytest.fixture
def few_block_rows(monkeypatch):
    """An LSTM of LOOP_UNITS units predicts in a loop, and one of fewer in TensorFlow's op."""
    monkeypatch.setattr(tf_lstm, "BLOCK_WORK", LOOP_UNITS**2 - 1)

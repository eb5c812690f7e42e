import os
import threading
import time

import keras
import numpy as np
import pytest
import tensorflow as tf

from keras_rnn import layers
from keras_rnn.layers import forms, native
from keras_rnn.layers.native import kernels, sequence
from keras_rnn.layers.native.ahead import compile_ahead, compiled_once
from keras_rnn.layers.native.cells import CELLS


def test_threads_wait_for_the_one_that_compiles():
    compiled, results = [], []

    @compiled_once
    def code(name):
        time.sleep(0.05)
        compiled.append(name)
        return object()

    threads = [threading.Thread(target=lambda name=name: results.append((name, code(name)))) for name in "abab"]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert sorted(compiled) == ["a", "b"]
    assert len(results) == 4
    assert len(set(results)) == 2
    code.cache_clear()
    assert code("a") not in dict(results).values()


def test_nested_compilations_run_ahead_and_once():
    compiled = []

    @compiled_once
    def inner():
        compiled.append("inner")

    @compiled_once
    def outer():
        inner()
        compiled.append("outer")

    compile_ahead([outer]).join()
    assert compiled == ["inner", "outer"]
    outer()
    inner()
    assert compiled == ["inner", "outer"]


def test_an_error_ahead_is_raised_for_the_caller_and_stops_no_other():
    @compiled_once
    def broken():
        raise ValueError("no such instruction")

    compiled = []
    compile_ahead([broken, lambda: compiled.append(1)]).join()
    assert compiled == [1]
    with pytest.raises(ValueError, match="no such instruction"):
        broken()


@pytest.mark.skipif(not hasattr(os, "fork"), reason="forks")
def test_a_fork_waits_for_the_compilation_and_has_its_result():
    begun, compiled = threading.Event(), []

    @compiled_once
    def code():
        begun.set()
        time.sleep(0.2)
        compiled.append(1)
        return 5

    thread = compile_ahead([code])
    begun.wait()
    child = os.fork()
    if not child:
        os._exit(0 if compiled == [1] and code() == 5 else 1)
    assert os.waitpid(child, 0)[1] == 0
    thread.join()
    assert code() == 5
    assert compiled == [1]


@pytest.fixture
def requested(monkeypatch):
    """The cells and units that `compile_ahead` was called with; nothing is compiled."""
    forms = []
    monkeypatch.setattr(sequence, "compile_ahead", forms.extend)
    return forms


def test_only_layers_that_run_in_machine_code_are_compiled(requested):
    bidirectional = layers.Bidirectional(layers.LSTM(7))
    unfused = layers.GRU(8)
    unfused.fused = False
    other_layers = [keras.layers.GRU(9), layers.GRU(10, recurrent_dropout=0.1), layers.LSTM(11, activation="relu")]
    all_layers = [
        bidirectional.forward_layer,
        bidirectional.backward_layer,
        layers.SimpleRNN(12),
        unfused,
        *other_layers,
    ]
    forms.compile_ahead(all_layers)
    assert sorted(requested) == [("lstm", 7), ("simple_rnn", 12)]


def test_nothing_is_compiled_without_machine_code(requested, monkeypatch):
    with tf.distribute.MirroredStrategy(["CPU:0"]).scope():
        forms.compile_ahead([layers.LSTM(7)])
    monkeypatch.setattr(native, "_enabled", False)
    forms.compile_ahead([layers.LSTM(7)])
    assert requested == []


def test_a_layer_uses_code_that_was_compiled_ahead(monkeypatch):
    compiled = []
    real = kernels.Compiled
    monkeypatch.setattr(kernels, "Compiled", lambda module: compiled.append(1) or real(module))
    kernels.kernels.cache_clear()
    sequence.compile_ahead([("gru", 6)]).join()
    layer = layers.GRU(6)
    assert np.all(np.isfinite(layer(np.ones((2, 3, 4), np.float32), training=True)))
    assert compiled == [1]
    assert kernels.kernels(CELLS["gru"], 6) is kernels.kernels(CELLS["gru"], 6)

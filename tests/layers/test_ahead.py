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


def test_many_threads_wait_for_what_one_of_them_makes():
    made, found = [], []

    @compiled_once
    def code(name):
        time.sleep(0.05)
        made.append(name)
        return object()

    threads = [threading.Thread(target=lambda name=name: found.append((name, code(name)))) for name in "abab"]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert sorted(made) == ["a", "b"]
    assert len(found) == 4
    assert len(set(found)) == 2
    code.cache_clear()
    assert code("a") not in dict(found).values()


def test_one_that_takes_others_is_made_ahead_and_once():
    made = []

    @compiled_once
    def inner():
        made.append("inner")

    @compiled_once
    def outer():
        inner()
        made.append("outer")

    compile_ahead([outer]).join()
    assert made == ["inner", "outer"]
    outer()
    inner()
    assert made == ["inner", "outer"]


def test_what_fails_ahead_fails_for_who_needs_it_and_stops_no_other():
    @compiled_once
    def broken():
        raise ValueError("no such instruction")

    made = []
    compile_ahead([broken, lambda: made.append(1)]).join()
    assert made == [1]
    with pytest.raises(ValueError, match="no such instruction"):
        broken()


@pytest.mark.skipif(not hasattr(os, "fork"), reason="forks")
def test_a_fork_waits_for_what_is_being_made_and_has_it():
    begun, made = threading.Event(), []

    @compiled_once
    def code():
        begun.set()
        time.sleep(0.2)
        made.append(1)
        return 5

    thread = compile_ahead([code])
    begun.wait()
    child = os.fork()
    if not child:
        os._exit(0 if made == [1] and code() == 5 else 1)
    assert os.waitpid(child, 0)[1] == 0
    thread.join()
    assert code() == 5
    assert made == [1]


@pytest.fixture
def asked(monkeypatch):
    """The forms that were asked for, which are not compiled."""
    forms = []
    monkeypatch.setattr(sequence, "compile_ahead", forms.extend)
    return forms


def test_only_what_will_run_in_machine_code_is_compiled(asked):
    plain = layers.Bidirectional(layers.LSTM(7))
    unfused = layers.GRU(8)
    unfused.fused = False
    others = [keras.layers.GRU(9), layers.GRU(10, recurrent_dropout=0.1), layers.LSTM(11, activation="relu")]
    of_all = [plain.forward_layer, plain.backward_layer, layers.SimpleRNN(12), unfused, *others]
    forms.compile_ahead(of_all)
    assert sorted(asked) == [("lstm", 7), ("simple_rnn", 12)]


def test_nothing_is_compiled_where_no_machine_code_runs(asked, monkeypatch):
    with tf.distribute.MirroredStrategy(["CPU:0"]).scope():
        forms.compile_ahead([layers.LSTM(7)])
    monkeypatch.setattr(native, "_enabled", False)
    forms.compile_ahead([layers.LSTM(7)])
    assert asked == []


def test_a_layer_takes_what_was_compiled_ahead(monkeypatch):
    made = []
    real = kernels.Compiled
    monkeypatch.setattr(kernels, "Compiled", lambda module: made.append(1) or real(module))
    kernels.kernels.cache_clear()
    sequence.compile_ahead([("gru", 6)]).join()
    layer = layers.GRU(6)
    assert np.all(np.isfinite(layer(np.ones((2, 3, 4), np.float32), training=True)))
    assert made == [1]
    assert kernels.kernels(CELLS["gru"], 6) is kernels.kernels(CELLS["gru"], 6)

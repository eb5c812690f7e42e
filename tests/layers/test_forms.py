"""Which form a layer runs in, and why."""

import copy
import pickle
import subprocess
import sys

import keras
import numpy as np
import pytest
import tensorflow as tf

import keras_rnn
from keras_rnn import layers
from keras_rnn.layers import forms, native

KINDS = ["SimpleRNN", "GRU", "LSTM"]
X = np.random.default_rng(0).normal(size=(2, 5, 3)).astype("float32")


def operations(layer, *, training=True, x=X, **function_options) -> set[str]:
    """The kinds of operations of a function that calls the layer, inner functions included."""
    function = tf.function(lambda x: layer(x, training=training), autograph=False, **function_options)
    graph = function.get_concrete_function(tf.TensorSpec(x.shape, x.dtype)).graph.as_graph_def()
    return {node.op for node in (*graph.node, *(n for inner in graph.library.function for n in inner.node_def))}


def is_machine_code(layer, **options) -> bool:
    return "PyFuncStateless" in operations(layer, **options)


@keras.saving.register_keras_serializable("tests")
class CallOfItsOwn(keras_rnn.LSTM):
    def call(self, sequences, initial_state=None, mask=None, training=False):
        return 2 * super().call(sequences, initial_state=initial_state, mask=mask, training=training)


class CellOfItsOwn(keras.layers.LSTMCell):
    def call(self, inputs, states, training=False):
        output, states = super().call(inputs, states, training=training)
        return 3 * output, states


def with_cell(cell):
    layer = keras_rnn.LSTM(4)
    layer.cell = cell
    return layer


def with_method(owner, name):
    layer = keras_rnn.GRU(4)
    part = layer.cell if owner == "cell" else layer
    setattr(part, name, getattr(part, name))
    return layer


@pytest.mark.parametrize(
    ("layer", "reason"),
    [
        (lambda: keras_rnn.LSTM(4), None),
        (lambda: keras_rnn.GRU(4, dropout=0.5, stateful=False, use_bias=False), None),
        (lambda: with_cell(keras.layers.LSTMCell(5)), None),
        (lambda: keras.layers.LSTM(4), "LSTM is no layer of keras_rnn.layers"),
        (lambda: CallOfItsOwn(4), "CallOfItsOwn is no layer of keras_rnn.layers"),
        (lambda: with_cell(CellOfItsOwn(4)), "its cell is a CellOfItsOwn"),
        (lambda: with_cell(keras.layers.GRUCell(4)), "its cell is a GRUCell"),
        (lambda: with_method("cell", "call"), "its `call` was replaced"),
        (lambda: with_method("layer", "inner_loop"), "its `inner_loop` was replaced"),
        (lambda: keras_rnn.LSTM(4, dtype="float64"), "it computes in float64"),
        (lambda: keras_rnn.LSTM(4, dtype="mixed_float16"), "it computes in float16"),
        (lambda: keras_rnn.SimpleRNN(4, activation="relu"), "its activation is relu, not tanh"),
        (
            lambda: keras_rnn.LSTM(4, recurrent_activation="hard_sigmoid"),
            "its recurrent activation is hard_sigmoid, not sigmoid",
        ),
        (lambda: keras_rnn.GRU(4, reset_after=False), "its `reset_after` is False"),
        (lambda: keras_rnn.LSTM(4, recurrent_dropout=0.1), "it has recurrent dropout"),
        (lambda: keras_rnn.LSTM(4, dropout=1.0), "its dropout is 1"),
        (lambda: keras_rnn.LSTM(4, dropout=0.5, implementation=1), "its dropout is that of `implementation=1`"),
        (lambda: keras_rnn.LSTM(4, unroll=True), "it is unrolled"),
        (lambda: keras_rnn.LSTM(4, use_cudnn=True), "it is for cuDNN"),
    ],
)
def test_why_a_layer_runs_in_keras_loop(layer, reason):
    assert forms.why_keras(layer()) == reason


@pytest.mark.parametrize("wrapped", [False, True])
def test_a_call_or_a_cell_of_its_own_runs(wrapped):
    for subclass, plain in ((CallOfItsOwn(4), keras_rnn.LSTM(4)), (with_cell(CellOfItsOwn(4)), keras_rnn.LSTM(4))):
        if wrapped:
            subclass, plain = layers.Bidirectional(subclass), layers.Bidirectional(plain)
            if type(subclass.forward_layer) is not CallOfItsOwn:
                continue  # Keras copies a layer by its config, which has no cell
        for layer in (subclass, plain):
            layer.build((None, None, 3))
        subclass.set_weights(plain.get_weights())
        outputs = [tf.function(lambda x, layer=layer: layer(x, training=True))(X) for layer in (subclass, plain)]
        assert np.abs(outputs[0] - outputs[1]).max() > 0.01


@pytest.mark.parametrize("kind", KINDS)
def test_where_machine_code_runs(kind):
    layer = getattr(keras_rnn, kind)(4)
    layer.build((None, None, 3))
    assert is_machine_code(layer)
    assert not is_machine_code(layer, training=False)
    assert not is_machine_code(layer, jit_compile=True)
    assert not is_machine_code(layer, x=X.astype("int32"))
    with tf.distribute.MirroredStrategy(["CPU:0"]).scope():
        assert not is_machine_code(layer)


def test_eager_calls_take_keras_loop(monkeypatch):
    layer, calls = keras_rnn.LSTM(4), []
    monkeypatch.setattr(
        keras.layers.RNN, "inner_loop", lambda self, *args, **options: calls.append(1) or [X[:, 0, :1]] * 3
    )
    layer(X, training=True)
    assert calls == [1]


def test_machine_code_can_be_switched_off():
    layer = keras_rnn.LSTM(4)
    layer.build((None, None, 3))
    native.set_enabled(False)
    try:
        assert not native.is_enabled()
        assert not is_machine_code(layer)
        assert forms.training_form(layer) == (forms.GRAPH, "keras_rnn.layers.native is switched off")
    finally:
        native.set_enabled(True)
    assert is_machine_code(layer)


def test_another_backend_than_tensorflow_needs_no_tensorflow(monkeypatch):
    monkeypatch.setattr(keras.backend, "backend", lambda: "jax")
    monkeypatch.setitem(sys.modules, "tensorflow", None)  # an import of it raises
    assert forms.why_keras(keras_rnn.LSTM(4)) == "Keras' backend is jax"
    assert not forms.wants_machine_code(True)


@pytest.mark.parametrize(("value", "enabled"), [("0", False), ("1", True), ("", False)])
def test_the_environment_switches_machine_code_off(value, enabled):
    script = "from keras_rnn.layers import native; print(native.is_enabled())"
    process = subprocess.run(
        [sys.executable, "-c", script], env={"KERAS_RNN_NATIVE": value}, capture_output=True, text=True, check=True
    )
    assert process.stdout.split() == [str(enabled)]


@pytest.fixture
def no_op_determinism():
    """Under which Keras leaves XLA out, and which a run turns on for good."""
    from tensorflow.python.framework import config

    was_on = config.is_op_determinism_enabled()
    config.disable_op_determinism()
    yield
    if was_on:
        config.enable_op_determinism()


@pytest.mark.usefixtures("no_op_determinism")
def test_xla_compiles_a_model_of_layers_that_are_quick_without_it():
    model = keras.Sequential([keras.Input((5, 3)), keras_rnn.LSTM(4), keras.layers.Dense(1)])
    model.compile("sgd", "mse", jit_compile=True)
    assert model.jit_compile
    expected = keras.models.clone_model(model)
    expected.set_weights(model.get_weights())
    expected.compile("sgd", "mse", jit_compile=False)
    for trained in (model, expected):
        trained.fit(X, np.ones((2, 1)), epochs=2, verbose=0)
    for actual, weights in zip(model.get_weights(), expected.get_weights(), strict=True):
        np.testing.assert_allclose(actual, weights, atol=1e-6)


@pytest.mark.parametrize("kind", [*KINDS, "Bidirectional"])
def test_copies_are_of_the_same_class(kind):
    layer = layers.Bidirectional(keras_rnn.GRU(4)) if kind == "Bidirectional" else getattr(keras_rnn, kind)(4)
    layer.build((None, None, 3))
    assert pickle.loads(pickle.dumps(type(layer))) is type(layer)
    copies = [pickle.loads(pickle.dumps(layer)), copy.deepcopy(layer), type(layer).from_config(layer.get_config())]
    for copied in copies:
        assert type(copied) is type(layer)
        if kind == "Bidirectional":
            assert type(copied.forward_layer) is type(copied.backward_layer) is keras_rnn.GRU
    for copied in copies[:2]:
        np.testing.assert_array_equal(copied(X), layer(X))


def test_a_class_of_the_same_name_stays_what_it_is():
    class LSTM(keras_rnn.LSTM):
        pass

    own = keras.saving.register_keras_serializable("tests")(LSTM)
    wrapper = layers.Bidirectional(own(4))
    assert type(wrapper.forward_layer) is own
    assert type(layers.Bidirectional(keras.layers.LSTM(4)).forward_layer) is keras.layers.LSTM


def test_fused_stays_false_in_copies():
    layer = keras_rnn.LSTM(4, name="rnn")
    assert "fused" not in layer.get_config()
    layer.fused = False
    wrapper = layers.Bidirectional(layer)
    assert not wrapper.fused
    assert not wrapper.forward_layer.fused
    assert not wrapper.backward_layer.fused
    inputs = keras.Input((None, 3))
    model = keras.models.clone_model(
        keras.Model(inputs, layers.Bidirectional(layer)(layers.GRU(3, return_sequences=True)(inputs)))
    )
    assert [part.fused for part in model.layers[1:]] == [True, False]
    assert not pickle.loads(pickle.dumps(layer)).fused
    wrapper.fused = True
    wrapper.build((None, None, 3))
    assert is_machine_code(wrapper)
    wrapper.fused = False
    assert not is_machine_code(wrapper)

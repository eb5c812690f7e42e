"""What leaves the process: SavedModels and files of other formats hold operations that others have."""

import sys
import types

import keras
import numpy as np
import pytest
import tensorflow as tf

import keras_rnn

KINDS = ["SimpleRNN", "GRU", "LSTM"]
X = np.random.default_rng(0).normal(size=(2, 5, 3)).astype("float32")
SIGNATURE = [tf.TensorSpec((None, None, 3))]


def operations(function) -> set[str]:
    graph = function.graph.as_graph_def()
    return {node.op for node in (*graph.node, *(n for inner in graph.library.function for n in inner.node_def))}


def model_of(layer):
    inputs = keras.Input((None, 3))
    return keras.Model(inputs, keras.layers.Dense(2)(layer(inputs)))


@pytest.mark.parametrize("kind", KINDS)
def test_an_endpoint_that_drops_at_random_is_saved(kind, tmp_path):
    """Monte Carlo dropout: predictions with training=True."""
    model = model_of(keras_rnn.Bidirectional(getattr(keras_rnn, kind)(4, dropout=0.5)))
    archive = keras.export.ExportArchive()
    archive.track(model)
    archive.add_endpoint("sample", lambda x: model(x, training=True), SIGNATURE)
    archive.write_out(tmp_path / "saved", verbose=False)
    loaded_model = tf.saved_model.load(tmp_path / "saved")
    assert not any("PyFunc" in name for name in operations(loaded_model.sample.get_concrete_function(*SIGNATURE)))
    samples = [loaded_model.sample(X).numpy() for _ in range(5)]
    assert np.isfinite(samples).all()
    assert np.std(samples, axis=0).min() > 0


def test_a_training_step_is_an_endpoint(tmp_path):
    layer = keras_rnn.LSTM(4)
    layer.build((None, None, 3))

    class Trainer(tf.Module):
        def __init__(self):
            super().__init__()
            self.layer = layer

        @tf.function(input_signature=SIGNATURE)
        def step(self, x):
            with tf.GradientTape() as tape:
                loss = tf.reduce_sum(self.layer(x, training=True) ** 2)
            for weight, gradient in zip(
                self.layer.trainable_variables, tape.gradient(loss, self.layer.trainable_variables), strict=True
            ):
                weight.assign_sub(0.1 * gradient)
            return loss

    trainer = Trainer()
    trainer.step(X)  # in machine code, and once more in what is saved
    tf.saved_model.save(trainer, tmp_path)
    loaded_model = tf.saved_model.load(tmp_path)
    for _ in range(3):
        np.testing.assert_allclose(loaded_model.step(X), trainer.step(X), rtol=1e-5)


def test_a_function_of_machine_code_is_not_saved(tmp_path):
    layer = keras_rnn.LSTM(4)
    layer.build((None, None, 3))
    module = tf.Module()
    module.layer = layer
    traced = tf.function(lambda x: layer(x, training=True)).get_concrete_function(*SIGNATURE)
    with pytest.raises(AssertionError, match=r"keras_rnn.layers.native.set_enabled\(False\)"):
        tf.saved_model.save(module, tmp_path, signatures=traced)


@pytest.mark.parametrize("kind", KINDS)
def test_gradients_of_what_was_saved(kind, tmp_path):
    layer = getattr(keras_rnn, kind)(4)
    layer.build((None, None, 3))
    module = tf.Module()
    module.layer = layer
    module.predict = tf.function(lambda x: layer(x), input_signature=SIGNATURE)
    tf.saved_model.save(module, tmp_path)
    loaded_model = tf.saved_model.load(tmp_path)

    def gradient(function):
        x = tf.constant(X)
        with tf.GradientTape() as tape:
            tape.watch(x)
            loss = tf.reduce_sum(function(x) ** 2)
        return tape.gradient(loss, x)

    np.testing.assert_allclose(gradient(loaded_model.predict), gradient(layer), atol=1e-6)


@pytest.fixture
def converter():
    """A module of a converter's name, whose function traces what it is given."""
    module = types.ModuleType("tf2onnx.stand_in")
    exec("def trace(function, *signature):\n    return function.get_concrete_function(*signature)", vars(module))
    sys.modules[module.__name__] = module
    yield module
    del sys.modules[module.__name__]


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("training", [False, True])
def test_a_converter_finds_keras_own_operations(kind, training, converter):
    expected, ours = (module.Bidirectional(getattr(module, kind)(4)) for module in (keras.layers, keras_rnn))
    mask = tf.constant([[True] * 5, [True] * 3 + [False] * 2])
    kinds = []
    for layer in (expected, ours):
        layer.build((None, None, 3))
        function = tf.function(lambda x, layer=layer: layer(x, mask=mask, training=training))
        kinds.append(operations(converter.trace(function, tf.TensorSpec((2, 5, 3)))))
    assert kinds[0] == kinds[1]


@pytest.mark.parametrize("kind", KINDS)
def test_litert_converts(kind, tmp_path):
    path = tmp_path / "model.tflite"
    model_of(keras_rnn.Bidirectional(getattr(keras_rnn, kind)(4))).export(path, format="litert", verbose=False)
    assert path.read_bytes()[4:8] == b"TFL3"

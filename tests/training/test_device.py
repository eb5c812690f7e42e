import keras
import pytest
import tensorflow as tf

import keras_rnn
from keras_rnn import create_model, list_models, text_classifier
from keras_rnn.layers import native
from keras_rnn.training.device import cudnn_obstacles, device_line, forms_line


def model(**options):
    return text_classifier(num_classes=2, vocabulary_size=10, **options)


@pytest.fixture
def visible_gpu(monkeypatch):
    gpu = tf.config.PhysicalDevice(name="/physical_device:GPU:0", device_type="GPU")
    monkeypatch.setattr(tf.config, "list_physical_devices", lambda kind=None: [gpu] if kind == "GPU" else [])
    monkeypatch.setattr(tf.config.experimental, "get_device_details", lambda gpu: {"device_name": "Test GPU"})


def test_without_a_gpu_that_is_the_reason():
    assert cudnn_obstacles(model()) == ["no GPU is visible to TensorFlow"]
    assert "device: CPU" in device_line(model())
    assert device_line(model()).endswith("cuDNN: not used, no GPU is visible to TensorFlow")


@pytest.mark.parametrize(
    "name", [name for name in list_models(task="classification") if "lstm" in name or "gru" in name]
)
def test_every_lstm_and_gru_of_the_zoo_takes_cudnn(name, visible_gpu):
    if name.startswith("test_"):
        return
    model = create_model(name, num_classes=2, vocabulary_size=10)
    assert cudnn_obstacles(model) == []
    assert device_line(model) == "device: GPU (Test GPU); cuDNN: used"


@pytest.mark.parametrize(
    ("options", "reason"),
    [
        ({"recurrent_dropout": 0.1}, "rnn_0 has recurrent_dropout 0.1, and cuDNN takes none"),
        ({"cell": "simple_rnn"}, "rnn_0 is a SimpleRNN, and cuDNN takes LSTM and GRU"),
        ({"num_layers": 0, "pooling": "mean"}, "the model has no recurrent layer"),
        ({"use_cudnn": False}, "rnn_0 has use_cudnn=False"),
    ],
)
def test_the_reason_is_given(options, reason, visible_gpu):
    assert cudnn_obstacles(model(**options))[0] == reason
    assert device_line(model(**options)).endswith(f"cuDNN: not used, {reason}")


def test_other_activations_and_forms_are_obstacles(visible_gpu):
    x = keras.Input((None, 3))
    layers = [
        keras.layers.LSTM(2, activation="relu", name="a", return_sequences=True),
        keras.layers.GRU(2, reset_after=False, name="b", return_sequences=True),
        keras.layers.LSTM(2, use_bias=False, name="c"),
    ]
    y = x
    for layer in layers:
        y = layer(y)
    assert cudnn_obstacles(keras.Model(x, y)) == [
        "a has activation relu, and cuDNN takes tanh",
        "b has reset_after=False, and cuDNN takes True",
        "c has no bias, and cuDNN takes one",
    ]


@pytest.mark.parametrize(
    ("options", "line"),
    [
        ({"bidirectional": True, "num_layers": 2}, "machine code"),
        ({"recurrent_dropout": 0.1}, "Keras' loop, since it has recurrent dropout"),
        ({"num_layers": 0, "pooling": "mean"}, "none"),
    ],
)
def test_what_recurrent_layers_run_in_is_told(options, line):
    assert forms_line(model(**options)) == f"recurrent layers: {line}"


def test_why_there_is_no_machine_code_is_told(monkeypatch):
    monkeypatch.setattr(native, "_enabled", False)
    reason = "TensorFlow's operations, since keras_rnn.layers.native is switched off"
    assert forms_line(model()) == f"recurrent layers: {reason}"


def test_layers_that_differ_are_named():
    x = keras.Input((None, 3))
    y = keras_rnn.LSTM(2, name="a", return_sequences=True)(x)
    line = forms_line(keras.Model(x, keras.layers.GRU(2, name="b")(y)))
    assert line == "recurrent layers: a: machine code; b: Keras' loop, since GRU is no layer of keras_rnn.layers"

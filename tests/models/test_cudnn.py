"""With a GPU every model whose cell has a cuDNN form takes it: shown without one, by the graphs that are traced.

TensorFlow is told that there is a GPU, which Keras' layers and ours ask it for; a traced graph is never run.
"""

from collections import Counter

import keras
import pytest
import tensorflow as tf

from keras_rnn.layers import get_cell
from keras_rnn.models import create_model, get_model_entry, list_models, text_classifier
from keras_rnn.serving.check import graph_ops
from keras_rnn.serving.saved_model import write_saved_model
from keras_rnn.tasks.classification import serving
from keras_rnn.text.vectorizer import vectorizer_from_vocabulary
from keras_rnn.training.device import cudnn_obstacles, recurrent_layers

NAMES = [name for name in list_models(task="classification") if not name.startswith("test_")]
FORWARD, BACKWARD = "CudnnRNNV3", "CudnnRNNBackpropV3"
NOT_CUDNN = {"While", "StatelessWhile", "BlockLSTMV2", "PyFunc", "PyFuncStateless", "EagerPyFunc"}
SIZES = {"num_classes": 3, "vocabulary_size": 12}


@pytest.fixture(autouse=True)
def a_gpu(monkeypatch):
    listed = tf.config.list_logical_devices

    def with_a_gpu(device_type=None):
        gpus = [tf.config.LogicalDevice("/device:GPU:0", "GPU")] if device_type in (None, "GPU") else []
        return listed(device_type) + gpus

    monkeypatch.setattr(tf.config, "list_logical_devices", with_a_gpu)
    physical = tf.config.PhysicalDevice("/physical_device:GPU:0", "GPU")
    monkeypatch.setattr(tf.config, "list_physical_devices", lambda device_type=None: [physical])


def traced_ops(model: keras.Model, training: bool) -> Counter:
    """How often each op stands in the graph of a call, or of a training step's loss and gradients."""

    @tf.function(input_signature=[tf.TensorSpec((None, None), tf.int32)])
    def call(token_ids):
        if not training:
            return model(token_ids, training=False)
        with tf.GradientTape() as tape:
            loss = tf.reduce_sum(model(token_ids, training=True))
        return [tf.convert_to_tensor(slope) for slope in tape.gradient(loss, model.trainable_variables)]

    graph = call.get_concrete_function().graph.as_graph_def()
    nodes = [*graph.node, *(node for function in graph.library.function for node in function.node_def)]
    return Counter(node.op for node in nodes)


def takes_cudnn(name: str) -> bool:
    """A SimpleRNN does not: cuDNN itself has such a network, but Keras never calls it."""
    hyperparameters = get_model_entry(name).hyperparameters
    return hyperparameters.get("num_layers", 1) > 0 and get_cell(hyperparameters["cell"]).cudnn


def test_all_cells_are_there_to_be_asked():
    assert {get_model_entry(name).hyperparameters.get("cell") for name in NAMES} == {None, "simple_rnn", "lstm", "gru"}
    assert {takes_cudnn(name) for name in NAMES} == {True, False}


@pytest.mark.parametrize("training", [False, True])
@pytest.mark.parametrize("name", NAMES)
def test_every_model_takes_cudnn_where_its_cell_has_it(name, training):
    model = create_model(name, **SIZES)
    ops = traced_ops(model, training)
    layers = len(recurrent_layers(model)) if takes_cudnn(name) else 0
    assert ops[FORWARD] == layers
    assert ops[BACKWARD] == (layers if training else 0)
    if layers:
        assert not NOT_CUDNN & ops.keys()
    # What `keras-rnn train` prints of it.
    assert bool(cudnn_obstacles(model)) is not takes_cudnn(name)
    if "rnn" in name and not takes_cudnn(name):
        assert "is a SimpleRNN, and cuDNN takes LSTM and GRU" in cudnn_obstacles(model)[0]


@pytest.mark.parametrize("cell", ["lstm", "gru"])
@pytest.mark.parametrize("options", [{}, {"dropout": 0.5}, {"pooling": "attention", "bidirectional": True}])
def test_the_builders_own_defaults_take_cudnn(cell, options):
    model = text_classifier(cell=cell, **SIZES, **options)
    for training in (False, True):
        ops = traced_ops(model, training)
        assert ops[FORWARD] == len(recurrent_layers(model)) > 0
        assert not NOT_CUDNN & ops.keys()


@pytest.mark.parametrize("options", [{"recurrent_dropout": 0.5}, {"use_cudnn": False}, {"cell": "simple_rnn"}])
def test_what_has_no_cudnn_form_or_shall_not_take_it_runs_without(options):
    ops = traced_ops(text_classifier(**SIZES, **options), training=True)
    assert not [op for op in ops if "Cudnn" in op]
    assert NOT_CUDNN & ops.keys()


@pytest.mark.parametrize("use_cudnn", ["auto", False])
@pytest.mark.parametrize("name", ["bilstm_2x64", "bigru_2x64"])
def test_an_export_beside_a_gpu_holds_no_cudnn_op(name, use_cudnn, tmp_path):
    model = create_model(name, num_classes=3, vectorizer=vectorizer_from_vocabulary(["good", "bad"]))
    for layer in recurrent_layers(model):
        layer.use_cudnn = use_cudnn
    write_saved_model(serving, model, {"class_names": ("no", "yes", "perhaps")}, tmp_path / "1")
    assert (FORWARD in graph_ops(tmp_path / "1")) is (use_cudnn == "auto")

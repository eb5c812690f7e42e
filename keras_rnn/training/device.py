"""The device a run trains on: set up, and put into one line."""

import os

import keras
import tensorflow as tf

from keras_rnn.layers import WeightDropout
from keras_rnn.layers.forms import training_form

CUDNN_LAYERS = (keras.layers.LSTM, keras.layers.GRU)
CUDNN_ACTIVATIONS = {"activation": "tanh", "recurrent_activation": "sigmoid"}


def grow_gpu_memory() -> None:
    """Lets TensorFlow take a GPU's memory as it needs it; without effect once a GPU is in use."""
    for gpu in tf.config.list_physical_devices("GPU"):
        try:
            tf.config.experimental.set_memory_growth(gpu, True)
        except RuntimeError:
            return


def device_line(model: keras.Model, replicas: int = 1) -> str:
    """Which device trains `model`, on how many replicas, and whether cuDNN runs its recurrent layers or why not."""
    device = gpu_names() or f"CPU ({os.cpu_count()} cores)"
    if replicas > 1:
        device += f", {replicas} replicas"
    reasons = cudnn_obstacles(model)
    return f"device: {device}; cuDNN: {'not used, ' + reasons[0] if reasons else 'used'}"


def forms_line(model: keras.Model) -> str:
    """The form that each recurrent layer of `model` trains in, and why not machine code; one entry for equal layers."""
    names: dict[str, list[str]] = {}
    for layer in recurrent_layers(model):
        form, reason = training_form(layer)
        names.setdefault(form if reason is None else f"{form}, since {reason}", []).append(layer.name)
    if len(names) == 1:
        return f"recurrent layers: {next(iter(names))}"
    parts = [f"{', '.join(layer_names)}: {form}" for form, layer_names in names.items()]
    return f"recurrent layers: {'; '.join(parts) or 'none'}"


def gpu_names() -> str:
    """ "GPU (NAME, NAME)" of those that TensorFlow sees; "" without any."""
    gpus = tf.config.list_physical_devices("GPU")
    names = [tf.config.experimental.get_device_details(gpu).get("device_name", gpu.name) for gpu in gpus]
    return f"GPU ({', '.join(names)})" if gpus else ""


def cudnn_obstacles(model: keras.Model) -> list[str]:
    """Why cuDNN will not run the recurrent layers of `model`, most general reason first; empty if it will."""
    if not tf.config.list_physical_devices("GPU"):
        return ["no GPU is visible to TensorFlow"]
    layers = recurrent_layers(model)
    if not layers:
        return ["the model has no recurrent layer"]
    return [reason for layer in layers for reason in _layer_obstacles(layer)]


def recurrent_layers(model: keras.Model) -> list[keras.layers.RNN]:
    """The recurrent layers of `model`, with those of nested models and those inside other layers."""
    layers = []
    for layer in model.layers:
        if isinstance(layer, keras.Model):
            layers += recurrent_layers(layer)
        elif isinstance(layer, keras.layers.Bidirectional):
            layers += [layer.forward_layer, layer.backward_layer]
        elif isinstance(layer, WeightDropout):
            layers.append(layer.layer)
        elif isinstance(layer, keras.layers.RNN):
            layers.append(layer)
    return layers


def _layer_obstacles(layer) -> list[str]:
    if not isinstance(layer, CUDNN_LAYERS):
        return [f"{layer.name} is a {type(layer).__name__}, and cuDNN takes LSTM and GRU"]
    reasons = [
        f"{layer.name} has {option} {getattr(layer, option).__name__}, and cuDNN takes {name}"
        for option, name in CUDNN_ACTIVATIONS.items()
        if getattr(layer, option).__name__ != name
    ]
    if layer.recurrent_dropout:
        reasons.append(f"{layer.name} has recurrent_dropout {layer.recurrent_dropout}, and cuDNN takes none")
    if not layer.use_bias:
        reasons.append(f"{layer.name} has no bias, and cuDNN takes one")
    if layer.unroll:
        reasons.append(f"{layer.name} is unrolled")
    if not getattr(layer, "reset_after", True):
        reasons.append(f"{layer.name} has reset_after=False, and cuDNN takes True")
    if layer.use_cudnn not in ("auto", True):
        reasons.append(f"{layer.name} has use_cudnn={layer.use_cudnn}")
    return reasons

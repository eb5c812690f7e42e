"""Parts of the graph of a SavedModel."""

import keras
import tensorflow as tf


def signature(spec: tf.TensorSpec):
    """Decorator that makes a function of one tensor a signature."""
    return tf.function(input_signature=[spec], autograph=False)


def input_specs(network: keras.Model) -> dict[str, tf.TensorSpec]:
    """The inputs of a functional model by name."""
    return {tensor.name: tf.TensorSpec(tensor.shape, tensor.dtype, tensor.name) for tensor in network.inputs}


def lookup_tables(model: keras.Model) -> list:
    """The lookup tables of the model's layers."""
    nodes = tf.train.TrackableView(model).descendants()
    return [node for node in nodes if isinstance(node, tf.saved_model.experimental.TrackableResource)]

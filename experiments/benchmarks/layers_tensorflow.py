"""The peer of `layers` that runs keras_rnn's layers (argument: ours) or Keras' own (argument: keras)."""

import os
import sys

os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")
import keras
import numpy as np
import tensorflow as tf
from layer_case import Case
from peer import serve
from turns import seconds_per_call

import keras_rnn

LAYERS = {"ours": keras_rnn, "keras": keras.layers}[sys.argv[1]]
functions = {}


def build(case: dict, results: str) -> dict:
    """Makes the calls to be timed, and writes the outputs and the gradient of the inputs to the file `results`."""
    case = Case(**case)
    layer = getattr(LAYERS, case.cell)(case.units, return_sequences=True)
    if case.bidirectional:
        layer = LAYERS.Bidirectional(layer)
    inputs, slopes = tf.constant(case.inputs()), tf.constant(case.slopes())
    layer.build(inputs.shape)
    layer.set_weights(case.weights())
    # As in the models of this library, whose batches and texts are of any size.
    signature = [tf.TensorSpec((None, None, case.features))]

    @tf.function(input_signature=signature)
    def forward(x):
        return layer(x, training=False)

    @tf.function(input_signature=[*signature, tf.TensorSpec((None, None, slopes.shape[2]))])
    def train_step(x, slopes):
        with tf.GradientTape() as tape:
            tape.watch(x)
            outputs = layer(x, training=True)
            loss = tf.reduce_sum(outputs * slopes)
        return loss, tape.gradient(loss, [x, *layer.trainable_variables])

    functions.update(forward=lambda: forward(inputs), train_step=lambda: train_step(inputs, slopes))
    np.savez(results, outputs=forward(inputs).numpy(), d_inputs=train_step(inputs, slopes)[1][0].numpy())
    return {"forward": operations(forward.get_concrete_function().graph.as_graph_def())}


def operations(graph: tf.compat.v1.GraphDef) -> list[str]:
    """The kinds of all operations of a graph and its functions, in a fixed order."""
    nodes = [graph.node, *(function.node_def for function in graph.library.function)]
    return sorted(node.op for graph_nodes in nodes for node in graph_nodes)


def turn(what: str, seconds: float, calls: int) -> dict:
    return {"seconds": seconds_per_call(functions[what], seconds, calls)}


serve({"build": build, "turn": turn})

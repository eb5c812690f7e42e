"""The peer of `memory` that uses keras_rnn's layers (argument: ours) or Keras' own (argument: keras)."""

import gc
import os
import sys

os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")
import keras
import numpy as np
import psutil
import tensorflow as tf
from peer import serve

import keras_rnn

LAYERS = {"ours": keras_rnn, "keras": keras.layers}[sys.argv[1]]
FEATURES, UNITS, ROWS = 32, 64, 32
CALLS_PER_KEPT = 10  # a call of so many is kept


def layer_of(units: int):
    layer = LAYERS.Bidirectional(LAYERS.LSTM(units, return_sequences=True, return_state=True))
    layer.build((None, None, FEATURES))
    return layer


def step_of(layer, result):
    """A function of inputs that returns `result(outputs, gradients)`."""

    @tf.function(input_signature=[tf.TensorSpec((None, None, FEATURES))])
    def step(x):
        with tf.GradientTape() as tape:
            tape.watch(x)
            outputs = layer(x, training=True)
            loss = tf.reduce_sum(outputs[0])
        return result(outputs, tape.gradient(loss, [x, *layer.trainable_variables]))

    return step


RESULTS = {
    "shapes": lambda outputs, gradients: gradients[1:],
    "outputs": lambda outputs, gradients: outputs[0],
    "states": lambda outputs, gradients: outputs[1:],
    "gradients": lambda outputs, gradients: gradients[-1],
}


def run(case: str, calls: int, seed: int) -> dict:
    """Bytes that the process has resident after so many calls, or a tenth of them where all are kept."""
    rng = np.random.default_rng(seed)

    def inputs(rows: int):
        return tf.zeros((rows, int(rng.integers(1, 100)), FEATURES))

    kept_outputs = []
    if case == "sizes":
        for units in range(1, 101, 5):
            step = step_of(layer_of(units), RESULTS["shapes"])
            for _ in range(calls // 200):
                step(inputs(ROWS))
    else:
        step = step_of(layer_of(UNITS), RESULTS[case])
        if case == "shapes":
            for _ in range(calls):
                step(inputs(int(rng.integers(1, 65))))
        else:
            kept_outputs = [step(inputs(ROWS)) for _ in range(calls // CALLS_PER_KEPT)]
    gc.collect()
    return {"bytes": psutil.Process().memory_info().rss, "kept": len(kept_outputs)}


serve({"run": run})

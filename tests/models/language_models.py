"""Small language models for tests, and an independent one in NumPy, a token and a row at a time."""

import keras
import numpy as np
import tensorflow as tf

from keras_rnn.models import language_model, state_names

VOCABULARY = 23
SIZES = {"embedding_size": 6, "hidden_size": 6, "num_layers": 2}
VARIANTS = {
    "tied_lstm": {},
    "projected_gru": {"cell": "gru", "hidden_size": (5, 4)},
    "untied_gru": {"cell": "gru", "tie_embeddings": False},
    "untied_simple_rnn": {"cell": "simple_rnn", "tie_embeddings": False, "num_layers": 1},
    "adaptive_lstm": {"tie_embeddings": False, "adaptive_cutoffs": [4, 9, 15]},
    "dropped_lstm": {
        "embedding_dropout": 0.2,
        "input_dropout": 0.2,
        "dropout": 0.3,
        "output_dropout": 0.3,
        "weight_dropout": 0.4,
    },
}
TOKEN_IDS = np.array([[5, 3, 7, 2, 9], [4, 22, 8, 0, 0], [0, 0, 0, 0, 0]], "int32")
TARGETS = np.array([[3, 7, 2, 9, 21], [22, 8, 12, 0, 0], [0, 0, 0, 0, 0]], "int32")


def build(variant: str) -> keras.Model:
    keras.utils.set_random_seed(5)
    model = language_model(VOCABULARY, **{**SIZES, **VARIANTS[variant]})
    rng = np.random.default_rng(2)
    for weight in model.trainable_variables:
        weight.assign(rng.normal(0, 0.5, weight.shape))  # biases, too
    return model


def random_states(model, rows=3):
    rng = np.random.default_rng(1)
    shapes = {name: (rows, model.input[name].shape[1]) for name in state_names(model)}
    return {name: tf.constant(rng.normal(size=shape), tf.float32) for name, shape in shapes.items()}


def sigmoid(x):
    return 1 / (1 + np.exp(-x))


def lstm_step(x, states, kernel, recurrent_kernel, bias):
    h, c = states
    i, f, g, o = np.split(x @ kernel + h @ recurrent_kernel + bias, 4)
    c = sigmoid(f) * c + sigmoid(i) * np.tanh(g)
    h = sigmoid(o) * np.tanh(c)
    return h, [h, c]


def gru_step(x, states, kernel, recurrent_kernel, bias):
    (h,) = states
    x_z, x_r, x_n = np.split(x @ kernel + bias[0], 3)
    h_z, h_r, h_n = np.split(h @ recurrent_kernel + bias[1], 3)
    z, r = sigmoid(x_z + h_z), sigmoid(x_r + h_r)
    h = z * h + (1 - z) * np.tanh(x_n + r * h_n)
    return h, [h]


def simple_rnn_step(x, states, kernel, recurrent_kernel, bias):
    h = np.tanh(x @ kernel + states[0] @ recurrent_kernel + bias)
    return h, [h]


STEPS = {"lstm": (lstm_step, 2), "gru": (gru_step, 1), "simple_rnn": (simple_rnn_step, 1)}


def log_softmax(logits):
    return logits - np.log(np.exp(logits).sum())


def reference_log_probabilities(model, options, h):
    weights = {layer.name: [np.float64(w) for w in layer.get_weights()] for layer in model.layers}
    if options.get("adaptive_cutoffs"):
        cutoffs = [*options["adaptive_cutoffs"], VOCABULARY]
        head_kernel, head_bias, *clusters = weights["logits"]
        head = log_softmax(h @ head_kernel + head_bias)
        parts = [head[: cutoffs[0]]]
        for number in range(len(cutoffs) - 1):
            projection, kernel, bias = clusters[3 * number : 3 * number + 3]
            parts.append(head[cutoffs[0] + number] + log_softmax(h @ projection @ kernel + bias))
        return np.concatenate(parts)
    if "projection" in weights:
        kernel, bias = weights["projection"]
        h = h @ kernel + bias
    if options.get("tie_embeddings", True):
        matrix, bias = weights["embedding"][:2]
        return log_softmax(matrix @ h + bias)
    kernel, bias = weights["logits"]
    return log_softmax(h @ kernel + bias)


def reference(model, options, token_ids, states):
    """Log-probabilities `(rows, steps, tokens)`, zeros at padding, and the last states, in a loop of float64."""
    step, count = STEPS[options.get("cell", "lstm")]
    embedding = np.float64(model.get_layer("embedding").get_weights()[0])
    layers = [layer for layer in model.layers if layer.name.startswith("rnn_")]
    outputs = np.zeros((*token_ids.shape, VOCABULARY))
    last = {name: np.float64(value) for name, value in states.items()}
    for row, ids in enumerate(token_ids):
        for time, token in enumerate(ids):
            if token == 0:
                continue
            x = embedding[token] * np.sqrt(embedding.shape[1])
            for index, layer in enumerate(layers):
                names = [f"state_{count * index + number}" for number in range(count)]
                weights = [np.float64(w) for w in layer.get_weights()[:3]]
                x, after = step(x, [last[name][row] for name in names], *weights)
                for name, value in zip(names, after, strict=True):
                    last[name][row] = value
            outputs[row, time] = reference_log_probabilities(model, options, x)
    return outputs, last

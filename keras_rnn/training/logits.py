"""A token model's logits for encoded texts, and the two figures of a classifier."""

from collections.abc import Callable, Sequence

import keras
import numpy as np
import tensorflow as tf

from keras_rnn.layers.forms import for_this_process
from keras_rnn.text.encoded import EncodedTexts, in_length_batches, length_batches

# Of a batch of inference, padding included. On a CPU more are no quicker, and need memory that training did not: its
# pages cost the first batch half a second.
INFERENCE_TOKENS = 2**13
TEXT_CHARACTERS = 2**17


def logits_function(token_model: keras.Model) -> Callable[[EncodedTexts], np.ndarray]:
    """A function from encoded texts to float32 logits `(rows, classes)`, traced once for every length."""

    @tf.function(input_signature=[tf.TensorSpec((None, None), tf.int32)])
    def forward(token_ids):
        with for_this_process():
            return token_model(token_ids, training=False)

    def logits(texts: EncodedTexts) -> np.ndarray:
        result = np.zeros((len(texts), token_model.output_shape[-1]), np.float32)
        for rows in length_batches(texts.lengths, INFERENCE_TOKENS):
            result[rows] = forward(texts.padded(rows)).numpy()
        return result

    return logits


def text_logits_function(model: keras.Model) -> Callable[[Sequence[str]], np.ndarray]:
    """A function from strings to a text model's float32 logits `(rows, classes)`, traced once."""

    @tf.function(input_signature=[tf.TensorSpec((None,), tf.string)])
    def forward(batch):
        with for_this_process():
            return model(batch, training=False)

    return lambda texts: in_length_batches(lambda batch: forward(tf.constant(batch)).numpy(), texts, TEXT_CHARACTERS)


def softmax(logits: np.ndarray) -> np.ndarray:
    """Probabilities along the last axis."""
    exponentials = np.exp(logits - logits.max(axis=-1, keepdims=True))
    return exponentials / exponentials.sum(axis=-1, keepdims=True)


def classification_metrics(logits: np.ndarray, labels: np.ndarray) -> dict[str, float]:
    """Mean cross-entropy in nats ("loss") and share of rows whose largest logit is the label's ("accuracy")."""
    likelihood = softmax(logits.astype(np.float64))[np.arange(len(labels)), labels]
    return {
        "loss": float(-np.log(np.maximum(likelihood, 1e-30)).mean()),
        "accuracy": float((logits.argmax(axis=-1) == labels).mean()),
    }

"""A token model's logits for encoded texts, and the two figures of a classifier."""

from collections.abc import Callable, Sequence

import keras
import numpy as np
import tensorflow as tf

from keras_rnn.text.encoded import EncodedTexts
from keras_rnn.training.batches import inference_batches


def logits_function(token_model: keras.Model) -> Callable[[EncodedTexts], np.ndarray]:
    """A function from encoded texts to float32 logits `(rows, classes)`, traced once for every length."""
    forward = tf.function(
        lambda token_ids: token_model(token_ids, training=False),
        input_signature=[tf.TensorSpec((None, None), tf.int32)],
    )

    def logits(texts: EncodedTexts) -> np.ndarray:
        result = np.zeros((len(texts), token_model.output_shape[-1]), np.float32)
        for rows in inference_batches(texts.lengths):
            result[rows] = forward(texts.padded(rows)).numpy()
        return result

    return logits


def text_logits(model: keras.Model, texts: Sequence[str]) -> np.ndarray:
    """A text model's logits for strings, float32 `(rows, classes)`, texts of like length together."""
    forward = tf.function(
        lambda batch: model(batch, training=False), input_signature=[tf.TensorSpec((None,), tf.string)]
    )
    result = np.zeros((len(texts), model.output_shape[-1]), np.float32)
    # Characters over-estimate tokens about fivefold, so the padded tokens of a batch stay well in bounds.
    for rows in inference_batches(np.array([len(text) for text in texts], np.int64)):
        result[rows] = forward(tf.constant([texts[row] for row in rows])).numpy()
    return result


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

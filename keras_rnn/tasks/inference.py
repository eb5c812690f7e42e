"""A model's logits for many texts, in batches of like length."""

import itertools
import os
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor

import keras
import numpy as np
import tensorflow as tf

from keras_rnn.layers.forms import for_this_process
from keras_rnn.text.encoded import EncodedTexts, in_length_batches, length_batches

# Tokens of a batch of inference, padding included. On a CPU more are no quicker, and need more memory than training:
# its pages cost the first batch half a second.
INFERENCE_TOKENS = 2**13
TEXT_CHARACTERS = 2**17
CORE_TEXTS = 16  # the fewest for a core: a step of the network costs hardly less for fewer


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


def on_all_cores(call: Callable[[list[str]], np.ndarray]) -> Callable[[list[str]], np.ndarray]:
    """`call` for a list of texts, a part of them on each core."""
    cores = os.cpu_count() or 1
    pool = ThreadPoolExecutor(cores, thread_name_prefix="predictor")

    def call_parts(batch: list[str]) -> np.ndarray:
        parts = min(cores, len(batch) // CORE_TEXTS)
        if parts < 2:
            return call(batch)
        sizes = np.linspace(0, len(batch), parts + 1).astype(int)
        return np.concatenate(list(pool.map(call, (batch[start:end] for start, end in itertools.pairwise(sizes)))))

    return call_parts

"""The answers of a model to a few texts. They are stored with its SavedModel, which is checked against them."""

import json
from collections.abc import Sequence
from pathlib import Path

import keras
import numpy as np
import tensorflow as tf

from keras_rnn.files import atomic_write
from keras_rnn.models import token_ids_model_of, token_model_of, vectorizer_of

SINGLE_TEXTS = 4  # texts that `rows_independent` asks one by one
SINGLE_TEXT_TOLERANCE = 1e-3  # float16 layers differ by less, and padding makes a larger difference
UNKNOWN_WORDS = "qqqxzj zzzvqk"


def check_texts(model: keras.Model, sample_texts: Sequence[str] = ()) -> list[str]:
    """`sample_texts`, or texts of the model's vocabulary where there are none; then "" and unknown words."""
    return list(dict.fromkeys([*(sample_texts or _texts_of_the_vocabulary(model)), "", UNKNOWN_WORDS]))


def _texts_of_the_vocabulary(model: keras.Model) -> list[str]:
    rng = np.random.default_rng(0)
    vocabulary = [str(token) for token in vectorizer_of(model).get_vocabulary()[2:]]
    return [" ".join(rng.choice(vocabulary, length)) for length in (1, 2, 5, 20, 60, 1000)]


def answers(model: keras.Model, class_names: tuple[str, ...], texts: Sequence[str]) -> list[dict]:
    """The answers of a text model to `texts` as one batch, on the CPU.

    Returns:
        For each text, in order: "text", "label", "probabilities" (a float a class), "logits" (a float a class) and
        "token_ids", the integers that the token model gets for it, without padding.
    """
    with tf.device("CPU:0"):  # a GPU may round more roughly than the check allows
        # A traced function: an eager call steps through long texts op by op.
        logits = tf.function(lambda texts: model(texts, training=False))(tf.constant(texts)).numpy()
        probabilities = tf.nn.softmax(logits).numpy()
        token_ids = token_ids_model_of(model)(tf.constant(texts)).numpy()
    return [
        {
            "text": text,
            "label": class_names[int(probabilities[row].argmax())],
            "probabilities": probabilities[row].tolist(),
            "token_ids": token_ids[row][token_ids[row] != 0].tolist(),
            "logits": logits[row].tolist(),
        }
        for row, text in enumerate(texts)
    ]


def rows_independent(model: keras.Model, rows: list[dict]) -> bool:
    """Whether the answer to a text is the same in every batch: False where padding reaches the recurrent layers.

    Two things are checked. An embedding may leave padding unmasked. A layer of the user may drop the mask, so the model
    answers the shortest texts of `rows` one by one.

    Args:
        rows: as `answers` returns them.
    """
    embeddings = [layer for layer in token_model_of(model).layers if isinstance(layer, keras.layers.Embedding)]
    if not embeddings or not all(layer.mask_zero for layer in embeddings):
        return False
    with tf.device("CPU:0"):
        for row in sorted(rows, key=lambda row: len(row["token_ids"]))[:SINGLE_TEXTS]:
            probabilities = tf.nn.softmax(model(tf.constant([row["text"]]), training=False))[0].numpy()
            if np.abs(probabilities - np.array(row["probabilities"])).max() > SINGLE_TEXT_TOLERANCE:
                return False
    return True


def write_answers(path: Path, rows: list[dict]) -> None:
    """Writes the rows as a JSON list, one row a line."""
    lines = ",\n".join(json.dumps(row, ensure_ascii=False) for row in rows)
    with atomic_write(path) as temp_path:
        temp_path.write_text(f"[\n{lines}\n]\n", encoding="utf-8")

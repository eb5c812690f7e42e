"""What a model answers to a few texts, kept beside its SavedModel so that the SavedModel can be checked by itself."""

import json
from collections.abc import Sequence
from pathlib import Path

import keras
import numpy as np
import tensorflow as tf

from keras_rnn.files import atomic_write
from keras_rnn.models import token_ids_model_of, token_model_of, vectorizer_of

ALONE = 4  # texts asked about one by one
ROUNDING = 1e-3  # of float16 layers; padding makes more of a difference
UNKNOWN_WORDS = "qqqxzj zzzvqk"


def check_texts(model: keras.Model, sample_texts: Sequence[str] = ()) -> list[str]:
    """`sample_texts`, or without any texts of the model's own words; then the empty string and unknown words."""
    return list(dict.fromkeys([*(sample_texts or _texts_of_the_vocabulary(model)), "", UNKNOWN_WORDS]))


def _texts_of_the_vocabulary(model: keras.Model) -> list[str]:
    rng = np.random.default_rng(0)
    vocabulary = [str(token) for token in vectorizer_of(model).get_vocabulary()[2:]]
    return [" ".join(rng.choice(vocabulary, length)) for length in (1, 2, 5, 20, 60, 1000)]


def answers(model: keras.Model, class_names: tuple[str, ...], texts: Sequence[str]) -> list[dict]:
    """The answers of a text model to `texts` as one batch, on the CPU.

    Returns:
        For each text, in order: "text", "label", "probabilities" (a float a class), "logits" (a float a class) and
        "token_ids", the integers that the token model is given for it, padding left out.
    """
    with tf.device("CPU:0"):  # a GPU's products may be rounded more roughly than the check allows
        # As a function: eagerly it would go through long texts op by op.
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
    """Whether a text's answer is the same beside whatever texts: False where padding reaches the recurrent layers.

    Asked of the model's embeddings, which may leave padding unmasked, and, since a layer of the user's own may drop
    the mask, of the shortest texts of `rows`, as `answers` gives them, alone.
    """
    embeddings = [layer for layer in token_model_of(model).layers if isinstance(layer, keras.layers.Embedding)]
    if not embeddings or not all(layer.mask_zero for layer in embeddings):
        return False
    with tf.device("CPU:0"):
        for row in sorted(rows, key=lambda row: len(row["token_ids"]))[:ALONE]:
            alone = tf.nn.softmax(model(tf.constant([row["text"]]), training=False))[0].numpy()
            if np.abs(alone - np.array(row["probabilities"])).max() > ROUNDING:
                return False
    return True


def write_answers(path: Path, rows: list[dict]) -> None:
    """Writes the rows as a JSON list, one row a line."""
    lines = ",\n".join(json.dumps(row, ensure_ascii=False) for row in rows)
    with atomic_write(path) as temp_path:
        temp_path.write_text(f"[\n{lines}\n]\n", encoding="utf-8")

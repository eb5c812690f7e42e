"""What a trained classifier answers, and the signatures of its SavedModel."""

from collections.abc import Callable, Mapping, Sequence
from typing import Any

import keras
import numpy as np
import tensorflow as tf

from keras_rnn.models import token_ids_model_of, token_model_of, vectorizer_of
from keras_rnn.tasks.classification.predictions import keras_predictor, saved_model_predictor
from keras_rnn.tasks.graphs import lookup_tables, signature
from keras_rnn.tasks.probes import same_alone, with_edge_cases
from keras_rnn.tasks.task import Facts
from keras_rnn.text.vectorizer import WordIds

__all__ = ["answers", "card_paragraphs", "keras_predictor", "rows_independent", "saved_model_predictor", "signatures"]

EXAMPLE = {"text": tf.io.FixedLenFeature((), tf.string)}


def answers(model: keras.Model, facts: Facts, samples: Sequence[str]) -> list[dict]:
    """The answers of a text model to `check_texts`, as one batch, on the CPU.

    Returns:
        For each text, in order: "text", "label", "probabilities" (a float a class), "logits" (a float a class) and
        "token_ids", the integers that the token model gets for it, without padding.
    """
    texts = check_texts(model, samples)
    with tf.device("CPU:0"):  # a GPU may round more roughly than the check allows
        # A traced function: an eager call steps through long texts op by op.
        logits = tf.function(lambda texts: model(texts, training=False))(tf.constant(texts)).numpy()
        probabilities = tf.nn.softmax(logits).numpy()
        token_ids = token_ids_model_of(model)(tf.constant(texts)).numpy()
    return [
        {
            "text": text,
            "label": facts["class_names"][int(probabilities[row].argmax())],
            "probabilities": probabilities[row].tolist(),
            "token_ids": token_ids[row][token_ids[row] != 0].tolist(),
            "logits": logits[row].tolist(),
        }
        for row, text in enumerate(texts)
    ]


def check_texts(model: keras.Model, samples: Sequence[str] = ()) -> list[str]:
    """`samples`, or without any texts of the model's own words; then the empty string and unknown words."""
    return with_edge_cases(samples or _texts_of_the_vocabulary(model))


def _texts_of_the_vocabulary(model: keras.Model) -> list[str]:
    rng = np.random.default_rng(0)
    vocabulary = [str(token) for token in vectorizer_of(model).get_vocabulary()[2:]]
    return [" ".join(rng.choice(vocabulary, length)) for length in (1, 2, 5, 20, 60, 1000)]


def rows_independent(model: keras.Model, answers: list[dict]) -> bool:
    """Whether the answer to a text is the same in every batch: False where padding reaches the recurrent layers.

    An embedding may leave padding unmasked; else `same_alone` tells.
    """
    embeddings = [layer for layer in token_model_of(model).layers if isinstance(layer, keras.layers.Embedding)]
    if not embeddings or not all(layer.mask_zero for layer in embeddings):
        return False

    def ask(row: Mapping[str, Any]) -> np.ndarray:
        return tf.nn.softmax(model(tf.constant([row["text"]]), training=False))[0].numpy()

    return same_alone(answers, "token_ids", "probabilities", ask)


def signatures(
    model: keras.Model, facts: Facts, network: Callable, trace: Callable[..., Callable]
) -> tuple[dict[str, Callable], list]:
    """The signatures of a text model, (input) to (outputs), C being the number of classes, and their lookup tables.

        serving_default  text string (None,)
                         to probabilities float32 (None, C), label string (None,)
        tokens           token_ids int32 (None, None), 0 for padding, right-padded
                         to logits float32 (None, C)
        classify         inputs string (None,): serialized tf.train.Example, bytes feature `text` of one value
                         to classes string (None, C): all names in each row, scores float32 (None, C)

    Each function calls the one before, so the recurrent layers are traced once for all three.
    """
    class_names = tf.constant(list(facts["class_names"]))
    token_ids_model = _quick_token_ids(model)

    @signature(tf.TensorSpec((None, None), tf.int32, "token_ids"))
    def tokens(token_ids):
        return {"logits": network(token_ids)}

    @signature(tf.TensorSpec((None,), tf.string, "text"))
    def serving_default(text):
        logits = tokens(token_ids_model(text, training=False))["logits"]
        label = tf.gather(class_names, tf.argmax(logits, axis=-1))
        return {"probabilities": tf.nn.softmax(logits), "label": label}

    @signature(tf.TensorSpec((None,), tf.string, "inputs"))
    def classify(inputs):
        scores = serving_default(tf.io.parse_example(inputs, EXAMPLE)["text"])["probabilities"]
        return {"classes": tf.tile(class_names[tf.newaxis], (tf.shape(scores)[0], 1)), "scores": scores}

    functions = {"tokens": tokens, "serving_default": serving_default, "classify": classify}
    return functions, lookup_tables(token_ids_model)


def _quick_token_ids(model: keras.Model) -> keras.Model:
    """`token_ids_model_of(model)`, with `WordIds` for a TextVectorization layer that it can stand for."""
    vectorizer = vectorizer_of(model)
    if not WordIds.stands_for(vectorizer):
        return token_ids_model_of(model)
    return keras.models.clone_model(
        token_ids_model_of(model), clone_function=lambda layer: WordIds(vectorizer) if layer is vectorizer else layer
    )


def card_paragraphs(card: Mapping[str, Any]) -> list[str]:
    """What the model card says of inputs, outputs and classes."""
    return [
        f"A text classifier with {card['parameters']:,} parameters. It takes strings `(batch,)` as `text` and returns "
        "`probabilities`, float32 `(batch, classes)`, and `label`, strings `(batch,)`. The signature `tokens` takes "
        "`token_ids`, int32 `(batch, time)`, and returns `logits`; `classify` is for TensorFlow Serving's Classify.",
        f"Classes, in the order of the probabilities: {', '.join(card['class_names'])}.",
    ]

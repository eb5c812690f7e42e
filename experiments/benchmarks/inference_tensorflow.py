"""The peer of `inference` that exports a classifier and calls its SavedModel (argument: ours or keras).

Ours is written as `keras_rnn.export` writes it, stock Keras' by `model.export`; both have strings for input.
"""

import json
import os
import sys
import tempfile
from pathlib import Path

os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")
import keras
import tensorflow as tf
from inference_case import InferenceCase
from inference_peer import serve_ways
from step_case import CLASSES, EMBEDDING

from keras_rnn.models import text_classifier
from keras_rnn.serving.layout import MODEL_CARD
from keras_rnn.serving.predictor import load_predictor
from keras_rnn.serving.saved_model import write_saved_model
from keras_rnn.tasks.classification import serving
from keras_rnn.text.vectorizer import vectorizer_from_vocabulary

TEXTS = tf.TensorSpec((None,), tf.string)
kept = []


def ours(case: InferenceCase, folder: Path) -> dict:
    model = text_classifier(
        num_classes=CLASSES,
        vectorizer=vectorizer_from_vocabulary(case.words),
        embedding_size=EMBEDDING,
        cell=case.cell,
        hidden_size=case.hidden_size,
        num_layers=2,
        bidirectional=True,
        use_cudnn=False,
    )
    model.set_weights(case.weights())
    names = [str(index) for index in range(CLASSES)]
    write_saved_model(serving, model, {"class_names": names}, folder, rows_independent=True)
    (folder / MODEL_CARD).parent.mkdir()
    (folder / MODEL_CARD).write_text(json.dumps({"class_names": names}))
    loaded = tf.saved_model.load(str(folder))
    return {
        "": by_signature(loaded),
        "serve()": lambda texts: loaded.serving_default(tf.constant(texts))["probabilities"].numpy(),
        "Predictor": load_predictor(folder).probabilities,
    }


def plain(case: InferenceCase, folder: Path) -> dict:
    layer = {"lstm": keras.layers.LSTM, "gru": keras.layers.GRU}[case.cell]
    model = keras.Sequential(
        [
            keras.Input((), dtype="string"),
            keras.layers.TextVectorization(vocabulary=case.words),
            keras.layers.Embedding(case.vocabulary_size, EMBEDDING, mask_zero=True),
            keras.layers.Bidirectional(layer(case.hidden_size, return_sequences=True)),
            keras.layers.Bidirectional(layer(case.hidden_size)),
            keras.layers.Dense(CLASSES, activation="softmax"),
        ]
    )
    model.set_weights(case.weights())
    model.export(str(folder), verbose=False, input_signature=[TEXTS])
    loaded = tf.saved_model.load(str(folder))
    return {"": by_signature(loaded), "serve()": lambda texts: loaded.serve(tf.constant(texts)).numpy()}


def by_signature(loaded):
    serve_texts = loaded.signatures["serving_default"]
    kept.append(loaded)  # the signature alone would not keep what it calls
    (input_name,) = serve_texts.structured_input_signature[1]
    output_name = next(name for name, spec in serve_texts.structured_outputs.items() if spec.dtype == tf.float32)
    return lambda texts: serve_texts(**{input_name: tf.constant(texts)})[output_name].numpy()


BUILDERS = {"ours": ours, "keras": plain}


def build(case: InferenceCase) -> dict:
    kept.clear()
    with tempfile.TemporaryDirectory() as folder:
        return BUILDERS[sys.argv[1]](case, Path(folder) / "1")


serve_ways(build)

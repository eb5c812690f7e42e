"""Builders: functions from hyperparameters to an uncompiled functional keras.Model, and the names for them."""

from keras_rnn.models.catalog import DEFAULT_MODEL
from keras_rnn.models.registry import ModelEntry, create_model, get_model_entry, list_models, register_model
from keras_rnn.models.text_classifier import text_classifier
from keras_rnn.models.text_model import text_model, token_ids_model_of, token_model_of, vectorizer_of

__all__ = [
    "DEFAULT_MODEL",
    "ModelEntry",
    "create_model",
    "get_model_entry",
    "list_models",
    "register_model",
    "text_classifier",
    "text_model",
    "token_ids_model_of",
    "token_model_of",
    "vectorizer_of",
]

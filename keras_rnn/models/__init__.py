"""Builders: functions from hyperparameters to an uncompiled functional keras.Model, and the names for them."""

from keras_rnn.models import language_model_catalog, tagger_catalog  # noqa: F401  register their models
from keras_rnn.models.catalog import DEFAULT_MODEL
from keras_rnn.models.language_model import language_model
from keras_rnn.models.language_model_parts import (
    hidden_logits,
    hidden_model,
    initial_states,
    state_names,
    token_nats,
)
from keras_rnn.models.registry import ModelEntry, create_model, get_model_entry, list_models, register_model
from keras_rnn.models.tag_objectives import CRFLoss, TagAccuracy, tag_loss
from keras_rnn.models.tagger import decoded_tagger, sequence_tagger, tagger_head
from keras_rnn.models.text_classifier import text_classifier
from keras_rnn.models.text_model import text_model, token_ids_model_of, token_model_of, vectorizer_of

__all__ = [
    "DEFAULT_MODEL",
    "CRFLoss",
    "ModelEntry",
    "TagAccuracy",
    "create_model",
    "decoded_tagger",
    "get_model_entry",
    "hidden_logits",
    "hidden_model",
    "initial_states",
    "language_model",
    "list_models",
    "register_model",
    "sequence_tagger",
    "state_names",
    "tag_loss",
    "tagger_head",
    "text_classifier",
    "text_model",
    "token_ids_model_of",
    "token_model_of",
    "token_nats",
    "vectorizer_of",
]

"""The network of classification: token ids to one logit a class."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import keras
import numpy as np

from keras_rnn.errors import UsageError
from keras_rnn.models import text_model
from keras_rnn.tasks import batches as row_batches
from keras_rnn.tasks.classification.rows import ClassificationData, LabelledSplit
from keras_rnn.tasks.inference import logits_function, softmax
from keras_rnn.tasks.task import Facts
from keras_rnn.text.options import TextOptions

training_model, batches = row_batches.training_model, row_batches.batches

SMALLEST = {"num_classes": 2, "vocabulary_size": 3, "embeddings": None}


def builder_arguments(prepared: ClassificationData | None) -> dict[str, Any]:
    """What `text_classifier` takes from the data; None stands for the smallest possible data."""
    if prepared is None:
        return SMALLEST
    return {
        "num_classes": len(prepared.class_names),
        "vocabulary_size": prepared.vocabulary_size,
        "embeddings": prepared.embeddings,
    }


def loss_and_metrics(token_model: keras.Model) -> tuple[keras.losses.Loss, list[keras.metrics.Metric]]:
    """Cross-entropy in nats, and the share of rows whose largest logit is the label's."""
    loss = keras.losses.SparseCategoricalCrossentropy(from_logits=True)
    # A metric named "accuracy" would make its variables in the first step, which would be traced twice for it.
    return loss, [keras.metrics.SparseCategoricalAccuracy(name="accuracy")]


def full_model(token_model: keras.Model, prepared: ClassificationData, options: TextOptions, name: str) -> keras.Model:
    """The text model: strings `(batch,)` to float32 logits `(batch, classes)`."""
    return text_model(token_model, prepared.vectorizer(), options.max_length, name=name)


def figures_function(token_model: keras.Model, facts: Facts) -> Callable[[LabelledSplit], dict[str, float]]:
    """A function from a split to its loss and accuracy, traced once."""
    logits = logits_function(token_model)
    return lambda split: classification_metrics(logits(split.texts), split.labels)


def classification_metrics(logits: np.ndarray, labels: np.ndarray) -> dict[str, float]:
    """Mean cross-entropy in nats ("loss") and share of rows whose largest logit is the label's ("accuracy")."""
    likelihood = softmax(logits.astype(np.float64))[np.arange(len(labels)), labels]
    return {
        "loss": float(-np.log(np.maximum(likelihood, 1e-30)).mean()),
        "accuracy": float((logits.argmax(axis=-1) == labels).mean()),
    }


def check_model(model: keras.Model, facts: Facts, path: Path) -> None:
    """UsageError unless the model takes one string, and has as many logits as there are class names."""
    inputs = getattr(model, "inputs", None) or []
    if len(inputs) != 1 or inputs[0].dtype != "string":
        raise UsageError(f"{path} is no text model of keras_rnn: it takes {[i.dtype for i in inputs]}, not one string")
    if len(inputs[0].shape) != 1 or isinstance(model.output, dict):
        raise UsageError(
            f"{path} is no classifier: it takes strings of shape {inputs[0].shape}; give its run directory"
        )
    if model.output_shape[-1] < 2:
        raise UsageError(f"{path} is no classifier: it has {model.output_shape[-1]} output; give its run directory")
    if (names := facts.get("class_names")) is not None and model.output_shape[-1] != len(names):
        raise UsageError(
            f"{path.parent / 'classes.json'} names {len(names)} classes, but the model has {model.output_shape[-1]}"
        )

"""The network of tagging: token ids and their characters to the scores of tags."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import keras
import numpy as np
import tensorflow as tf

from keras_rnn.errors import UsageError
from keras_rnn.layers.crf import TagDecoder
from keras_rnn.layers.forms import for_this_process
from keras_rnn.models.tag_objectives import tag_loss
from keras_rnn.models.tagger import decoded_tagger, tagger_head
from keras_rnn.tasks.inference import INFERENCE_TOKENS
from keras_rnn.tasks.prepared import EncodedSplit
from keras_rnn.tasks.tagging.rows import PADDING_TAG, TaggingData
from keras_rnn.tasks.tagging.spans import span_figures
from keras_rnn.tasks.task import Facts
from keras_rnn.text.encoded import length_batches
from keras_rnn.text.options import TextOptions
from keras_rnn.text.tokens import token_features

SMALLEST = {
    "num_tags": 2,
    "tag_names": None,
    "vocabulary_size": 3,
    "embeddings": None,
    "character_vocabulary_size": 3,
}


def builder_arguments(prepared: TaggingData | None) -> dict[str, Any]:
    """What `sequence_tagger` takes from the data; None: of the smallest data that there may be."""
    if prepared is None:
        return SMALLEST
    return {
        "num_tags": len(prepared.tag_names),
        "tag_names": prepared.tag_names,
        "vocabulary_size": len(prepared.facts["vocabulary"]) + 2,
        "embeddings": prepared.embeddings,
        "character_vocabulary_size": len(prepared.facts["characters"]) + 2,
    }


def loss_and_metrics(token_model: keras.Model) -> tuple[keras.losses.Loss, list[keras.metrics.Metric]]:
    """The nats a token of the head, and no metric: decoding takes as long as a good part of a training step."""
    return tag_loss(tagger_head(token_model)), []


def full_model(token_model: keras.Model, prepared: TaggingData, options: TextOptions, name: str) -> keras.Model:
    """Tokens, strings `(batch, time)` padded with "", to a dict.

    tags: int32 `(batch, time)`, indices into the tag names, -1 at padding.
    marginals: float32 `(batch, time, tags)`, the probability of each tag at each token, zeros at padding.
    """
    tokens = keras.Input((None,), dtype="string", name="tokens")
    features = token_features(tokens, prepared.facts["vocabulary"], prepared.facts["characters"])
    scores = token_model(network_inputs(token_model, features))
    decoder = TagDecoder(tagger_head(token_model), name="decoder")
    return keras.Model(tokens, decoder(scores, mask=features["token_ids"] != 0), name=name)


def network_inputs(token_model: keras.Model, features: dict) -> Any:
    """The features that a token model takes, in the form that it takes them in."""
    names = [tensor.name for tensor in token_model.inputs]
    return features[names[0]] if len(names) == 1 else {name: features[name] for name in names}


class Outputs:
    """What a token model says of the rows of a split: the tags of each, and the loss of all.

    Traced once for every length.
    """

    def __init__(self, token_model: keras.Model):
        decoded = decoded_tagger(token_model)
        loss = tag_loss(tagger_head(token_model))
        scored = keras.Model(token_model.input, {**decoded.output, "scores": token_model.output})
        names = [tensor.name for tensor in token_model.inputs]
        ranks = {"token_ids": 2, "character_ids": 3}
        specs = {name: tf.TensorSpec((None,) * ranks[name], tf.int32) for name in names}

        @tf.function(input_signature=[specs, tf.TensorSpec((None, None), tf.int32)])
        def forward(inputs, tags):
            with for_this_process():
                outputs = scored(network_inputs(token_model, inputs), training=False)
            count = tf.reduce_sum(tf.cast(tags != PADDING_TAG, tf.float32))
            nats = tf.reduce_sum(loss.call(tags, outputs["scores"]))
            return outputs["tags"], outputs["marginals"], nats, count

        self._forward, self._names = forward, names

    def __call__(self, split: EncodedSplit) -> tuple[list[np.ndarray], float]:
        """The tag ids of each row, int32, and the loss in nats a token."""
        tags: list[np.ndarray] = [np.zeros(0, np.int32)] * len(split)
        nats = tokens = 0.0
        lengths = split.lengths
        for rows in length_batches(lengths, INFERENCE_TOKENS):
            if not lengths[rows].max(initial=0):
                continue  # rows without a token
            inputs = split.take_inputs(rows)
            batch_tags, _, batch_nats, count = self._forward(
                {name: inputs[name] for name in self._names}, split.take_targets(rows)["tags"]
            )
            nats, tokens = nats + float(batch_nats), tokens + float(count)
            for row, row_tags in zip(rows, batch_tags.numpy(), strict=True):
                tags[row] = row_tags[: lengths[row]]
        return tags, nats / max(tokens, 1.0)


def figures_of(
    split: EncodedSplit, tags: list[np.ndarray], loss: float, tag_names: tuple[str, ...]
) -> dict[str, float]:
    """The loss in nats a token, precision, recall and F1 of spans, and the share of tokens with their tag."""
    expected = true_tags(split)
    names = np.array(tag_names, object)
    hits = np.concatenate([row == other for row, other in zip(tags, expected, strict=True)])
    spans = span_figures([names[row].tolist() for row in expected], [names[row].tolist() for row in tags], tag_names)
    return {"loss": loss, "f1": spans["f1"], "accuracy": float(hits.mean())}


def true_tags(split: EncodedSplit) -> list[np.ndarray]:
    """The tag ids of each row, int32."""
    column = split.targets["tags"]
    return np.split(np.asarray(column.ids), column.offsets[1:-1])


def figures_function(token_model: keras.Model, facts: Facts) -> Callable[[EncodedSplit], dict[str, float]]:
    """A function from a split to its loss, span F1 and accuracy, traced once."""
    outputs = Outputs(token_model)
    return lambda split: figures_of(split, *outputs(split), tuple(facts["tag_names"]))


def check_model(model: keras.Model, facts: Facts, path: Path) -> None:
    """UsageError unless the model takes tokens, and has as many tags as the run."""
    inputs = getattr(model, "inputs", None) or []
    if len(inputs) != 1 or inputs[0].dtype != "string" or len(inputs[0].shape) != 2:
        raise UsageError(f"{path} is no tagger of keras_rnn: it takes no strings (batch, time)")
    if "tag_names" not in facts:
        raise UsageError(f"{path} takes its run directory, whose tags.json names its tags")
    names, width = facts["tag_names"], model.output["marginals"].shape[-1]
    if width != len(names):
        raise UsageError(f"{path.parent / 'tags.json'} names {len(names)} tags, but the model has {width}")

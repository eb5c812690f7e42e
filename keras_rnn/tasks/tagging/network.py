"""The network of tagging: token ids and their characters to the scores of tags."""

from collections.abc import Callable, Sequence
from itertools import chain
from pathlib import Path
from typing import Any, NamedTuple

import keras
import numpy as np
import tensorflow as tf

from keras_rnn.datasets.span_tags import are_span_tags
from keras_rnn.errors import UsageError
from keras_rnn.layers.crf import TagDecoder
from keras_rnn.layers.forms import for_this_process
from keras_rnn.models.tag_objectives import tag_loss
from keras_rnn.models.tagger import decoded_tagger, tagger_head
from keras_rnn.tasks import batches as row_batches
from keras_rnn.tasks.inference import INFERENCE_TOKENS
from keras_rnn.tasks.prepared import EncodedSplit
from keras_rnn.tasks.tagging.rows import TaggingData
from keras_rnn.tasks.tagging.spans import span_figures
from keras_rnn.tasks.task import Facts
from keras_rnn.text.encoded import length_batches
from keras_rnn.text.options import TextOptions
from keras_rnn.text.tokens import token_features

training_model, batches = row_batches.training_model, row_batches.batches

SMALLEST = {
    "num_tags": 2,
    "tag_names": None,
    "vocabulary_size": 3,
    "embeddings": None,
    "character_vocabulary_size": 3,
}


def builder_arguments(prepared: TaggingData | None) -> dict[str, Any]:
    """What `sequence_tagger` takes from the data; None stands for the smallest possible data."""
    if prepared is None:
        return SMALLEST
    return {
        "num_tags": len(prepared.tag_names),
        # They constrain the paths of a CRF, which tags of another scheme than IOB2 would break.
        "tag_names": prepared.tag_names if are_span_tags(prepared.tag_names) else None,
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
    """The features that a token model takes, in its input structure."""
    names = [tensor.name for tensor in token_model.inputs]
    return features[names[0]] if len(names) == 1 else {name: features[name] for name in names}


class TaggedRows(NamedTuple):
    """The names of the tags that each row has and should have, and the loss of all rows in nats a token."""

    expected: list[list[str]]
    actual: list[list[str]]
    loss: float

    @property
    def accuracy(self) -> float:
        """The share of tokens with their tag."""
        tags = (chain.from_iterable(rows) for rows in (self.expected, self.actual))
        return float(np.mean([expected == actual for expected, actual in zip(*tags, strict=True)]))


def tagging_function(token_model: keras.Model, tag_names: Sequence[str]) -> Callable[[EncodedSplit], TaggedRows]:
    """A function from a split to what a token model says of its rows, traced once for every length."""
    decoded = decoded_tagger(token_model)
    loss = tag_loss(tagger_head(token_model))
    scored = keras.Model(token_model.input, {"tags": decoded.output["tags"], "scores": token_model.output})
    specs = {tensor.name: tf.TensorSpec(tensor.shape, tensor.dtype) for tensor in token_model.inputs}
    names = np.array(tag_names, object)

    @tf.function(input_signature=[specs, tf.TensorSpec((None, None), tf.int32)])
    def forward(inputs, tags):
        with for_this_process():
            outputs = scored(network_inputs(token_model, inputs), training=False)
        return outputs["tags"], tf.reduce_sum(loss.call(tags, outputs["scores"]))

    def tag(split: EncodedSplit) -> TaggedRows:
        tags: dict[int, np.ndarray] = {}
        nats, lengths = 0.0, split.lengths
        for rows in length_batches(lengths, INFERENCE_TOKENS):
            inputs = {name: ids for name, ids in split.take_inputs(rows).items() if name in specs}
            batch_tags, batch_nats = forward(inputs, split.take_targets(rows)["tags"])
            nats += float(batch_nats)
            tags |= {row: ids[: lengths[row]] for row, ids in zip(rows, batch_tags.numpy(), strict=True)}
        column = split.targets["tags"]
        expected = np.split(np.asarray(column.ids), column.offsets[1:-1])
        return TaggedRows(
            [names[ids].tolist() for ids in expected],
            [names[tags[row]].tolist() for row in range(len(split))],
            nats / max(len(column.ids), 1),
        )

    return tag


def figures_function(token_model: keras.Model, facts: Facts) -> Callable[[EncodedSplit], dict[str, float]]:
    """A function from a split to its loss, span F1 and accuracy, traced once."""
    tag = tagging_function(token_model, facts["tag_names"])

    def figures(split: EncodedSplit) -> dict[str, float]:
        rows = tag(split)
        spans = span_figures(rows.expected, rows.actual, facts["tag_names"])
        return {"loss": rows.loss, "f1": spans["f1"], "accuracy": rows.accuracy}

    return figures


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

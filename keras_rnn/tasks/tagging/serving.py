"""What a trained tagger answers, and the signatures of its SavedModel."""

from collections.abc import Callable, Mapping, Sequence
from typing import Any

import keras
import numpy as np
import tensorflow as tf

from keras_rnn.tasks.tagging.predictions import keras_predictor, saved_model_predictor, tag_tokens, tagged_text
from keras_rnn.tasks.task import Facts
from keras_rnn.text.tokens import split_sentences

__all__ = [
    "add_endpoints",
    "answers",
    "card_paragraphs",
    "keras_predictor",
    "rows_independent",
    "saved_model_predictor",
]

ALONE = 4  # rows asked about one by one
ROUNDING = 1e-3  # of float16 layers
UNKNOWN_WORDS = "qqqxzj zzzvqk"


def answers(model: keras.Model, facts: Facts, samples: Sequence[Sequence[str]]) -> list[dict]:
    """The answers of a full model to sentences, as one batch, on the CPU.

    The sentences are the samples, joined by spaces and split as the export splits sentences, an empty one, and unknown
    words.

    Returns:
        For each sentence, in order: "text", "tokens", "tags" and "confidence", a number a token.
    """
    texts = list(dict.fromkeys([*(" ".join(tokens) for tokens in samples), "", UNKNOWN_WORDS]))
    outputs = _tag_texts(model, facts, texts)
    columns = (outputs[name].numpy() for name in ("tokens", "tags", "confidence"))
    rows = [tagged_text(*row) for row in zip(texts, *columns, strict=True)]
    return [{"text": row.text, "tokens": row.tokens, "tags": row.tags, "confidence": row.confidence} for row in rows]


def _tag_texts(model: keras.Model, facts: Facts, texts: Sequence[str]) -> dict[str, tf.Tensor]:
    @tf.function(input_signature=[tf.TensorSpec((None,), tf.string)])
    def forward(texts):
        tokens = split_sentences(texts).to_tensor("")
        return {"tokens": tokens, **tag_tokens(model, tf.constant(list(facts["tag_names"])), tokens)}

    with tf.device("CPU:0"):
        return forward(tf.constant(texts))


def rows_independent(model: keras.Model, answers: list[dict]) -> bool:
    """Whether the shortest sentences, asked about alone, have the tags and confidences that they have among others."""
    with tf.device("CPU:0"):
        for row in sorted(answers, key=lambda row: len(row["tokens"]))[:ALONE]:
            outputs = model(tf.constant([row["tokens"]]), training=False)
            alone = tf.gather(outputs["marginals"], outputs["tags"], batch_dims=2)[0].numpy()
            if np.abs(alone - np.array(row["confidence"])).max() > ROUNDING:
                return False
    return True


def add_endpoints(archive: keras.export.ExportArchive, model: keras.Model, facts: Facts, optimize: Callable) -> None:
    """Adds the signatures of a full model, (input) to (outputs).

        serving_default  text string (None,): sentences
                         to tokens string (None, None), tags string (None, None), confidence float32 (None, None)
        tokens           tokens string (None, None), right-padded with ""
                         to tags string (None, None), confidence float32 (None, None)

    Tokens and tags are right-padded with "", confidences with 0.
    """
    archive.track(model)
    names = tf.constant(list(facts["tag_names"]))
    spec = tf.TensorSpec((None, None), tf.string, "tokens")
    tag = archive.add_endpoint("tokens", lambda tokens: tag_tokens(model, names, tokens), [spec])

    def serving_default(text):
        tokens = split_sentences(text).to_tensor("")
        return {"tokens": tokens, **tag(tokens)}

    archive.add_endpoint("serving_default", serving_default, [tf.TensorSpec((None,), tf.string, "text")])


def card_paragraphs(card: Mapping[str, Any]) -> list[str]:
    """What the model card says of inputs, outputs and tags."""
    return [
        f"A sequence tagger with {card['parameters']:,} parameters. It takes sentences, strings `(batch,)`, as `text`, "
        "and returns `tokens` and `tags`, strings `(batch, time)`, and `confidence`, float32 `(batch, time)`, the "
        'marginal probability of each tag. The signature `tokens` takes `tokens`, strings `(batch, time)` padded with "".',
        f"Tags: {', '.join(card['tag_names'])}.",
    ]

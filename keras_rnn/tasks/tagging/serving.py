"""What a trained tagger answers, and the signatures of its SavedModel."""

from collections.abc import Callable, Mapping, Sequence
from typing import Any

import keras
import numpy as np
import tensorflow as tf

from keras_rnn.tasks.graphs import lookup_tables, signature
from keras_rnn.tasks.probes import same_alone, with_edge_cases
from keras_rnn.tasks.tagging.predictions import keras_predictor, saved_model_predictor, tag_function, tagged_text
from keras_rnn.tasks.task import Facts
from keras_rnn.text.tokens import split_sentences

__all__ = [
    "answers",
    "card_paragraphs",
    "keras_predictor",
    "rows_independent",
    "saved_model_predictor",
    "signatures",
]


def answers(model: keras.Model, facts: Facts, samples: Sequence[Sequence[str]]) -> list[dict]:
    """The answers of a full model to sentences, as one batch, on the CPU.

    The sentences are the samples, joined by spaces and split as the export splits sentences, an empty one, and unknown
    words.

    Returns:
        For each sentence, in order: "text", "tokens", "tags" and "confidence", a number a token.
    """
    texts = with_edge_cases([" ".join(tokens) for tokens in samples])
    with tf.device("CPU:0"):  # a GPU may round more roughly than the check allows
        columns = keras_predictor(model, facts).tag(texts)
    rows = [tagged_text(*row) for row in zip(texts, *columns, strict=True)]
    return [{"text": row.text, "tokens": row.tokens, "tags": row.tags, "confidence": row.confidence} for row in rows]


def rows_independent(model: keras.Model, answers: list[dict]) -> bool:
    """Whether the shortest sentences, asked about alone, have the tags and confidences that they have among others."""

    def ask(row: Mapping[str, Any]) -> np.ndarray:
        outputs = model(tf.constant([row["tokens"]]), training=False)
        return tf.gather(outputs["marginals"], outputs["tags"], batch_dims=2)[0].numpy()

    return same_alone(answers, "tokens", "confidence", ask)


def signatures(
    model: keras.Model, facts: Facts, network: Callable, trace: Callable[..., Callable]
) -> tuple[dict[str, Callable], list]:
    """The signatures of a full model, (input) to (outputs), and their lookup tables.

        serving_default  text string (None,): sentences
                         to tokens string (None, None), tags string (None, None), confidence float32 (None, None)
        tokens           tokens string (None, None), right-padded with ""
                         to tags string (None, None), confidence float32 (None, None)

    Tokens and tags are right-padded with "", confidences with 0.
    """
    tag = tag_function(model, facts["tag_names"], network)

    @signature(tf.TensorSpec((None, None), tf.string, "tokens"))
    def tokens(tokens):
        return tag(tokens)

    @signature(tf.TensorSpec((None,), tf.string, "text"))
    def serving_default(text):
        split_tokens = split_sentences(text).to_tensor("")
        return {"tokens": split_tokens, **tokens(split_tokens)}

    return {"tokens": tokens, "serving_default": serving_default}, lookup_tables(model)


def card_paragraphs(card: Mapping[str, Any]) -> list[str]:
    """What the model card says of inputs, outputs and tags."""
    return [
        f"A sequence tagger with {card['parameters']:,} parameters. It takes sentences, strings `(batch,)`, as `text`, "
        "and returns `tokens` and `tags`, strings `(batch, time)`, and `confidence`, float32 `(batch, time)`, the "
        "marginal probability of each tag. The signature `tokens` takes `tokens`, strings `(batch, time)` padded with "
        '"".',
        f"Tags: {', '.join(card['tag_names'])}.",
    ]

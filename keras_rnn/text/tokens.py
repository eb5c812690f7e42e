"""Tokens to ids and characters inside the TensorFlow graph, and sentences to tokens.

A token is one string, whatever it holds; "" is padding. Words are looked up in lower case, characters as they are
written, so that a word's case reaches a model through its characters.
"""

from collections.abc import Sequence

import keras
import tensorflow as tf

from keras_rnn.text.vectorizer import UNKNOWN, lower_case

MAX_CHARACTERS = 24  # read of each token; hardly any word has more

# Runs of letters and digits, with single signs inside them ("o'clock", "b83-354", "10:30"), and every other sign alone.
TOKEN_PATTERN = r"[\pL\pN\pM]+(?:['’.,:/_-][\pL\pN\pM]+)*|[^\pL\pN\pM\s\pZ\pC]"


@keras.saving.register_keras_serializable("keras_rnn")
class LowerCase(keras.layers.Layer):
    """Strings of any shape in lower case."""

    def call(self, tokens):
        return lower_case(tokens)

    def compute_output_spec(self, tokens):
        return keras.KerasTensor(tokens.shape, "string")


@keras.saving.register_keras_serializable("keras_rnn")
class SplitCharacters(keras.layers.Layer):
    """Tokens `(batch, time)` to their first characters, strings `(batch, time, max_characters)`, padded with ""."""

    def __init__(self, max_characters: int = MAX_CHARACTERS, **kwargs):
        super().__init__(**kwargs)
        self.max_characters = max_characters

    def call(self, tokens):
        characters = tf.strings.unicode_split(tf.reshape(tokens, [-1]), "UTF-8", errors="replace")
        padded = characters.to_tensor("", shape=(None, self.max_characters))
        return tf.reshape(padded, tf.concat([tf.shape(tokens), [self.max_characters]], 0))

    def compute_output_spec(self, tokens):
        return keras.KerasTensor((*tokens.shape, self.max_characters), "string")

    def get_config(self):
        return {**super().get_config(), "max_characters": self.max_characters}


def token_features(tokens, vocabulary: Sequence[str], characters: Sequence[str]) -> dict:
    """What a tagger reads of tokens, in a functional model.

    Args:
        tokens: a KerasTensor of strings `(batch, time)`, right-padded with "".
        vocabulary: lower-case words, ids from 2 on.
        characters: ids from 2 on.

    Returns:
        `token_ids` int32 `(batch, time)` and `character_ids` int32 `(batch, time, MAX_CHARACTERS)`; 0 is padding, 1 is
        unknown.
    """
    words = keras.layers.StringLookup(vocabulary=list(vocabulary), mask_token="", oov_token=UNKNOWN, name="words")
    letters = keras.layers.StringLookup(
        vocabulary=list(characters), mask_token="", oov_token=UNKNOWN, name="characters"
    )
    return {
        "token_ids": keras.ops.cast(words(LowerCase(name="lower_case")(tokens)), "int32"),
        "character_ids": keras.ops.cast(letters(SplitCharacters(name="split")(tokens)), "int32"),
    }


def token_features_of(model: keras.Model) -> keras.Model:
    """The lookups inside a functional model whose features `token_features` made.

    Tokens, strings `(batch, time)`, to a dict of the ids that the model reads, int64: "token_ids", and "character_ids"
    unless it reads no characters.
    """
    lookups = {"token_ids": "words", "character_ids": "characters"}
    layers = {layer.name: layer for layer in model.layers}
    return keras.Model(
        model.inputs[0], {name: layers[lookup].output for name, lookup in lookups.items() if lookup in layers}
    )


def split_sentences(texts):
    """Strings `(batch,)` to a ragged tensor of tokens; a text without any is one unknown token."""
    texts = tf.strings.regex_replace(texts, r"[\x00\pC\pZ]+", " ")
    texts = tf.strings.regex_replace(texts, TOKEN_PATTERN, r" \0 ")
    texts = tf.where(tf.strings.regex_full_match(texts, r"\s*"), tf.constant(UNKNOWN), texts)
    return tf.strings.split(texts)


def padded_tokens(rows: Sequence[Sequence[str]]) -> tf.Tensor:
    """Strings `(rows, longest)`, right-padded with "", and at least one column."""
    longest = max(1, max(map(len, rows), default=1))
    return tf.constant([[*row, *[""] * (longest - len(row))] for row in rows], tf.string, (len(rows), longest))

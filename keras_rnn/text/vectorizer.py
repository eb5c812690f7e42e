"""Text to token ids: the TextVectorization layers every model here reads its texts through.

The standardize functions run inside the TensorFlow graph, so that training, `.keras` files and SavedModels
split a text in one and the same way. They promise at least one token a row: a text with nothing in it becomes
one unknown token, since cuDNN aborts on a row with no real step.
"""

from collections.abc import Iterable, Sequence
from functools import partial

import keras
import tensorflow as tf

from keras_rnn import checks
from keras_rnn.errors import UsageError
from keras_rnn.text.counted import TokenCounts

PADDING, UNKNOWN = "", "[UNK]"  # ids 0 and 1, as TextVectorization places them
UNKNOWN_CHARACTER = "\ufffd"

# (pattern, replacement), applied in order to lower-cased text. Contractions are cut as GloVe's tokenizer cuts
# them ("isn't" -> "is n't"); of punctuation only ! ? $ % are tokens; leftovers of HTML in common corpora go. Spaces
# stay as they are: to replace each by another one takes as long as all the rest.
WORD_REWRITES = (
    (r"<br\s*/?>", " "),
    (r"\s?&?#39;|[‘’]", "'"),
    (r"([!?$%])", r" \1 "),
    (r"[^\pL\pN\pM!?$%' ]+", " "),
    (r"(n't|'(?:s|re|ve|ll|d|m))\b", r" \1"),
    (r"(^|\s)'+([\pL\pN]{3})", r"\1\2"),  # quotation marks, which "'ll" and its like are not
    (r"'+(\s|$)", r"\1"),
)


def lower_case(texts):
    """Strings of any shape in lower case."""
    # The Unicode lower-casing ends a text at its first NUL.
    return tf.strings.lower(tf.strings.regex_replace(texts, r"\x00", " "), encoding="utf-8")


def _unknown_if_empty(texts, unknown: str):
    return tf.where(tf.strings.regex_full_match(texts, r"\s*"), tf.constant(unknown), texts)


@keras.saving.register_keras_serializable("keras_rnn")
def standardize_words(texts):
    """Lower-cases, splits off contractions, drops most punctuation; spaces part the words. Strings, any shape."""
    texts = lower_case(texts)
    for pattern, replacement in WORD_REWRITES:
        texts = tf.strings.regex_replace(texts, pattern, replacement)
    return _unknown_if_empty(texts, UNKNOWN)


@keras.saving.register_keras_serializable("keras_rnn")
def standardize_characters(texts):
    """Lower-cases and makes every run of white space one space. Strings, any shape."""
    texts = lower_case(texts)
    texts = tf.strings.regex_replace(texts, r"[\pZ\pC]+", " ")
    return _unknown_if_empty(texts, UNKNOWN_CHARACTER)


# tokens -> (standardize, TextVectorization's split)
TOKENIZERS = {
    "word": (standardize_words, "whitespace"),
    "character": (standardize_characters, "character"),
}
# TextVectorization's splits, as it makes them.
SPLITS = {"whitespace": tf.strings.split, "character": partial(tf.strings.unicode_split, input_encoding="UTF-8")}

# Options of a TextVectorization layer, its vocabulary aside, that decide what ids a text has.
IDS_OPTIONS = ("standardize", "split", "ngrams", "output_mode", "output_sequence_length", "ragged", "encoding")


def _text_vectorization(tokens: str) -> keras.layers.TextVectorization:
    standardize, split = TOKENIZERS[checks.one_of("tokens", tokens, TOKENIZERS)]
    return keras.layers.TextVectorization(standardize=standardize, split=split, name="vectorizer")


def token_counts(tokens: str = "word") -> TokenCounts:
    """Counts of no text yet, of tokens as `adapt_vectorizer` has them.

    Raises:
        UsageError: `tokens` is none of TOKENIZERS.
    """
    standardize, split = TOKENIZERS[checks.one_of("tokens", tokens, TOKENIZERS)]
    return TokenCounts(lambda texts: SPLITS[split](standardize(texts)))


def adapt_vectorizer(
    texts: Iterable[str],
    *,
    tokens: str = "word",
    vocabulary_size: int = 20_000,
    further_tokens: Iterable[str] = (),
) -> keras.layers.TextVectorization:
    """A TextVectorization layer with the most frequent tokens of `texts` as its vocabulary.

    Args:
        texts: the training texts.
        tokens: "word" or "character".
        vocabulary_size: most ids there may be, padding (0) and unknown (1) included; at least 3.
        further_tokens: tokens that fill the remaining room, in their order (the words of pretrained embeddings,
            so that a word the training texts lack still has its vector).

    Returns:
        A layer from strings `(batch,)` to int64 ids `(batch, longest)`, right-padded with 0.

    Raises:
        UsageError: `tokens` or `vocabulary_size` out of range, or no text has a token.
    """
    checks.vocabulary_size(vocabulary_size)
    counts = token_counts(tokens).count(texts)
    return vectorizer_from_vocabulary(most_frequent(counts, vocabulary_size, further_tokens), tokens=tokens)


def most_frequent(counts: TokenCounts, vocabulary_size: int, further_tokens: Iterable[str] = ()) -> list[str]:
    """The vocabulary of `adapt_vectorizer`, without the padding and unknown tokens: ids from 2 on.

    Raises:
        UsageError: no token was counted, apart from those of empty and unreadable texts.
    """
    # These stand for empty and unreadable texts, and are no tokens of the vocabulary.
    unknown = {UNKNOWN.encode(), UNKNOWN_CHARACTER.encode()}
    counted_tokens = zip(counts.counts.tolist(), counts.tokens, strict=True)
    by_frequency = sorted(
        (pair for pair in counted_tokens if pair[1] not in unknown), reverse=True
    )  # as Keras' adapt does
    if not by_frequency:
        raise UsageError("the training texts hold no token at all")
    vocabulary = [token.decode() for _, token in by_frequency[: vocabulary_size - len((PADDING, UNKNOWN))]]
    seen_tokens = {PADDING, UNKNOWN, *vocabulary}
    for token in further_tokens:
        if len(seen_tokens) >= vocabulary_size:
            break
        if token not in seen_tokens:
            seen_tokens.add(token)
            vocabulary.append(token)
    return vocabulary


def vectorizer_from_vocabulary(vocabulary: Sequence[str], *, tokens: str = "word") -> keras.layers.TextVectorization:
    """The TextVectorization layer of a known vocabulary, without the padding and unknown tokens."""
    vectorizer = _text_vectorization(tokens)
    vectorizer.set_vocabulary(list(vocabulary))
    return vectorizer


class WordIds(keras.layers.Layer):
    """The ids of a TextVectorization layer of words, in a third of its ops: for graphs of single texts.

    Strings `(batch,)` to the int64 ids `(batch, longest)` that `vectorizer` gives.

    Args:
        vectorizer: a layer that `stands_for` accepts; its vocabulary is copied.
    """

    def __init__(self, vectorizer: keras.layers.TextVectorization, **kwargs):
        super().__init__(**kwargs)
        vocabulary = vectorizer.get_vocabulary(include_special_tokens=False)
        ids = tf.range(2, 2 + len(vocabulary), dtype=tf.int64)
        initializer = tf.lookup.KeyValueTensorInitializer(tf.constant(vocabulary), ids)
        self.table = tf.lookup.StaticHashTable(initializer, default_value=1)

    @staticmethod
    def stands_for(vectorizer: keras.layers.TextVectorization) -> bool:
        """Whether the layer makes the same ids as one that `adapt_vectorizer(tokens="word")` returns."""
        config, word_config = (layer.get_config() for layer in (vectorizer, _text_vectorization("word")))
        return all(config[option] == word_config[option] for option in IDS_OPTIONS)

    def call(self, texts):
        words = tf.raw_ops.StringSplitV2(input=standardize_words(texts), sep="")
        ids = self.table.lookup(words.values)
        return tf.raw_ops.SparseToDense(
            sparse_indices=words.indices,
            output_shape=words.shape,
            sparse_values=ids,
            default_value=tf.zeros((), tf.int64),
            validate_indices=False,  # they come in order
        )

    def compute_output_spec(self, texts):
        return keras.KerasTensor((*texts.shape, None), "int64")

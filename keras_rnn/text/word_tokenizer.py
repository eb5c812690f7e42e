"""Texts as words, runs of characters that are no white space, and the ends of lines."""

import re
from collections import Counter
from collections.abc import Iterable, Sequence

import keras
import tensorflow as tf

from keras_rnn.errors import UsageError
from keras_rnn.text.piece_tokenizer import DEVICE, FIRST_PIECE_ID, UNKNOWN_ID, PieceTokenizer, lookup_table, utf8

UNKNOWN_WORD, LINE_END = "<unk>", "\n"  # the unknown word is never a piece

# What parts words, "\n" aside: the white space of Python's str.split.
SPACES = "\t\v\f\r\x1c-\x1f \x85\xa0\u1680\u2000-\u200a\u2028\u2029\u202f\u205f\u3000"
TOKENS = re.compile(rf"\n|[^\n{SPACES}]+")


@keras.saving.register_keras_serializable("keras_rnn")
class WordTokenizer(PieceTokenizer):
    r"""Strings `(batch,)` to the ids of their words and of their lines' ends, int32 `(batch, time)`, padded with 0.

    The words of a line are those of Python's `str.split`, in the case in which they are written. Each "\n" is a token.
    A word that is no piece is unknown, id 1, and so is "<unk>". `decode` writes one space between two words, and none
    beside "\n".

    Args:
        pieces: the words of ids 3, 4, ..., "\n" among them.

    Raises:
        UsageError: a piece is no single word, or stands there twice.
    """

    unknown_bytes = f" {UNKNOWN_WORD}".encode()

    def __init__(self, pieces: Sequence[str], **kwargs):
        super().__init__(pieces, **kwargs)
        for piece in self.pieces:
            if not TOKENS.fullmatch(piece) or piece == UNKNOWN_WORD:
                raise UsageError(
                    f"pieces takes words without white space, {LINE_END!r}, no {UNKNOWN_WORD}, got {piece!r}"
                )
        self.table = lookup_table({piece: i for i, piece in enumerate(self.pieces, FIRST_PIECE_ID)}, UNKNOWN_ID)

    def piece_bytes(self, piece):
        """A word has a space before it, which vanishes at a text's and a line's start."""
        return piece.encode() if piece == LINE_END else f" {piece}".encode()

    def _ragged_ids(self, texts):
        texts = tf.strings.regex_replace(utf8(texts), f"[{SPACES}]+", " ")
        texts = tf.strings.regex_replace(texts, LINE_END, f" {LINE_END} ")
        words = tf.raw_ops.StringSplit(input=texts, delimiter=" ", skip_empty=True)
        ids = tf.cast(self.table.lookup(words.values), tf.int32)
        return tf.RaggedTensor.from_value_rowids(ids, words.indices[:, 0], words.shape[0], validate=False)

    def decode(self, ids):
        """Integers `(batch, time)` to strings `(batch,)`; padding and boundaries vanish."""
        with tf.device(DEVICE):
            return tf.strings.regex_replace(super().decode(ids), "(?m)^ ", "")


def count_words(texts: Iterable[str]) -> Counter[str]:
    """How often each word and "\\n" stands in texts, those that a tokenizer may have as pieces."""
    counts: Counter[str] = Counter()
    for text in texts:
        counts.update(TOKENS.findall(text))
    del counts[UNKNOWN_WORD]
    return counts

"""Texts as Unicode characters, in the case in which they are written, white space included."""

from collections import Counter
from collections.abc import Iterable, Sequence

import keras
import tensorflow as tf

from keras_rnn.errors import UsageError
from keras_rnn.text.piece_tokenizer import FIRST_PIECE_ID, UNKNOWN_ID, PieceTokenizer, lookup_table

UNKNOWN_CHARACTER = "\ufffd"  # is never a piece


@keras.saving.register_keras_serializable("keras_rnn")
class CharacterTokenizer(PieceTokenizer):
    """Strings `(batch,)` to the ids of their characters, int32 `(batch, time)`, right-padded with 0.

    A character that is no piece is unknown, id 1, which `decode` shows as U+FFFD.

    Args:
        pieces: the characters of ids 3, 4, ...

    Raises:
        UsageError: a piece is no single character, or stands there twice.
    """

    unknown_bytes = UNKNOWN_CHARACTER.encode()

    def __init__(self, pieces: Sequence[str], **kwargs):
        super().__init__(pieces, **kwargs)
        for piece in self.pieces:
            if len(piece) != 1:
                raise UsageError(f"pieces takes single characters, got {piece!r}")
        self.table = lookup_table({ord(piece): i for i, piece in enumerate(self.pieces, FIRST_PIECE_ID)}, UNKNOWN_ID)

    def _ragged_ids(self, texts):
        code_points = tf.strings.unicode_decode(texts, "UTF-8", errors="replace")
        ids = tf.cast(self.table.lookup(tf.cast(code_points.flat_values, tf.int64)), tf.int32)
        return code_points.with_flat_values(ids)


def count_characters(texts: Iterable[str]) -> Counter[str]:
    """How often each character stands in texts, those that a tokenizer may have as pieces."""
    counts: Counter[str] = Counter()
    for text in texts:
        counts.update(text)
    del counts[UNKNOWN_CHARACTER]
    return counts

"""Texts as subwords: byte-level byte-pair encoding, in which every byte is a piece and nothing is unknown."""

from collections.abc import Sequence

import keras
import tensorflow as tf

from keras_rnn.errors import UsageError
from keras_rnn.text.byte_pairs import BytePairs, byte_characters
from keras_rnn.text.piece_tokenizer import FIRST_PIECE_ID, PieceTokenizer, utf8
from keras_rnn.text.subword_pattern import PATTERN

SEPARATOR = b"\xff"  # never in UTF-8
BYTES = {character: byte for byte, character in enumerate(byte_characters())}


@keras.saving.register_keras_serializable("keras_rnn")
class SubwordTokenizer(PieceTokenizer):
    """Strings `(batch,)` to the ids of their subwords, int32 `(batch, time)`, right-padded with 0.

    The texts are cut to words at `subword_pattern.PATTERN`, and the bytes of each word are merged by the list of pairs.
    `decode(tokenizer(texts))` is `texts`, whatever UTF-8 they are, NULs and line ends included.

    Args:
        pieces: the pieces of ids 3, 4, ..., written in `byte_pairs.byte_characters`; all 256 bytes are among them.
        merges: pairs of pieces with a space between them, in the order in which they were learned.

    Raises:
        UsageError: a byte is no piece, or a merge is no pair of pieces that makes a piece.
    """

    def __init__(self, pieces: Sequence[str], merges: Sequence[str], **kwargs):
        _check_alphabet(pieces)
        super().__init__(pieces, **kwargs)
        self.merges = tuple(merges)
        known = set(self.pieces)
        pairs = [_split_merge(merge, known) for merge in self.merges]
        self.byte_pairs = BytePairs(
            self.pieces_bytes[FIRST_PIECE_ID:],
            [(self.piece_bytes(left), self.piece_bytes(right)) for left, right in pairs],
            FIRST_PIECE_ID,
        )

    def piece_bytes(self, piece):
        return bytes(BYTES[character] for character in piece)

    def _ragged_ids(self, texts):
        texts = tf.strings.regex_replace(utf8(texts), PATTERN, rb"\0" + SEPARATOR)
        words = tf.raw_ops.StringSplit(input=texts, delimiter=SEPARATOR, skip_empty=True)
        distinct, numbers = tf.unique(words.values)
        ids = tf.gather(self.byte_pairs.encode(distinct), numbers)
        rows = tf.RaggedTensor.from_value_rowids(ids, words.indices[:, 0], words.shape[0], validate=False)
        return tf.cast(rows.merge_dims(1, 2), tf.int32)

    def get_config(self):
        return {**super().get_config(), "merges": list(self.merges)}


def _check_alphabet(pieces: Sequence[str]) -> None:
    missing = BYTES.keys() - set(pieces)
    if missing:
        byte = min(BYTES[character] for character in missing)
        raise UsageError(f"pieces takes all 256 bytes, got none for 0x{byte:02x}")
    for piece in pieces:
        if not BYTES.keys() >= set(piece):
            raise UsageError(f"pieces takes the characters of bytes alone, got {piece!r}")


def _split_merge(merge: str, pieces: set[str]) -> tuple[str, str]:
    left, _, right = merge.partition(" ")
    if left not in pieces or right not in pieces or left + right not in pieces:
        raise UsageError(f"merges takes two pieces that make a piece, a space between them, got {merge!r}")
    return left, right

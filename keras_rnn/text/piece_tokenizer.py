"""What the tokenizers of language models share: a vocabulary of pieces, ids of texts, and texts of ids.

Ids 0, 1 and 2 are padding, unknown and boundary, a document's start and end. The pieces follow, from id 3 on.
"""

from collections.abc import Mapping, Sequence
from typing import Any

import keras
import tensorflow as tf

from keras_rnn.errors import UsageError

PADDING_ID, UNKNOWN_ID, BOUNDARY_ID, FIRST_PIECE_ID = range(4)

DEVICE = "CPU:0"  # of all operations: strings and tables are there, and numbers would go back and forth


class PieceTokenizer(keras.layers.Layer):
    """Strings `(batch,)` to int32 ids `(batch, time)`, right-padded with 0; an empty text has no ids.

    A text is UTF-8. Bytes that are not are read as U+FFFD, as Python's `bytes.decode("utf-8", "replace")` reads them.

    Args:
        pieces: the pieces of ids 3, 4, ...; distinct strings.

    Raises:
        UsageError: no piece, an empty one, or one that stands there twice.
    """

    unknown_bytes = b""  # what the unknown id adds to a text

    def __init__(self, pieces: Sequence[str], **kwargs):
        super().__init__(**kwargs)
        self.supports_jit = False
        self.pieces = tuple(pieces)
        _check_pieces(self.pieces)
        self._bytes = constant(self.pieces_bytes, tf.string)

    @property
    def vocabulary_size(self) -> int:
        """The number of ids: padding, unknown, boundary and the pieces."""
        return FIRST_PIECE_ID + len(self.pieces)

    @property
    def pieces_bytes(self) -> list[bytes]:
        """What each id adds to a text when it is printed; may be a part of a UTF-8 character."""
        return [b"", self.unknown_bytes, b"", *map(self.piece_bytes, self.pieces)]

    def piece_bytes(self, piece: str) -> bytes:
        """What a piece adds to a text when it is printed."""
        return piece.encode()

    def ragged_ids(self, texts) -> tf.RaggedTensor:
        """Strings `(batch,)` to a ragged tensor of int32 ids `(batch, None)`."""
        with tf.device(DEVICE):
            return self._ragged_ids(texts)

    def _ragged_ids(self, texts) -> tf.RaggedTensor:
        raise NotImplementedError

    def call(self, texts):
        with tf.device(DEVICE):
            return self._ragged_ids(texts).to_tensor(PADDING_ID)

    def decode(self, ids):
        """Integers `(batch, time)` to strings `(batch,)`; padding and boundaries vanish."""
        with tf.device(DEVICE):
            return tf.strings.reduce_join(self.pieces_of(ids), axis=-1)

    def pieces_of(self, ids):
        """Integers to the strings that each adds to a text, of the same shape; see `pieces_bytes`."""
        with tf.device(DEVICE):
            return tf.gather(self._bytes, ids)

    def compute_output_spec(self, texts):
        return keras.KerasTensor((*texts.shape, None), "int32")

    def get_config(self) -> dict[str, Any]:
        return {**super().get_config(), "pieces": list(self.pieces)}


def utf8(texts):
    """Strings of any shape with U+FFFD in place of what is not UTF-8."""
    return tf.strings.unicode_transcode(texts, "UTF-8", "UTF-8", errors="replace")


def constant(values: Sequence, dtype: tf.DType) -> tf.Tensor:
    """A constant that every graph can read, whichever graph it is made in."""
    with tf.init_scope(), tf.device(DEVICE):
        return tf.constant(values, dtype)


def lookup_table(ids: Mapping[Any, int], default: int) -> tf.lookup.StaticHashTable:
    """A table from strings or integers (int64) to int64."""
    key_type = tf.string if all(isinstance(key, (str, bytes)) for key in ids) else tf.int64
    keys, values = constant(list(ids), key_type), constant(list(ids.values()), tf.int64)
    with tf.init_scope(), tf.device(DEVICE):
        return tf.lookup.StaticHashTable(tf.lookup.KeyValueTensorInitializer(keys, values), default)


def _check_pieces(pieces: Sequence[str]) -> None:
    if not pieces:
        raise UsageError("pieces takes at least one string, got none")
    seen: set[str] = set()
    for piece in pieces:
        if not isinstance(piece, str) or not piece:
            raise UsageError(f"pieces takes strings that are not empty, got {piece!r}")
        if piece in seen:
            raise UsageError(f"pieces takes distinct strings, got {piece!r} twice")
        seen.add(piece)

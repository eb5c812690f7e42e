"""Byte-pair encoding (Sennrich et al. 2016, arXiv 1508.07909) over bytes, in the graph, with core operations alone.

A word starts as its bytes. Of all neighbours that are a pair of the learned list, the earliest in that list are merged,
the leftmost first, until no neighbours are a pair of the list.
"""

from collections.abc import Sequence

import tensorflow as tf

from keras_rnn.text.piece_tokenizer import DEVICE, PADDING_ID, constant, lookup_table

INDEX_BITS = 32  # of a candidate's number: the pair's rank is above, the index of its left part below
NO_PAIR = 1 << 62


def byte_characters() -> list[str]:
    """One printable character for each byte: itself in Latin-1, or where that is blank, one from U+0100 on.

    It is the mapping that byte-level vocabularies are commonly written in: a piece is text, and no byte is lost.
    """
    printable = {*range(0x21, 0x7F), *range(0xA1, 0xAD), *range(0xAE, 0x100)}
    others = iter(range(0x100, 0x200))
    return [chr(byte if byte in printable else next(others)) for byte in range(256)]


class BytePairs(tf.Module):
    """The encoding of words by a learned list of pairs; a module, whose tables are saved with the layer that has it.

    Args:
        pieces: the bytes of ids `first_id`, `first_id` + 1, ...; every single byte is among them.
        merges: the left and the right part of each pair, in the order in which they were learned.
        first_id: above PADDING_ID.
    """

    def __init__(self, pieces: Sequence[bytes], merges: Sequence[tuple[bytes, bytes]], first_id: int):
        super().__init__()
        ids = {piece: i for i, piece in enumerate(pieces, first_id)}
        self._id_limit = first_id + len(pieces)
        numbers = {ids[left] * self._id_limit + ids[right]: i << INDEX_BITS for i, (left, right) in enumerate(merges)}
        self._pairs = lookup_table(numbers or {0: NO_PAIR}, NO_PAIR)
        self._byte_ids = constant([ids[bytes([byte])] for byte in range(256)], tf.int64)
        self._merged_ids = constant([*(ids[left + right] for left, right in merges), PADDING_ID], tf.int64)
        self._whole_words = lookup_table({pieces[0]: PADDING_ID}, PADDING_ID)
        with tf.init_scope(), tf.device(DEVICE):
            lengths = self.encode(tf.constant(pieces, tf.string)).row_lengths().numpy()
        # The words that end as one piece, which most words of a text do. Their bytes need no merging.
        whole = {piece: ids[piece] for piece, length in zip(pieces, lengths, strict=True) if length == 1}
        self._whole_words = lookup_table(whole, PADDING_ID)

    def encode(self, words: tf.Tensor) -> tf.RaggedTensor:
        """Strings `(words,)`, none of them empty, to a ragged tensor of int64 ids `(words, None)`."""
        whole_ids = self._whole_words.lookup(words)
        words = tf.where(whole_ids == PADDING_ID, words, "-")  # one byte, for one id
        ends = tf.cumsum(tf.strings.length(words))
        word_bytes = tf.io.decode_raw(tf.strings.reduce_join(words), tf.uint8)
        word_numbers = tf.searchsorted(ends, tf.range(tf.size(word_bytes)), "right")
        whole_ids = tf.gather(whole_ids, word_numbers)
        byte_ids = tf.gather(self._byte_ids, tf.cast(word_bytes, tf.int32))
        ids = tf.where(whole_ids == PADDING_ID, byte_ids, whole_ids)
        ids = self._merge(ids, *_select(whole_ids == PADDING_ID, tf.range(tf.size(ids)), word_numbers))
        ids, word_numbers = _select(ids != PADDING_ID, ids, word_numbers)
        word_numbers, count = tf.cast(word_numbers, tf.int64), tf.size(words, tf.int64)
        return tf.RaggedTensor.from_value_rowids(ids, word_numbers, count, validate=False)

    def _merge(self, ids: tf.Tensor, positions: tf.Tensor, words: tf.Tensor) -> tf.Tensor:
        """The ids after all merges, each where its first byte was, and PADDING_ID where its other bytes were.

        Args:
            ids: int64 `(bytes,)`.
            positions: the indices of the bytes of the words that are to be merged, int32, in order.
            words: the number of each of these bytes' word, int32.
        """

        def merge_a_pair_of_each_word(ids, positions, words):
            left = tf.gather(ids, positions)
            is_last = tf.concat([words[1:] != words[:-1], [True]], 0)
            right = tf.where(is_last, tf.constant(PADDING_ID, tf.int64), tf.roll(left, -1, 0))
            candidates = self._pairs.lookup(left * self._id_limit + right) + tf.range(tf.size(left, tf.int64))
            words = tf.cumsum(tf.cast(is_last, tf.int32), exclusive=True)  # from 0 on
            lowest = tf.math.segment_min(candidates, words)
            has_pair = lowest < NO_PAIR
            (lowest,) = _select(has_pair, lowest)
            index = tf.bitwise.bitwise_and(lowest, (1 << INDEX_BITS) - 1)
            merged = tf.gather(self._merged_ids, tf.bitwise.right_shift(lowest, INDEX_BITS))
            changed = tf.gather(positions, tf.stack([index, index + 1]))
            updates = tf.stack([merged, tf.zeros_like(merged)])
            ids = tf.tensor_scatter_nd_update(ids, changed[..., tf.newaxis], updates)
            remains = tf.gather(has_pair, words) & (tf.gather(ids, positions) != PADDING_ID)
            return ids, *_select(remains, positions, words)

        return tf.while_loop(
            lambda ids, positions, words: tf.size(positions) > 0,
            merge_a_pair_of_each_word,
            (ids, positions, words),
            (tf.TensorShape([None]),) * 3,
        )[0]


def _select(mask: tf.Tensor, *tensors: tf.Tensor) -> list[tf.Tensor]:
    """The elements of vectors where the mask is True, in fewer operations than `tf.boolean_mask` takes."""
    indices = tf.reshape(tf.where(mask), [-1])
    return [tf.gather(tensor, indices) for tensor in tensors]

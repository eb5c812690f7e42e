"""Documents in parts that a tokenizer can take one by one, and the ids of the whole from those of the parts."""

import re
from collections import deque
from collections.abc import Iterable, Iterator

import numpy as np
import tensorflow as tf

from keras_rnn.text.counted import map_on_all_cores
from keras_rnn.text.encoded import blocks
from keras_rnn.text.piece_tokenizer import PieceTokenizer

PART_CHARACTERS = 2**17
BATCH_CHARACTERS, BATCH_PARTS = 2**18, 2**12

# Every tokenizer cuts a text before a space or a line's end that follows something else, and what comes after the cut
# does not depend on what was before it.
SAFE_CUT = re.compile(r"(?<=\S)(?=[ \n])")
SURROGATES = re.compile("[\ud800-\udfff]")


def document_parts(document: str, characters: int = PART_CHARACTERS) -> Iterator[str]:
    """The document in parts, each a little longer than `characters`, whose ids one after the other are its ids.

    A part ends before white space, so a longer run of other characters is in one part. A lone surrogate, which UTF-8
    cannot hold, becomes U+FFFD. An empty document has no parts.
    """
    start = 0
    while start < len(document):
        cut = SAFE_CUT.search(document, start + characters)
        end = cut.start() if cut else len(document)
        yield SURROGATES.sub("\ufffd", document[start:end])
        start = end


def encode_documents(tokenizer: PieceTokenizer, documents: Iterable[str]) -> Iterator[np.ndarray]:
    """The ids of each document, int32 `(tokens,)`, in order and without boundaries.

    They are those that the tokenizer gives the whole document, which may be longer than it can take at once.
    """
    is_last_part: deque[bool] = deque()

    def all_parts() -> Iterator[str]:
        for document in documents:
            end = 0
            for part in document_parts(document) if document else [""]:
                end += len(part)
                is_last_part.append(end == len(document))
                yield part

    @tf.function(input_signature=[tf.TensorSpec((None,), tf.string)], autograph=False)
    def ids_and_lengths(texts):
        ids = tokenizer.ragged_ids(texts)
        return ids.flat_values, ids.row_lengths()

    def encode(batch: list[str]) -> list[np.ndarray]:
        ids, lengths = ids_and_lengths(tf.constant(batch))
        return np.split(ids.numpy(), np.cumsum(lengths)[:-1])

    encoded: list[np.ndarray] = []
    for batch in map_on_all_cores(encode, blocks(all_parts(), BATCH_CHARACTERS, BATCH_PARTS)):
        for ids in batch:
            encoded.append(ids)
            if is_last_part.popleft():
                yield np.concatenate(encoded)
                encoded = []

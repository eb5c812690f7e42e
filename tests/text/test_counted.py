from collections import Counter

import numpy as np
import pytest
import tensorflow as tf

from keras_rnn import adapt_vectorizer
from keras_rnn.text import counted, encoded
from keras_rnn.text.counted import TokenCounts
from keras_rnn.text.encoded import EncodedTexts, encode, renumber, save
from keras_rnn.text.vectorizer import most_frequent, token_counts

TEXTS = ["b a", "a b a zebra", "", "it isn't GOOD!", "b", "a a a a a a", "日本語 café a"] * 3


@pytest.fixture(params=[(1, 9), (7, 9), (99, 2), (2**19, 2**12)])
def batches(request, monkeypatch):
    monkeypatch.setattr(counted, "BATCH_CHARACTERS", request.param[0])
    monkeypatch.setattr(counted, "BATCH_ROWS", request.param[1])


@pytest.mark.parametrize("max_length", [None, 1, 3])
def test_whole_texts_are_counted_and_the_first_tokens_numbered_as_they_are_met(batches, max_length):
    counts = TokenCounts(tf.strings.split)
    blocks = list(counts.numbered(TEXTS, max_length))
    tokens = [text.split() for text in TEXTS]
    expected = Counter(token for text_tokens in tokens for token in text_tokens)
    assert {token.decode(): count for token, count in zip(counts.tokens, counts.counts, strict=True)} == expected
    rows = [
        block.ids[slice(*bounds)] for block in blocks for bounds in zip(block.offsets, block.offsets[1:], strict=False)
    ]
    assert [[counts.tokens[number].decode() for number in row] for row in rows] == [row[:max_length] for row in tokens]
    assert all(block.ids.dtype == np.int32 and block.offsets.dtype == np.int64 for block in blocks)


@pytest.mark.parametrize("tokens", ["word", "character"])
@pytest.mark.parametrize("vocabulary_size", [3, 6, 100])
def test_the_files_are_those_of_texts_encoded_once_the_vocabulary_is_known(
    batches, tokens, vocabulary_size, tmp_path, monkeypatch
):
    further_tokens = ["zebu", "a", "�"]
    vectorizer = adapt_vectorizer(TEXTS, tokens=tokens, vocabulary_size=vocabulary_size, further_tokens=further_tokens)
    save(encode(vectorizer, TEXTS, 3), tmp_path, "twice")
    monkeypatch.setattr(encoded, "RENUMBERED_IDS", 5)
    counts = token_counts(tokens)
    save(counts.numbered(TEXTS, 3), tmp_path, "once")
    vocabulary = most_frequent(counts, vocabulary_size, further_tokens)
    renumber(tmp_path, "once", counts.ids(vocabulary, unknown=1))
    assert vocabulary == [str(token) for token in vectorizer.get_vocabulary(include_special_tokens=False)]
    for file in ("ids.npy", "offsets.npy"):
        assert (tmp_path / f"once.{file}").read_bytes() == (tmp_path / f"twice.{file}").read_bytes()


def test_ids_of_a_vocabulary_with_tokens_that_were_not_counted():
    counts = TokenCounts(tf.strings.split).count(["c a b a"])
    assert counts.ids(["a", "x", "b"], unknown=1).tolist() == [1, 2, 4]
    assert counts.tokens == [b"c", b"a", b"b"]


def test_no_texts_at_all(tmp_path):
    counts = TokenCounts(tf.strings.split)
    save(counts.numbered([]), tmp_path, "texts")
    renumber(tmp_path, "texts", counts.ids(["a"], unknown=1))
    assert len(EncodedTexts.open(tmp_path, "texts")) == 0


def test_few_batches_stand_in_memory():
    read_texts = []

    def texts():
        for row in range(1000):
            read_texts.append(row)
            yield "x" * counted.BATCH_CHARACTERS

    blocks = TokenCounts(tf.strings.split).numbered(texts())
    next(blocks)
    assert len(read_texts) < 50
    blocks.close()


def test_an_error_in_a_thread_is_raised():
    def split(texts):
        raise ValueError("cannot split")

    with pytest.raises(ValueError, match="cannot split"):
        TokenCounts(split).count(["a"])

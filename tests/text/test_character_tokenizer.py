import numpy as np
import tensorflow as tf
from hypothesis import example, given, settings
from hypothesis import strategies as st

from keras_rnn.text.character_tokenizer import CharacterTokenizer
from keras_rnn.text.tokenizers import learn_tokenizer


def test_the_most_frequent_characters_are_kept_as_they_are_written():
    pieces, merges = learn_tokenizer(["aAa\n\n", "a é\n"], tokens="character", vocabulary_size=6)
    assert pieces == ["\n", "a", " "]  # of equals the first by code point
    assert merges == []


def test_ids_and_texts():
    tokenizer = CharacterTokenizer(["a", "\n", "é"])
    ids = tokenizer(tf.constant(["éa\n", "Aa", ""]))
    np.testing.assert_array_equal(ids, [[5, 3, 4], [1, 3, 0], [0, 0, 0]])
    assert [text.decode() for text in tokenizer.decode(ids).numpy()] == ["éa\n", "\ufffda", ""]
    assert tokenizer.pieces_bytes == [b"", "\ufffd".encode(), b"", b"a", b"\n", "é".encode()]


def test_the_replacement_character_is_unknown():
    pieces, _ = learn_tokenizer(["\ufffd\ufffdab"], tokens="character", vocabulary_size=6)
    assert pieces == ["a", "b"]
    ids = CharacterTokenizer(pieces)(tf.constant(["a\ufffd".encode(), b"\xffb", b"\xe2\x82"]))
    np.testing.assert_array_equal(ids, [[3, 1], [1, 4], [1, 0]])


ALPHABET = "abe \n\r\t\x00\ufeffé\u0301日😀👩\u200d"


@settings(deadline=None, max_examples=200)
@given(st.lists(st.text(alphabet=ALPHABET, max_size=50), min_size=1, max_size=4))
@example(["\ufeffa\x00b", "\r\n" * 3, "👩\u200d👩", "e\u0301"])
def test_known_characters_come_back(texts):
    tokenizer = CharacterTokenizer(ALPHABET)
    ids = tokenizer(tf.constant(texts))
    assert ids.shape == (len(texts), max(map(len, texts)))
    assert [text.decode() for text in tokenizer.decode(ids).numpy()] == texts


@settings(deadline=None, max_examples=100)
@given(st.one_of(st.text(max_size=50), st.binary(max_size=50)))
def test_others_come_back_as_replacement_characters(text):
    data = text.encode() if isinstance(text, str) else text
    tokenizer = CharacterTokenizer(ALPHABET)
    (decoded,) = tokenizer.decode(tokenizer(tf.constant([data]))).numpy()
    expected = "".join(c if c in ALPHABET else "\ufffd" for c in data.decode("utf-8", "replace"))
    assert decoded.decode() == expected

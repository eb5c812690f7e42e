"""What holds for the tokenizers of all kinds: special ids, saving, bad input."""

import json
import subprocess
import sys

import keras
import numpy as np
import pytest
import tensorflow as tf

from keras_rnn import UsageError
from keras_rnn.text.byte_pairs import byte_characters
from keras_rnn.text.tokenizers import TOKENIZERS, learn_tokenizer, make_tokenizer

DOCUMENTS = ["the cat and the dog\nthe naïve café\n", "", "and <unk> 日本語 the\tcat\n"]
TEXTS = ["the cat\nnaïve zebra", "", "日本語 <unk>\x00"]


@pytest.fixture(scope="module")
def learned():
    return {tokens: learn_tokenizer(DOCUMENTS, tokens=tokens, vocabulary_size=300) for tokens in TOKENIZERS}


@pytest.fixture(scope="module")
def tokenizers(learned):
    return {tokens: make_tokenizer(tokens, *learned[tokens]) for tokens in TOKENIZERS}


@pytest.mark.parametrize("tokens", TOKENIZERS)
def test_empty_texts_have_no_ids(tokenizers, tokens):
    ids = tokenizers[tokens](tf.constant(["", "the"]))
    assert ids.dtype == tf.int32
    assert ids[0].numpy().tolist() == [0] * ids.shape[1]
    assert tokenizers[tokens](tf.constant(["", ""])).shape == (2, 0)
    assert tokenizers[tokens](tf.constant([], tf.string)).shape == (0, 0)


@pytest.mark.parametrize("tokens", TOKENIZERS)
def test_padding_and_boundaries_vanish(tokenizers, tokens):
    tokenizer = tokenizers[tokens]
    ids = tokenizer(tf.constant(["the cat"]))
    row = tf.concat([[[2]], ids, [[0, 2, 0]]], 1)
    assert tokenizer.decode(row).numpy().tolist() == [b"the cat"]
    assert tokenizer.decode(tf.cast(row, tf.int64)).numpy().tolist() == [b"the cat"]
    assert tokenizer.decode(tf.zeros((2, 0), tf.int32)).numpy().tolist() == [b"", b""]


@pytest.mark.parametrize("tokens", TOKENIZERS)
def test_the_vocabulary_counts_the_special_ids(tokenizers, learned, tokens):
    tokenizer = tokenizers[tokens]
    assert tokenizer.vocabulary_size == 3 + len(learned[tokens][0]) == len(tokenizer.pieces_bytes)
    assert (tokenizer.pieces_bytes[0], tokenizer.pieces_bytes[2]) == (b"", b"")
    assert int(tf.reduce_max(tokenizer(tf.constant(DOCUMENTS)))) < tokenizer.vocabulary_size


@pytest.mark.parametrize("tokens", TOKENIZERS)
def test_learning_twice_gives_the_same(learned, tokens):
    assert learn_tokenizer(iter(DOCUMENTS), tokens=tokens, vocabulary_size=300) == learned[tokens]


@pytest.mark.parametrize("tokens", TOKENIZERS)
def test_in_a_model_the_length_is_open(tokenizers, tokens):
    texts = keras.Input((), dtype="string")
    ids = tokenizers[tokens](texts)
    assert (ids.shape, ids.dtype) == ((None, None), "int32")


class Served(tf.Module):
    """Both directions as signatures."""

    def __init__(self, tokenizer):
        super().__init__()
        self.tokenizer = tokenizer

    @tf.function(input_signature=[tf.TensorSpec((None,), tf.string)])
    def encode(self, texts):
        return {"ids": self.tokenizer(texts)}

    @tf.function(input_signature=[tf.TensorSpec((None, None), tf.int32)])
    def decode(self, ids):
        return {"texts": self.tokenizer.decode(ids)}


FRESH_PROCESS = """
import json, sys
import tensorflow as tf

texts = tf.constant(json.loads(sys.argv[1]))
results = {}
for tokens in sys.argv[3:]:
    served = tf.saved_model.load(f"{sys.argv[2]}/{tokens}_served").signatures
    ids = served["encode"](texts)["ids"]
    exported = tf.saved_model.load(f"{sys.argv[2]}/{tokens}_exported").serve(texts)
    results[tokens] = [ids.numpy().tolist(), exported.numpy().tolist()]
    results[tokens].append([text.decode() for text in served["decode"](ids)["texts"].numpy()])
assert "keras_rnn" not in sys.modules
import keras
import keras_rnn.text.tokenizers
for tokens in sys.argv[3:]:
    model = keras.saving.load_model(f"{sys.argv[2]}/{tokens}.keras", safe_mode=True)
    results[tokens].append(model(texts).numpy().tolist())
print(json.dumps(results))
"""


def test_a_fresh_process_gets_the_same_ids_from_what_is_saved(tokenizers, tmp_path):
    for tokens, tokenizer in tokenizers.items():
        texts = keras.Input((), dtype="string")
        model = keras.Model(texts, tokenizer(texts))
        model.save(tmp_path / f"{tokens}.keras")
        model.export(tmp_path / f"{tokens}_exported", verbose=False)
        served = Served(tokenizer)
        signatures = {"encode": served.encode, "decode": served.decode}
        tf.saved_model.save(served, tmp_path / f"{tokens}_served", signatures=signatures)
    arguments = [json.dumps(TEXTS), str(tmp_path), *TOKENIZERS]
    process = subprocess.run([sys.executable, "-c", FRESH_PROCESS, *arguments], capture_output=True, text=True)
    assert process.returncode == 0, process.stderr
    for tokens, (ids, exported, texts, loaded) in json.loads(process.stdout).items():
        expected = tokenizers[tokens](tf.constant(TEXTS))
        np.testing.assert_array_equal(ids, expected)
        np.testing.assert_array_equal(exported, expected)
        np.testing.assert_array_equal(loaded, expected)
        assert texts == [text.decode() for text in tokenizers[tokens].decode(expected).numpy()]


@pytest.mark.parametrize(
    ("tokens", "vocabulary_size", "message"),
    [
        ("words", 100, "unknown tokens 'words'; did you mean 'word'"),
        ("word", 4, r"vocabulary_size takes at least 5 \(padding, unknown, boundary and two words\), got 4"),
        ("character", 0, "vocabulary_size takes a whole number of at least 1, got 0"),
        ("subword", 258, r"vocabulary_size takes at least 259 \(padding, unknown, boundary and 256 bytes\), got 258"),
        ("subword", 1e4, "vocabulary_size takes a whole number .* got 10000.0"),
    ],
)
def test_bad_options_are_named(tokens, vocabulary_size, message):
    with pytest.raises(UsageError, match=message):
        learn_tokenizer(DOCUMENTS, tokens=tokens, vocabulary_size=vocabulary_size)


@pytest.mark.parametrize(
    ("tokens", "documents", "message"),
    [
        ("word", [], "the training texts hold no word at all"),
        ("word", ["", " \t"], "the training texts hold no word at all"),
        ("word", ["<unk> <unk>"], "the training texts hold no word at all"),
        ("word", ["a a", "a"], "the training texts hold one word alone, 'a'; .* at least two different ones"),
        ("character", ["", "\ufffd"], "the training texts hold no character at all"),
        ("character", ["\n\n", "\n"], r"the training texts hold one character alone, '\\n'"),
        ("subword", ["", ""], "the training texts hold no subword at all"),
    ],
)
def test_texts_that_hold_too_little_are_refused(tokens, documents, message):
    with pytest.raises(UsageError, match=message):
        learn_tokenizer(documents, tokens=tokens, vocabulary_size=300)


BYTES = byte_characters()


@pytest.mark.parametrize(
    ("tokens", "pieces", "merges", "message"),
    [
        ("letter", ["a"], [], "unknown tokens 'letter'"),
        ("word", [], [], "pieces takes at least one string, got none"),
        ("word", ["a", ""], [], "pieces takes strings that are not empty, got ''"),
        ("word", ["a", "b", "a"], [], "pieces takes distinct strings, got 'a' twice"),
        ("word", ["a b"], [], "pieces takes words .* got 'a b'"),
        ("word", ["<unk>"], [], "pieces takes words .* got '<unk>'"),
        ("word", ["a"], ["a b"], "merges takes none of a word tokenizer, got 1"),
        ("character", ["ab"], [], "pieces takes single characters, got 'ab'"),
        ("character", [3], [], "pieces takes strings that are not empty, got 3"),
        ("subword", BYTES[1:], [], "pieces takes all 256 bytes, got none for 0x00"),
        ("subword", [*BYTES, "日"], [], "pieces takes the characters of bytes alone, got '日'"),
        ("subword", [*BYTES, "ab"], ["a c"], "merges takes two pieces that make a piece, .* got 'a c'"),
        ("subword", [*BYTES, "ab"], ["ab"], "merges takes two pieces that make a piece, .* got 'ab'"),
    ],
)
def test_pieces_and_merges_of_no_tokenizer_are_refused(tokens, pieces, merges, message):
    with pytest.raises(UsageError, match=message):
        make_tokenizer(tokens, pieces, merges)

"""Subwords in the graph, held against the package that learns them."""

import random
import sys
import time

import numpy as np
import pytest
import tensorflow as tf
from hypothesis import example, given, settings
from hypothesis import strategies as st

from keras_rnn import UsageError
from keras_rnn.datasets.negated_reviews import negated_reviews
from keras_rnn.text.byte_pairs import byte_characters
from keras_rnn.text.subword_learning import library_tokenizer
from keras_rnn.text.subword_pattern import PATTERN, SIGNS
from keras_rnn.text.tokenizers import learn_tokenizer, make_tokenizer

FRAGMENTS = (
    "the film isn't good",
    " naïve café's",
    "don’t",
    "日本語。中文",
    "हिन्दी।",
    "می‌خواهم",
    "e\u0301",
    "👩\u200d💻",
    "❤\ufe0f",
    "🏽",
    "1234567",
    " 3.14",
    "  ",
    " \t ",
    "\n",
    "\r\n",
    "\n\n\n",
    "\x00",
    "\ufeff",
    "\u00a0",
    "\u2028",
    "\x85",
    "---",
    " (x)",
    "'",
    "<unk>",
    "a" * 100,
    "=" * 70,
)


def mixed_text(seed: int, fragments: int = 8) -> str:
    generator = random.Random(seed)
    return "".join(generator.choice(FRAGMENTS) for _ in range(fragments))


@pytest.fixture(scope="module")
def corpus():
    return [*negated_reviews().train.texts[:2000], *map(mixed_text, range(500))]


@pytest.fixture(scope="module")
def learned(corpus):
    return learn_tokenizer(iter(corpus), tokens="subword", vocabulary_size=1000)


@pytest.fixture(scope="module")
def tokenizer(learned):
    return make_tokenizer("subword", *learned)


@pytest.fixture(scope="module")
def encode(tokenizer):
    """The tokenizer, traced once."""
    return tf.function(tokenizer, input_signature=[tf.TensorSpec((None,), tf.string)])


@pytest.fixture(scope="module")
def library(learned):
    return library_tokenizer(*learned)


def assert_as_the_library(texts, tokenizer, encode, library):
    expected = [np.array(encoding.ids, np.int64) + 3 for encoding in library.encode_batch(texts)]
    ids = encode(tf.constant(texts, tf.string))
    assert ids.shape == (len(texts), max(map(len, expected), default=0))
    for row, row_expected in zip(ids.numpy(), expected, strict=True):
        assert row[: len(row_expected)].tolist() == row_expected.tolist()
        assert not row[len(row_expected) :].any()
    assert [text.decode() for text in tokenizer.decode(ids).numpy()] == texts


def test_what_is_learned(learned):
    pieces, merges = learned
    assert set(pieces[:256]) == set(byte_characters())
    assert len(pieces) == 997
    assert len(merges) >= 997 - 256
    assert {"Ġfilm", "ĠaĠ"} & set(pieces) == {"Ġfilm"}  # no piece goes beyond a word


def test_a_pair_that_stands_there_once_is_not_merged():
    pieces, merges = learn_tokenizer(["abab", "xy"], tokens="subword", vocabulary_size=1000)
    assert (len(pieces), merges) == (257, ["a b"])
    tokenizer = make_tokenizer("subword", pieces, merges)
    (ids,) = tokenizer(tf.constant(["abxy"])).numpy().tolist()
    assert [tokenizer.pieces_bytes[i] for i in ids] == [b"ab", b"x", b"y"]
    assert tokenizer.pieces_bytes[:3] == [b"", b"", b""]


def test_a_corpus_is_encoded_as_by_the_library(corpus, tokenizer, encode, library):
    assert_as_the_library(corpus, tokenizer, encode, library)
    assert_as_the_library([mixed_text(seed, 50) for seed in range(1000, 1200)], tokenizer, encode, library)


def test_long_words_are_encoded_as_by_the_library(tokenizer, encode, library):
    generator = random.Random(0)
    alphabets = ("etaoin", "日本語中文", "=-", " ", "\n", "0123456789", "😀", "e\u0301")
    texts = ["".join(generator.choices(alphabet, k=5000)) for alphabet in alphabets]
    assert_as_the_library([*texts, "a" * 5000, "", "b"], tokenizer, encode, library)


@settings(deadline=None, max_examples=300)
@given(
    st.lists(
        st.one_of(st.text(max_size=80), st.lists(st.sampled_from(FRAGMENTS), max_size=12).map("".join)),
        max_size=5,
    )
)
@example([])
@example([""])
@example(["", "a\x00b", "\r\n\r\n x\r", "    y", "👩\u200d💻❤\ufe0f"])
@example(["\U0010ffff\ue000\ufffe", "'s't '", "’s", "\u200d\ufe0fa"])
def test_any_text_is_encoded_as_by_the_library(tokenizer, encode, library, texts):
    assert_as_the_library(texts, tokenizer, encode, library)


@settings(deadline=None, max_examples=100)
@given(st.binary(max_size=60))
@example(b"a\xff\xfeb\xff")
@example(b"\xed\xa0\x80")
def test_what_is_not_utf_8_is_read_as_python_reads_it(tokenizer, encode, data):
    text = data.decode("utf-8", "replace")
    ids = encode(tf.constant([data]))
    np.testing.assert_array_equal(ids, encode(tf.constant([text])))
    assert tokenizer.decode(ids).numpy()[0].decode() == text


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("It isn't  good, (really).", ["It", " isn", "'t", "  ", "good", ",", " (", "really", ")."]),
        ("in 2019/20\n\n  end \n", ["in", " 2019", "/", "20", "\n\n", "  ", "end", " ", "\n"]),
        ("e\u0301té हिन्दी।", ["e\u0301té", " हिन्दी", "।"]),
        ("a\r\n\tb\x00", ["a", "\r\n", "\t", "b", "\x00"]),
        ("x" * 70, ["x" * 32, "x" * 32, "x" * 6]),
        ("👩\u200d💻❤\ufe0f", ["👩\u200d💻❤\ufe0f"]),
    ],
)
def test_words(text, words):
    marked = tf.strings.regex_replace(tf.constant([text]), PATTERN, rb"\0|").numpy()[0].decode()
    assert marked.split("|") == [*words, ""]


def test_both_engines_cut_every_character_alike(library):
    characters = [chr(code) for code in range(sys.maxunicode + 1) if not 0xD800 <= code < 0xE000]
    text = "".join(characters[:0x3400]) + "".join(f"a{character}" for character in SIGNS + "".join(characters[::97]))
    cut = tf.strings.regex_replace(tf.constant([text]), PATTERN, b"\\0\xff").numpy()[0].split(b"\xff")
    assert b"".join(cut).decode() == text
    to_byte = {character: byte for byte, character in enumerate(byte_characters())}
    words = [bytes(map(to_byte.__getitem__, word)) for word, _ in library.pre_tokenizer.pre_tokenize_str(text)]
    assert cut == [*words, b""]


def test_the_pattern_is_quick_in_every_script():
    """An automaton that outgrows its memory takes more than a second for this text, and else some milliseconds."""
    generator = random.Random(0)
    text = tf.constant(["".join(chr(generator.randrange(0x20, 0xD800)) for _ in range(150_000))])

    def seconds():
        start = time.perf_counter()
        tf.strings.regex_replace(text, PATTERN, b"\\0\xff")
        return time.perf_counter() - start

    assert min(seconds() for _ in range(3)) < 0.3


def test_without_the_package_the_error_says_how_to_install_it(monkeypatch, learned):
    monkeypatch.setitem(sys.modules, "tokenizers", None)
    with pytest.raises(UsageError, match=r'package tokenizers: pip install "keras-rnn\[subword\]"'):
        learn_tokenizer(["a b"], tokens="subword", vocabulary_size=300)
    tokenizer = make_tokenizer("subword", *learned)
    assert tokenizer.decode(tokenizer(tf.constant(["good film"]))).numpy().tolist() == [b"good film"]

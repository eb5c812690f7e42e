import keras
import numpy as np
import pytest
import tensorflow as tf
from hypothesis import example, given, settings
from hypothesis import strategies as st

from keras_rnn import UsageError, adapt_vectorizer
from keras_rnn.text.vectorizer import WordIds, standardize_words, vectorizer_from_vocabulary


def vocabulary(vectorizer):
    return [str(token) for token in vectorizer.get_vocabulary()]


@pytest.mark.parametrize(
    ("text", "tokens"),
    [
        ("It isn't GOOD, but cheap!", ["it", "is", "n't", "good", "but", "cheap", "!"]),
        ("the film's we've I'm can't", ["the", "film", "'s", "we", "'ve", "i", "'m", "ca", "n't"]),
        ("one<br /><br>two\\three", ["one", "two", "three"]),
        ("Joe #39;s and Joe&#39;s and Joe’s", ["joe", "'s", "and", "joe", "'s", "and", "joe", "'s"]),
        ("CAFÉ naïve Über", ["café", "naïve", "über"]),
        ("non\u00a0breaking\u200bwide\u3000space\x00nul", ["non", "breaking", "wide", "space", "nul"]),
        ("5.5% of $1,000", ["5", "5", "%", "of", "$", "1", "000"]),
        ("", ["[UNK]"]),
        (" \t\n\u00a0 ", ["[UNK]"]),
        (b"bad \xff\xfe bytes", ["bad", "bytes"]),
        ("the 'great' film; dogs' \"life\" (1998)", ["the", "great", "film", "dogs", "life", "1998"]),
        ("the film 's ca n't we 'll", ["the", "film", "'s", "ca", "n't", "we", "'ll"]),
        ("...", ["[UNK]"]),
        ("हिन्दी 日本語", ["हिन्दी", "日本語"]),
    ],
)
def test_words_are_split_as_documented(text, tokens):
    assert [token.decode() for token in tf.strings.split(standardize_words(tf.constant([text])))[0].numpy()] == tokens


def test_ids_are_by_frequency_after_padding_and_unknown():
    vectorizer = adapt_vectorizer(["b b b a a c", "b"])
    assert vocabulary(vectorizer) == ["", "[UNK]", "b", "a", "c"]
    np.testing.assert_array_equal(vectorizer(["a zebra", "c"]), [[3, 1], [4, 0]])


def test_vocabulary_size_counts_padding_and_unknown():
    assert vocabulary(adapt_vectorizer(["b b b a a c"], vocabulary_size=4)) == ["", "[UNK]", "b", "a"]


def test_further_tokens_fill_the_room_that_is_left():
    vectorizer = adapt_vectorizer(["b b a"], vocabulary_size=6, further_tokens=["x", "a", "y", "z"])
    assert vocabulary(vectorizer) == ["", "[UNK]", "b", "a", "x", "y"]


def test_characters():
    vectorizer = adapt_vectorizer(["aab  A", "b"], tokens="character")
    assert vocabulary(vectorizer)[:4] == ["", "[UNK]", "a", "b"]
    np.testing.assert_array_equal(vectorizer(["ab", "", "?"]), [[2, 3], [1, 0], [1, 0]])


@pytest.mark.parametrize("tokens", ["word", "character"])
def test_an_empty_text_has_one_unknown_token_and_no_place_in_the_vocabulary(tokens):
    vectorizer = adapt_vectorizer(["a a", "", "  ", "b"], tokens=tokens)
    assert vectorizer([""]).numpy().tolist() == [[1]]
    assert vectorizer(["", " \n "]).numpy().tolist() == [[1], [1]]
    assert len(set(vocabulary(vectorizer))) == len(vocabulary(vectorizer))
    assert vocabulary(vectorizer).count("[UNK]") == 1


@pytest.mark.parametrize("tokens", ["word", "character"])
def test_saved_in_a_model_it_gives_the_same_ids(tokens, tmp_path):
    vectorizer = adapt_vectorizer(["not good, but cheap", "café"], tokens=tokens)
    texts = keras.Input((), dtype="string")
    model = keras.Model(texts, vectorizer(texts))
    model.save(tmp_path / "ids.keras")
    loaded_model = keras.saving.load_model(tmp_path / "ids.keras", safe_mode=True)
    batch = tf.constant(["good café!", "", "zzz but"])
    np.testing.assert_array_equal(loaded_model(batch), model(batch))


def test_rebuilt_from_its_vocabulary_it_gives_the_same_ids():
    vectorizer = adapt_vectorizer(["not good, but cheap"])
    rebuilt = vectorizer_from_vocabulary(vocabulary(vectorizer)[2:])
    batch = tf.constant(["cheap but bad", ""])
    np.testing.assert_array_equal(rebuilt(batch), vectorizer(batch))


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"vocabulary_size": 2}, "vocabulary_size takes at least 3 .* got 2"),
        ({"vocabulary_size": 0}, "vocabulary_size takes a whole number of at least 1, got 0"),
        ({"tokens": "words"}, "unknown tokens 'words'; did you mean 'word'"),
    ],
)
def test_bad_values_are_named(options, message):
    with pytest.raises(UsageError, match=message):
        adapt_vectorizer(["a"], **options)


def test_texts_without_a_token_are_refused():
    with pytest.raises(UsageError, match="no token at all"):
        adapt_vectorizer(["", "  "])


WORDS = ("good", "isn't", "café", "5.5%", "don't", "<br />", "?!", "[UNK]", "日本語", "zebra")


@pytest.fixture(scope="module")
def both_ways():
    """The ids of a layer and of what stands for it, each as a function traced once."""
    vectorizer = adapt_vectorizer(["it isn't good, but cheap! 5.5 %", "don't say café", "日本語 good good"])
    signature = [tf.TensorSpec((None,), tf.string)]
    return [tf.function(layer, input_signature=signature) for layer in (vectorizer, WordIds(vectorizer))]


@settings(deadline=None, max_examples=300)
@given(
    st.lists(
        st.one_of(
            st.text(max_size=60),
            st.binary(max_size=60),
            st.lists(st.sampled_from(WORDS), max_size=200).map(" ".join),
            st.text(alphabet="'’!?.,;$% \x00\t\n\u00a0\u200b", max_size=20),
        ),
        max_size=5,
    )
)
@example([])
@example([""])
@example([b"\xff\xfe", "\x00", "good\x00cheap", "'''", "..."])
@example(["good " * 5000, "a"])
def test_the_quick_ids_are_those_of_the_layer(both_ways, texts):
    texts = tf.constant([text.encode() if isinstance(text, str) else text for text in texts], tf.string)
    expected, quick = (ids(texts) for ids in both_ways)
    assert (quick.dtype, quick.shape) == (expected.dtype, expected.shape)
    np.testing.assert_array_equal(quick, expected)


@pytest.mark.parametrize(
    ("make", "stands"),
    [
        (lambda: adapt_vectorizer(["a b"]), True),
        (lambda: vectorizer_from_vocabulary(["a", "b"]), True),
        (lambda: keras.layers.TextVectorization(standardize=standardize_words, vocabulary=["a"]), True),
        (lambda: adapt_vectorizer(["a b"], tokens="character"), False),
        (lambda: keras.layers.TextVectorization(vocabulary=["a"]), False),
        (lambda: keras.layers.TextVectorization(standardize=standardize_words, ngrams=2), False),
        (lambda: keras.layers.TextVectorization(standardize=standardize_words, output_sequence_length=4), False),
        (lambda: keras.layers.TextVectorization(standardize=standardize_words, output_mode="count"), False),
    ],
)
def test_only_for_layers_of_the_same_make_do_the_quick_ids_stand(make, stands):
    assert WordIds.stands_for(make()) is stands

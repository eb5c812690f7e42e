import numpy as np
import pytest
import tensorflow as tf
from hypothesis import example, given, settings
from hypothesis import strategies as st

from keras_rnn.text.tokenizers import learn_tokenizer
from keras_rnn.text.word_tokenizer import WordTokenizer

PTB = " no it was n't black monday \n but while the <unk> N stocks \n"


def test_the_most_frequent_words_and_line_ends_are_kept_as_they_are_written():
    documents = ["The cat The cat The\n", "cat the\n\n\n <unk> <unk> <unk> <unk>"]
    assert learn_tokenizer(documents, tokens="word", vocabulary_size=6) == (["\n", "The", "cat"], [])
    assert learn_tokenizer(documents, tokens="word", vocabulary_size=99) == (["\n", "The", "cat", "the"], [])


def test_ids_and_texts():
    tokenizer = WordTokenizer(["\n", "cat", "The"])
    ids = tokenizer(tf.constant(["The  cat\tdog\n\n cat", "<unk> the", "\n"]))
    np.testing.assert_array_equal(ids, [[5, 4, 1, 3, 3, 4], [1, 1, 0, 0, 0, 0], [3, 0, 0, 0, 0, 0]])
    decoded = [text.decode() for text in tokenizer.decode(ids).numpy()]
    assert decoded == ["The cat <unk>\n\ncat", "<unk> <unk>", "\n"]
    assert tokenizer.pieces_bytes == [b"", b" <unk>", b"", b"\n", b" cat", b" The"]


def test_lines_as_the_penn_treebank_has_them():
    pieces, _ = learn_tokenizer([PTB], tokens="word", vocabulary_size=100)
    tokenizer = WordTokenizer(pieces)
    ids = tokenizer(tf.constant([PTB])).numpy()
    assert ids.shape == (1, len(PTB.replace("\n", "<eos>").split()))
    assert (ids == 1).sum() == 1
    assert tokenizer.decode(ids).numpy()[0].decode() == "no it was n't black monday\nbut while the <unk> N stocks\n"


@pytest.mark.parametrize("text", ["a\r\nb", "a \r\n\tb", "a\u00a0\nb\u3000", "a\x1c\n\u2028b", "\ta\n b\v\f"])
def test_all_white_space_parts_words(text):
    assert WordTokenizer(["\n", "a", "b"])(tf.constant([text])).numpy().tolist() == [[4, 3, 5]]


WORDS = ["the", "The", "n't", "é", "e\u0301", "日本語", "😀", "<unk", "\ufeff", "\x00", "\\1", "a\u200db"]


@settings(deadline=None, max_examples=300)
@given(
    st.lists(
        st.one_of(st.sampled_from([*WORDS, "zebra", "<unk>", " ", "\n", "\r\n", "\u2003"]), st.text()), max_size=30
    )
)
@example(["\n", "\n"])
@example(["the", " "])
def test_the_words_of_a_line_are_those_of_str_split(parts):
    text = "".join(parts)
    tokenizer = WordTokenizer(["\n", *WORDS])
    ids = tokenizer(tf.constant([text]))
    lines = [line.split() for line in text.split("\n")]
    known = {word: number for number, word in enumerate(["\n", *WORDS], 3)}
    expected = [known.get(word, 1) for word in " \n ".join(map(" ".join, lines)).split(" ") if word]
    assert ids.numpy()[0].tolist() == expected
    shown = "\n".join(" ".join(word if word in known else "<unk>" for word in line) for line in lines)
    assert tokenizer.decode(ids).numpy()[0].decode() == shown


def test_words_are_counted_as_they_are_read():
    text = "a\u00a0b\x1cc d\u2028e\nf\r\ng\u200bh"
    pieces, _ = learn_tokenizer([text], tokens="word", vocabulary_size=100)
    assert set(pieces) == {*"abcdef", "\n", "g\u200bh"}
    assert 1 not in WordTokenizer(pieces)(tf.constant([text])).numpy()


def test_what_is_not_utf_8_is_read_as_python_reads_it():
    tokenizer = WordTokenizer(["a\ufffd", "\ufffd\ufffd"])
    assert tokenizer(tf.constant([b"a\xff \xff\xfe"])).numpy().tolist() == [[3, 4]]

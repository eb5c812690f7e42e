import random

import numpy as np
import pytest
import tensorflow as tf
from hypothesis import example, given, settings
from hypothesis import strategies as st

from keras_rnn.datasets.negated_reviews import negated_reviews
from keras_rnn.text import documents
from keras_rnn.text.documents import document_parts, encode_documents
from keras_rnn.text.tokenizers import TOKENIZERS, learn_tokenizer, make_tokenizer


@pytest.fixture(scope="module")
def corpus():
    """Documents with lines and paragraphs."""
    generator = random.Random(0)
    texts = negated_reviews().train.texts[:1200]
    ends = [" ", "\n", "\n\n", "\r\n", "  ", "\n  ", " \n"]
    lengths = [1, 0, 3, 500, 2, 0, 600]
    return ["".join(text + generator.choice(ends) for text in generator.choices(texts, k=k)) for k in lengths]


@pytest.fixture(scope="module")
def tokenizers(corpus):
    return {
        tokens: make_tokenizer(tokens, *learn_tokenizer(corpus, tokens=tokens, vocabulary_size=400))
        for tokens in TOKENIZERS
    }


@pytest.mark.parametrize("tokens", TOKENIZERS)
@pytest.mark.parametrize("characters", [1, 50, 2**17])
def test_the_ids_are_those_of_the_whole_document(tokenizers, corpus, tokens, characters, monkeypatch):
    monkeypatch.setattr(documents, "PART_CHARACTERS", characters)
    encoded = list(encode_documents(tokenizers[tokens], iter(corpus)))
    assert len(encoded) == len(corpus)
    for ids, document in zip(encoded, corpus, strict=True):
        assert ids.dtype == np.int32
        np.testing.assert_array_equal(ids, tokenizers[tokens](tf.constant([document]))[0])


@settings(deadline=None, max_examples=100)
@given(
    st.lists(
        st.one_of(st.sampled_from([" ", "\n", "\r\n", "a", "'s", "1", "!", "\u00a0", "\t"]), st.text()), max_size=30
    )
)
@example(["a", " ", " ", "b", "\n", "\n", " ", "'", "s", " ", "\u00a0", " ", "x"])
@example([" ", "\n", "a", "\r\n", "\n", "b"])
def test_no_cut_changes_the_ids(tokenizers, fragments):
    document = "".join(fragments)
    cut = list(document_parts(document, 1))
    assert "".join(cut) == document
    for tokenizer in tokenizers.values():
        ids = tokenizer.ragged_ids(tf.constant(cut, tf.string)).flat_values
        np.testing.assert_array_equal(ids, tokenizer.ragged_ids(tf.constant([document])).flat_values)


def test_a_part_ends_before_white_space_that_follows_something_else():
    assert list(document_parts("")) == []
    assert list(document_parts("ab cd  ef\ngh", 1)) == ["ab", " cd", "  ef", "\ngh"]
    assert list(document_parts("ab cd  ef\ngh", 3)) == ["ab cd", "  ef", "\ngh"]
    assert list(document_parts("abcdef", 2)) == ["abcdef"]


def test_lone_surrogates_are_replaced(tokenizers):
    assert list(document_parts("a\ud83d b")) == ["a\ufffd b"]
    (ids,) = encode_documents(tokenizers["subword"], ["a\ud83d b"])
    assert tokenizers["subword"].decode(ids[np.newaxis]).numpy()[0].decode() == "a\ufffd b"
    learn_tokenizer(["a\ud83d b"], tokens="subword", vocabulary_size=300)


def test_documents_are_read_as_their_ids_are_asked_for(tokenizers):
    read = []

    def endless():
        while True:
            read.append(1)
            yield "good film " * 30_000

    encoded = encode_documents(tokenizers["word"], endless())
    assert len(next(encoded)) == 60_000
    assert len(read) < 50
    encoded.close()


def test_no_documents(tokenizers):
    assert list(encode_documents(tokenizers["word"], [])) == []
    assert [ids.tolist() for ids in encode_documents(tokenizers["word"], ["", ""])] == [[], []]

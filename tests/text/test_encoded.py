import numpy as np

from keras_rnn import adapt_vectorizer
from keras_rnn.text import encoded
from keras_rnn.text.encoded import EncodedTexts, encode


def test_rows_are_kept_flat_and_padded_on_demand():
    texts = EncodedTexts(np.array([5, 6, 7, 8, 9, 4], np.int32), np.array([0, 3, 4, 6]))
    assert len(texts) == 3
    assert texts.lengths.tolist() == [3, 1, 2]
    padded = texts.padded(np.array([2, 0]))
    assert padded.dtype == np.int32
    assert padded.tolist() == [[9, 4, 0], [5, 6, 7]]


def test_encoding_in_chunks_is_what_the_vectorizer_says(monkeypatch):
    monkeypatch.setattr(encoded, "ENCODE_BATCH", 2)
    vectorizer = adapt_vectorizer(["a b c d e"])
    rows = ["a", "a b zebra", "", "e d c b a", "c"]
    texts = encode(vectorizer, rows, max_length=4)
    whole = np.asarray(vectorizer(rows))[:, :4]
    assert texts.ids.dtype == np.int32
    np.testing.assert_array_equal(texts.padded(np.arange(5)), whole)
    assert texts.lengths.tolist() == [1, 3, 1, 4, 1]


def test_saved_and_opened_memory_mapped(tmp_path):
    texts = EncodedTexts(np.array([5, 6, 7], np.int32), np.array([0, 1, 3]))
    texts.save(tmp_path, "train")
    opened = EncodedTexts.open(tmp_path, "train")
    assert isinstance(opened.ids, np.memmap)
    assert not opened.ids.flags.writeable
    assert opened.padded(np.array([0, 1])).tolist() == [[5, 0], [6, 7]]


def test_no_texts_at_all():
    assert len(encode(lambda rows: np.zeros((len(rows), 0)), [])) == 0

import numpy as np
import pytest

from keras_rnn import adapt_vectorizer
from keras_rnn.text import encoded
from keras_rnn.text.encoded import EncodedTexts, encode, in_length_batches, length_batches, save


@pytest.fixture
def encoded_texts(tmp_path):
    """What `encode` and then `save` make of texts, opened again."""

    def encoded_texts(*arguments, **options) -> EncodedTexts:
        save(encode(*arguments, **options), tmp_path, "texts")
        return EncodedTexts.open(tmp_path, "texts")

    return encoded_texts


def test_rows_are_kept_flat_and_padded_on_demand():
    texts = EncodedTexts(np.array([5, 6, 7, 8, 9, 4], np.int32), np.array([0, 3, 4, 6]))
    assert len(texts) == 3
    assert texts.lengths.tolist() == [3, 1, 2]
    batch = texts.padded(np.array([2, 0]))
    assert batch.dtype == np.int32
    assert batch.tolist() == [[9, 4, 0], [5, 6, 7]]


@pytest.mark.parametrize("budget", [1, 8, 2**18])
@pytest.mark.parametrize("block", [(1, 9), (4, 9), (99, 2), (99, 9)])
def test_encoding_is_what_the_vectorizer_says_however_it_is_batched(budget, block, encoded_texts, monkeypatch):
    monkeypatch.setattr(encoded, "ENCODE_CHARACTERS", budget)
    monkeypatch.setattr(encoded, "BLOCK_CHARACTERS", block[0])
    monkeypatch.setattr(encoded, "BLOCK_ROWS", block[1])
    vectorizer = adapt_vectorizer(["a b c d e"])
    rows = ["a", "a b zebra", "", "e d c b a", "c"]
    texts = encoded_texts(vectorizer, rows, max_length=4)
    expected_ids = np.asarray(vectorizer(rows))[:, :4]
    assert texts.ids.dtype == np.int32
    np.testing.assert_array_equal(texts.padded(np.arange(5)), expected_ids)
    assert texts.lengths.tolist() == [1, 3, 1, 4, 1]


def test_one_long_text_pads_no_other(encoded_texts):
    shapes = []

    def vectorizer(rows):
        width = max(len(row) for row in rows)
        shapes.append((len(rows), width))
        return np.array([[1] * len(row) + [0] * (width - len(row)) for row in rows])

    texts = encoded_texts(vectorizer, ["ab"] * 500 + ["x" * 2**20] + ["abc"] * 500)
    assert shapes[0] == (1, 2**20)
    assert sum(rows * width for rows, width in shapes[1:]) <= 3 * 1000
    assert texts.lengths.tolist() == [2] * 500 + [2**20] + [3] * 500


def test_length_batches_bound_rows_times_the_longest():
    lengths = np.array([1, 40_000, 5, 400, 300] + [100] * 1000)
    batches = length_batches(lengths, 32_768)
    assert sorted(np.concatenate(batches)) == list(range(len(lengths)))
    assert all(len(rows) == 1 or len(rows) * lengths[rows].max() <= 32_768 for rows in batches)
    assert len(batches) < 10
    assert length_batches(np.zeros(0, int), 100) == []


def test_results_come_back_in_the_order_of_the_texts():
    calls = []

    def lengths(batch):
        calls.append(batch)
        return np.array([[len(text), 1] for text in batch])

    texts = ["aaa", "", "aaaaaaaa", "aa", "aaa"]
    assert in_length_batches(lengths, texts, 8)[:, 0].tolist() == [3, 0, 8, 2, 3]
    assert calls == [["aaaaaaaa"], ["aaa", "aaa"], ["aa", ""]]


def test_saved_and_opened_memory_mapped(tmp_path):
    first_block = EncodedTexts(np.array([5, 6, 7], np.int32), np.array([0, 1, 3]))
    save([first_block, EncodedTexts(np.array([8], np.int32), np.array([0, 0, 1]))], tmp_path, "train")
    opened_texts = EncodedTexts.open(tmp_path, "train")
    assert isinstance(opened_texts.ids, np.memmap)
    assert not opened_texts.ids.flags.writeable
    assert opened_texts.padded(np.arange(4)).tolist() == [[5, 0], [6, 7], [0, 0], [8, 0]]


@pytest.mark.parametrize("lengths", [[], [0], [3], [10_000, 0, 70_000]])
def test_blocks_are_saved_as_one_array_is(lengths, tmp_path):
    blocks = [EncodedTexts(np.arange(length, dtype=np.int32), np.array([0, length])) for length in lengths]
    save(blocks, tmp_path, "train")
    np.save(tmp_path / "ids.npy", np.concatenate([np.zeros(0, np.int32), *(block.ids for block in blocks)]))
    np.save(tmp_path / "offsets.npy", np.cumsum([0, *lengths], dtype=np.int64))
    for name in ("ids.npy", "offsets.npy"):
        assert (tmp_path / f"train.{name}").read_bytes() == (tmp_path / name).read_bytes()


def test_no_texts_at_all(encoded_texts):
    assert len(encoded_texts(lambda rows: np.zeros((len(rows), 0)), [])) == 0

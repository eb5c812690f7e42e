import gzip

import numpy as np
import pytest

from keras_rnn import UsageError, embedding_matrix, load_word_vectors
from keras_rnn.text.embeddings import WordVectors

GLOVE = "the 0.5 -1 2\ncat 1e-1 0 3\n"


def test_glove_text_is_read(tmp_path):
    path = tmp_path / "vectors.txt"
    path.write_text(GLOVE)
    vectors = load_word_vectors(path)
    assert vectors.words == ["the", "cat"]
    assert vectors.size == 3
    assert vectors.vectors.dtype == np.float32
    np.testing.assert_allclose(vectors.vectors, [[0.5, -1, 2], [0.1, 0, 3]], rtol=1e-6)


def test_gzip_and_a_first_line_of_counts(tmp_path):
    path = tmp_path / "vectors.txt.gz"
    path.write_bytes(gzip.compress(("2 3\n" + GLOVE).encode()))
    assert load_word_vectors(path).words == ["the", "cat"]


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (b"", "holds no vectors"),
        (b"the 1 2\ncat 1 2 3\n", "line 2: 3 numbers after 'cat', but the first line has 2"),
        (b"the 1 2\ncat 1 x\n", "line 2: could not convert string to float"),
        (b"the 1 2\ncat 1 nan\n", "line 2: the vector of 'cat' holds a number that is not finite"),
        (b"the 1 2\ncat\xff 1 2\n", "line 2: not UTF-8"),
    ],
)
def test_bad_files_are_named_with_the_line(content, message, tmp_path):
    path = tmp_path / "vectors.txt"
    path.write_bytes(content)
    with pytest.raises(UsageError, match=message) as error:
        load_word_vectors(path)
    assert str(path) in str(error.value)


def test_missing_and_truncated_files(tmp_path):
    with pytest.raises(UsageError, match="cannot be read"):
        load_word_vectors(tmp_path / "none.txt")
    cut = tmp_path / "cut.txt.gz"
    cut.write_bytes(gzip.compress(GLOVE.encode() * 100)[:-10])
    with pytest.raises(UsageError, match="damaged or cut short"):
        load_word_vectors(cut)


def test_the_matrix_follows_the_vocabulary():
    vectors = WordVectors(["the", "cat"], np.array([[1.0, 2.0], [3.0, 4.0]], np.float32))
    matrix = embedding_matrix(vectors, ["", "[UNK]", "cat", "dog"], seed=3)
    assert matrix.shape == (4, 2)
    assert matrix.dtype == np.float32
    assert matrix[0].tolist() == [0.0, 0.0]
    assert matrix[2].tolist() == [3.0, 4.0]
    assert not np.array_equal(matrix[1], matrix[3])
    np.testing.assert_array_equal(matrix, embedding_matrix(vectors, ["", "[UNK]", "cat", "dog"], seed=3))

import numpy as np
import pytest

from keras_rnn.datasets.dataset import Split, carve
from keras_rnn.errors import UsageError


def split_of(*labels: int) -> Split:
    return Split([f"text {row}" for row in range(len(labels))], np.array(labels, np.int32))


def test_a_split_takes_one_label_a_text():
    with pytest.raises(ValueError, match="got text 2, label 1"):
        Split(["a", "b"], np.array([0]))


def test_columns_have_names():
    split = Split(tokens=[["a"], ["b", "c"]], tags=[["O"], ["O", "X"]])
    assert (len(split), split["tags"], split.take(np.array([1]))["tokens"]) == (2, [["O"], ["O", "X"]], [["b", "c"]])
    assert split_of(0, 1)["label"].tolist() == Split(texts=["a", "b"], labels=np.array([0, 1])).labels.tolist()
    with pytest.raises(UsageError, match="the rows have no column 'text'; they have 'tokens', 'tags'"):
        _ = split.texts


def test_take_keeps_the_given_order():
    taken_split = split_of(0, 1, 2).take(np.array([2, 0]))
    assert taken_split.texts == ["text 2", "text 0"]
    assert taken_split.labels.tolist() == [2, 0]


@pytest.mark.parametrize(
    ("labels", "fraction", "rest", "carved"),
    [
        ([0] * 60 + [1] * 40, 0.1, [54, 36], [6, 4]),
        ([0] * 98 + [1] * 2, 0.1, [88, 1], [10, 1]),  # a small class still gives a row, and keeps one
        ([0] * 9 + [1], 0.5, [5, 1], [4, 0]),  # a class of one row stays; round(4.5) is 4
        ([0, 0, 1, 1], 0.9, [1, 1], [1, 1]),
    ],
)
def test_carve_takes_its_fraction_of_each_class(labels, fraction, rest, carved):
    parts = carve(split_of(*labels), fraction, seed=0)
    assert [np.bincount(part.labels, minlength=2).tolist() for part in parts] == [rest, carved]


def test_carve_loses_and_doubles_no_row_and_keeps_their_order():
    full_split = split_of(*[0, 1, 2, 1] * 25)
    rest, carved = carve(full_split, 0.2, seed=3)
    rows = [[int(text.split()[1]) for text in part.texts] for part in (rest, carved)]
    assert rows[0] == sorted(rows[0])
    assert rows[1] == sorted(rows[1])
    assert sorted(rows[0] + rows[1]) == list(range(100))
    assert carved.labels.tolist() == [[0, 1, 2, 1][row % 4] for row in rows[1]]


def test_carve_is_seeded():
    full_split = split_of(*[0, 1] * 50)
    assert carve(full_split, 0.1, seed=1)[1].texts == carve(full_split, 0.1, seed=1)[1].texts
    assert carve(full_split, 0.1, seed=1)[1].texts != carve(full_split, 0.1, seed=2)[1].texts


@pytest.mark.parametrize("fraction", [0, 1, -0.1, 1.5])
def test_carve_takes_a_fraction_between_0_and_1(fraction):
    with pytest.raises(UsageError, match="between 0 and 1"):
        carve(split_of(0, 1), fraction, seed=0)

import pytest

from keras_rnn.search.axis import INACTIVE, make_axis


def test_few_numbers_have_a_place_each_by_size():
    axis = make_axis("hidden_size", [128, 32, 64, 32])
    assert axis.ticks == [(0, "32"), (1, "64"), (2, "128")]
    assert axis.positions == [2, 0, 1, 0]
    assert axis.size == 3


def test_inactive_ones_come_last():
    axis = make_axis("hidden_size_2", [INACTIVE, 64, 32])
    assert axis.ticks == [(0, "32"), (1, "64"), (2, "inactive")]
    assert axis.positions == [2, 1, 0]


def test_names_are_sorted_and_shortened_and_true_is_not_one():
    axis = make_axis("kind", ["b" * 30, "a", True, 1, None])
    assert [text for _, text in axis.ticks] == ["1", "None", "True", "a", "b" * 23 + "…"]
    assert axis.positions == [4, 3, 2, 0, 1]


def test_many_numbers_go_into_ranges_whose_borders_are_named():
    axis = make_axis("dropout", [step / 100 for step in range(61)])
    assert axis.size == 6
    assert axis.ticks[:2] == [(-0.5, "0"), (0.5, "0.1")]
    assert axis.ticks[-1] == (5.5, "0.6")
    assert (axis.positions[0], axis.positions[5], axis.positions[15], axis.positions[60]) == (0, 0, 1, 5)


def test_ranges_widen_where_numbers_span_orders_of_magnitude():
    axis = make_axis("learning_rate", [10 ** (-4 + step / 6) for step in range(13)] + [INACTIVE])
    assert [text for _, text in axis.ticks][::3] == ["0.0001", "0.001", "0.01"]
    assert axis.positions[0] == 0
    assert axis.positions[-2:] == [5, 6]
    assert axis.ticks[-1] == (6, "inactive")


@pytest.mark.parametrize("values", [range(1, 11), range(1, 10), range(3, 400)])
def test_ranges_of_whole_numbers_have_whole_borders_and_no_empty_width(values):
    axis = make_axis("units", list(values))
    borders = [int(text) for _, text in axis.ticks]
    assert borders == sorted(set(borders))
    assert (borders[0], borders[-1]) == (values[0], values[-1])
    assert set(axis.positions) == set(range(axis.size))

import itertools

import pytest

from keras_rnn.search.heatmap import heatmap_figure
from keras_rnn.search.plots import (
    best_so_far_figure,
    importance_figure,
    plot_best_so_far,
    plot_heatmap,
    plot_importance,
)
from tests.support.trial_records import completed, failed, running


def grid():
    points = itertools.product(["lstm", "gru"], [1, 2], [32, 64])
    return [
        completed(number, 0.8 + number / 100, {"cell": cell, "num_layers": depth, "hidden_size": width})
        for number, (cell, depth, width) in enumerate(points)
    ]


def panels(records, direction="max"):
    """Of each panel: its title, and the text of each square by its column and row."""
    figure = heatmap_figure(records, "val_accuracy", direction)
    return [
        (axes.get_title(), {tuple(map(int, text.get_position())): text.get_text() for text in axes.texts})
        for axes in figure.axes
        if axes.images and axes.get_visible()
    ]


def labels(axes):
    return (
        axes.get_xlabel(),
        [text.get_text() for text in axes.get_xticklabels()],
        axes.get_ylabel(),
        [text.get_text() for text in axes.get_yticklabels()],
    )


def test_heatmap_is_depth_by_width_a_cell():
    records = grid()
    assert panels(records) == [
        ("gru", {(0, 0): "0.8400", (1, 0): "0.8500", (0, 1): "0.8600", (1, 1): "0.8700"}),
        ("lstm", {(0, 0): "0.8000", (1, 0): "0.8100", (0, 1): "0.8200", (1, 1): "0.8300"}),
    ]
    axes = heatmap_figure(records, "val_accuracy", "max").axes[0]
    assert labels(axes) == ("hidden_size", ["32", "64"], "num_layers", ["1", "2"])


@pytest.mark.parametrize(("direction", "best"), [("max", "0.9000\nn=2"), ("min", "0.5000\nn=2")])
def test_a_square_holds_the_best_of_its_trials_and_says_if_all_failed(direction, best):
    first_point, second_point = {"num_layers": 1, "hidden_size": 32}, {"num_layers": 2, "hidden_size": 64}
    records = [
        completed(0, 0.5, first_point),
        completed(1, 0.9, first_point),
        failed(2, first_point),
        failed(3, second_point),
        running(4, second_point),
    ]
    assert panels(records, direction) == [("", {(0, 0): best, (1, 1): "failed"})]


def test_widths_of_their_own_are_told_by_the_first_layer():
    records = [
        completed(0, 0.5, {"num_layers": 1, "hidden_size_1": 32}),
        completed(1, 0.6, {"num_layers": 2, "hidden_size_1": 64, "hidden_size_2": 16}),
    ]
    axes = heatmap_figure(records, "val_accuracy", "max").axes[0]
    assert labels(axes) == ("hidden_size_1 (first layer)", ["32", "64"], "num_layers", ["1", "2"])


@pytest.mark.parametrize(
    ("values", "x", "y"),
    [
        ([{"a": 1, "b": "x", "c": 1}, {"a": 2, "b": "y", "c": 1}, {"a": 3, "b": "y", "c": 1}], "a", "b"),
        ([{"num_layers": 1, "a": 1, "cell": "gru"}, {"num_layers": 2, "a": 2, "cell": "lstm"}], "a", "num_layers"),
        ([{"num_layers": 1, "cell": "gru"}, {"num_layers": 2, "cell": "lstm"}], "cell", "num_layers"),
        ([{"num_layers": 1}, {"num_layers": 2}], "num_layers", ""),
        ([{"num_layers": 1, "hidden_size": 32}], "hidden_size", "num_layers"),
        ([{}], "", ""),
    ],
)
def test_other_hyperparameters_take_the_sides_that_depth_and_width_leave(values, x, y):
    records = [completed(number, 0.5 + number / 10, point) for number, point in enumerate(values)]
    axes = heatmap_figure(records, "val_accuracy", "max").axes[0]
    assert (axes.get_xlabel(), axes.get_ylabel()) == (x, y)


def test_one_wild_score_leaves_the_colours_to_the_others():
    points = [{"hidden_size": width} for width in (1, 2, 3, 4, 5, 6)]
    scores = (0.30, 0.31, 0.32, 0.33, 0.34, 900.0)
    records = [
        completed(number, score, point) for number, (score, point) in enumerate(zip(scores, points, strict=True))
    ]
    shades = heatmap_figure(records, "val_loss", "min").axes[0].images[0].norm
    assert (shades.vmin, shades.vmax) == (0.30, 0.34)


def test_best_so_far_steps_with_the_trials():
    records = [completed(0, 0.5, {}), failed(1, {}), completed(2, 0.4, {}), completed(3, 0.7, {}), running(4, {})]
    figure = best_so_far_figure(records, "val_accuracy", "max")
    lines = {line.get_label(): line.get_xydata().tolist() for line in figure.axes[0].lines}
    assert lines["completed"] == [[0, 0.5], [2, 0.4], [3, 0.7]]
    assert lines["best so far"] == [[0, 0.5], [2, 0.5], [3, 0.7], [3.5, 0.7]]
    assert lines["failed"] == [[1, 0]]
    lower = best_so_far_figure(records, "val_loss", "min").axes[0]
    assert lower.get_title() == "Best val_loss: 0.4000, trial 0002"


def test_importance_is_drawn_or_says_why_not():
    figure = importance_figure(grid()[:3], "val_accuracy", "max")
    assert [text.get_text() for text in figure.axes[0].texts] == ["too few trials: 3 completed, it takes 4"]
    records = [completed(n, 0.1 * values, {"depth": values, "idle": n % 2}) for n, values in enumerate([1, 2, 3] * 6)]
    axes = importance_figure(records, "val_accuracy", "max").axes[0]
    assert [text.get_text() for text in axes.get_yticklabels()] == ["depth", "idle", "two or more together"]
    assert axes.patches[0].get_width() > 90


@pytest.mark.parametrize("plot", [plot_heatmap, plot_importance, plot_best_so_far])
def test_pictures_are_written_once_a_trial_has_completed(plot, tmp_path):
    path = tmp_path / "picture.png"
    assert plot([failed(0, {"a": 1}), running(1, {"a": 2})], "val_accuracy", "max", path) is False
    assert not path.exists()
    assert plot([failed(0, {"a": 1}), completed(1, 0.5, {"a": 2})], "val_accuracy", "max", path) is True
    assert path.read_bytes().startswith(b"\x89PNG")
    assert [entry.name for entry in tmp_path.iterdir()] == ["picture.png"]

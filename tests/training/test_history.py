import csv

import pytest

from keras_rnn.tasks import Objective
from keras_rnn.training.history import best_epoch, diverged, should_stop, write_history

ACCURACY = Objective("val_accuracy", "max")


def epochs(*pairs):
    return [{"val_accuracy": accuracy, "val_loss": loss, "loss": 1.0} for accuracy, loss in pairs]


def test_best_is_highest_accuracy_then_lowest_loss_then_first():
    assert best_epoch(epochs((0.8, 0.5), (0.9, 0.4), (0.85, 0.1)), ACCURACY) == 1
    assert best_epoch(epochs((0.9, 0.5), (0.9, 0.4), (0.9, 0.45)), ACCURACY) == 1
    assert best_epoch(epochs((0.9, 0.4), (0.9, 0.4)), ACCURACY) == 0


def test_a_figure_to_be_low_is_best_where_it_is_lowest():
    history = [{"val_loss": loss} for loss in (2.0, 1.0, 1.5)]
    assert best_epoch(history, Objective("val_loss", "min")) == 1


@pytest.mark.parametrize(("patience", "stops"), [(1, True), (2, True), (3, False)])
def test_stops_after_patience_epochs_without_a_better_one(patience, stops):
    assert should_stop(epochs((0.8, 1), (0.9, 1), (0.8, 1), (0.85, 1)), patience, ACCURACY) is stops


def test_a_loss_that_is_not_finite_has_diverged():
    assert not diverged([{"loss": 2.0, "val_loss": 1.0}])
    assert diverged([{"loss": 2.0, "val_loss": 1.0}, {"loss": float("nan"), "val_loss": 1.0}])
    assert diverged([{"loss": 2.0, "val_loss": float("inf")}])


def test_csv_has_a_row_an_epoch(tmp_path):
    write_history([{"epoch": 1, "loss": 0.5}, {"epoch": 2, "loss": 0.25}], tmp_path / "history.csv")
    with open(tmp_path / "history.csv", newline="") as file:
        assert list(csv.DictReader(file)) == [{"epoch": "1", "loss": "0.5"}, {"epoch": "2", "loss": "0.25"}]

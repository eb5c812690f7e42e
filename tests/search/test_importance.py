import itertools
import random
from dataclasses import replace

import pytest

from keras_rnn.search.importance import importance
from tests.support.trial_records import completed


def trials(score, settings):
    return [completed(number, score(values), values) for number, values in enumerate(settings)]


def grid(**values):
    return [dict(zip(values, point, strict=True)) for point in itertools.product(*values.values())]


def test_shares_follow_the_variances_of_additive_effects():
    settings = grid(cell=["lstm", "gru"], hidden_size=[32, 64, 128], num_layers=[1, 2, 3], fixed=[5])
    # The variances: 0.01 of the cell, 0.0025 * 2 / 3 of the depth, none of the width.
    result = importance(trials(lambda v: 0.2 * (v["cell"] == "gru") + 0.05 * v["num_layers"], settings), "max")
    assert result.refusal == ""
    assert list(result.shares) == ["cell", "num_layers", "hidden_size"]
    assert result.shares["cell"] == pytest.approx(0.857, abs=0.05)
    assert result.shares["num_layers"] == pytest.approx(0.143, abs=0.05)
    assert result.shares["hidden_size"] < 0.01
    assert result.fit > 0.8


def test_what_hyperparameters_do_together_is_a_share_of_its_own():
    result = importance(
        trials(lambda v: float(v["a"] == v["b"]), grid(a=[0, 1], b=[0, 1], c=[1, 2, 3, 4, 5, 6])), "max"
    )
    assert result.interactions > 0.9


def test_an_inactive_hyperparameter_takes_no_credit_for_the_one_that_decides_it():
    chance = random.Random(0)
    settings = []
    for _ in range(60):
        values = {"num_layers": chance.choice([1, 2])}
        if values["num_layers"] == 2:
            values["hidden_size_2"] = chance.choice([32, 64, 128])
        settings.append(values)
    result = importance(trials(lambda v: float(v["num_layers"]), settings), "max")
    assert result.shares["num_layers"] > 0.9
    assert result.shares["hidden_size_2"] < 0.05


def test_a_range_of_many_values_and_a_wild_loss():
    chance = random.Random(0)
    settings = [{"learning_rate": 10 ** chance.uniform(-4, -2), "seed": chance.random()} for _ in range(60)]
    records = trials(lambda v: v["learning_rate"] * 100, settings)
    records += trials(lambda v: 1e6, settings[:2])
    result = importance(records, "min")
    assert result.shares["learning_rate"] > 0.8
    assert result.fit > 0.5


def test_the_number_of_epochs_counts_where_it_differs():
    records = []
    for number, values in enumerate(grid(units=[1, 2, 3, 4], copy=[1, 2, 3])):
        record = completed(number, 0.5 + 0.1 * (number % 3), values)
        records.append(replace(record, job=replace(record.job, epochs=1 + number % 3)))
    assert "epochs" in importance(records, "max").shares


@pytest.mark.parametrize(
    ("records", "reason"),
    [
        (trials(lambda v: v["a"], grid(a=[1, 2, 3])), "too few trials: 3 completed, it takes 4"),
        (trials(lambda v: 0.5, grid(a=[1, 2, 3, 4])), "all 4 trials have the same score"),
        ([completed(number, number, {"a": 1}) for number in range(5)], "no hyperparameter takes more than one value"),
        (trials(lambda v: v["a"] % 2, grid(a=list(range(12)))), "12 trials show no pattern"),
    ],
)
def test_says_why_there_is_nothing_to_tell(records, reason):
    result = importance(records, "max")
    assert result.refusal.startswith(reason)
    assert result.shares == {}

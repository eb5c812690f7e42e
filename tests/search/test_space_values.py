import json

import keras_tuner
import numpy as np

from keras_rnn import Range
from keras_rnn.search.space import search_space
from keras_rnn.search.space_values import covering_values, trial_options


def space(**options):
    return search_space(options)[1]


def per_layer(**options):
    return search_space({"hidden_size": [8, 16], **options}, hidden_size_per_layer=True)[1]


def test_random_search_reports_active_values_alone():
    oracle = keras_tuner.oracles.RandomSearchOracle(
        objective="val_accuracy", max_trials=20, hyperparameters=per_layer(num_layers=[1, 2, 3]), seed=1
    )
    for trial in range(20):
        values = oracle.populate_space(str(trial))["values"]
        assert len(values) == 1 + values["num_layers"]
        assert len(trial_options(values)["hidden_size"]) == values["num_layers"]


def test_trial_options_are_what_train_takes():
    values = {"num_layers": 2, "hidden_size_2": np.int64(16), "hidden_size_1": 8, "dropout": np.float32(0.5)}
    options = trial_options(values)
    assert options == {"num_layers": 2, "hidden_size": [8, 16], "dropout": 0.5}
    assert json.dumps(options)
    many = {f"hidden_size_{layer}": layer for layer in (10, 2, 1, 3, 4, 5, 6, 7, 8, 9)}
    assert trial_options(many) == {"hidden_size": list(range(1, 11))}


def test_covering_values_try_every_choice_and_both_ends():
    result = space(cell=["lstm", "gru", "simple_rnn"], hidden_size=[8, 16], learning_rate=Range(0.1, 0.5))
    assert covering_values(result) == [
        {"cell": "lstm", "hidden_size": 8, "learning_rate": 0.1},
        {"cell": "gru", "hidden_size": 16, "learning_rate": 0.5},
        {"cell": "simple_rnn", "hidden_size": 16, "learning_rate": 0.5},
    ]
    assert covering_values(per_layer(num_layers=[1, 2])) == [
        {"num_layers": 1, "hidden_size_1": 8},
        {"num_layers": 2, "hidden_size_1": 16, "hidden_size_2": 16},
    ]
    assert covering_values(keras_tuner.HyperParameters()) == []

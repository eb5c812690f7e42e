import keras_tuner
import numpy as np
import pytest

from keras_rnn import Range, UsageError
from keras_rnn.search.space import check_names, search_space
from keras_rnn.search.space_config import describe_space
from tests.support.spaces import per_layer, saved, space


def test_what_is_open_is_searched_and_the_rest_is_fixed():
    fixed, result = search_space(
        {
            "data": "a:b.csv",
            "text_columns": ("title", "body"),
            "learning_rate": "1e-4:1e-2:log",
            "epochs": 2,
            "cell": ["lstm", "gru"],
            "dropout": 0.1,
            "hidden_size": Range(32, 128, log=True),
            "bidirectional": [True, False],
            "num_layers": range(1, 4),
        }
    )
    assert fixed == {"data": "a:b.csv", "text_columns": ("title", "body"), "epochs": 2, "dropout": 0.1}
    assert describe_space(result) == [
        "num_layers: 1, 2, 3",
        "cell: lstm, gru",
        "hidden_size: 32 to 128, log",
        "bidirectional: True, False",
        "learning_rate: 0.0001 to 0.01, log",
    ]
    assert result.values == {
        "num_layers": 1,
        "cell": "lstm",
        "hidden_size": 32,
        "bidirectional": True,
        "learning_rate": 0.0001,
    }
    assert result.values["bidirectional"] is True


def test_nothing_open_is_an_empty_space():
    fixed, result = search_space({"hidden_size": 8, "num_layers": 1})
    assert fixed == {"hidden_size": 8, "num_layers": 1}
    assert result.space == []


def test_the_order_of_the_options_does_not_matter():
    options = {"cell": ["lstm", "gru"], "batch_size": [8, 16], "num_layers": [1, 2], "embedding_size": [4, 8]}
    assert saved(space(**options)) == saved(space(**dict(reversed(options.items()))))


@pytest.mark.parametrize(
    ("option", "value", "values"),
    [
        ("hidden_size", [32, 8], [32, 8]),  # in the order given, the first the default
        ("hidden_size", np.array([8, 32]).tolist(), [8, 32]),
        ("hidden_size", (np.int64(8), np.int64(32)), [8, 32]),
        ("dropout", [0, 0.5], [0.0, 0.5]),
        ("hidden_size", [64], [64]),
        ("bidirectional", [False, True], [False, True]),
        ("bidirectional", [True], [True]),
        ("num_layers", Range(1, 3), [1, 2, 3]),
    ],
)
def test_a_grid_tries_these(option, value, values):
    (hyperparameter,) = space(**{option: value}).space
    tried_values = list(hyperparameter.values)
    assert sorted(tried_values) == sorted(values)
    assert hyperparameter.default == values[0]
    assert {type(element) for element in tried_values} == {type(element) for element in values}


def test_a_grid_tries_the_low_end_and_ten_values_of_a_range_without_steps():
    (rate,) = space(learning_rate=Range(1e-4, 1e-2, log=True)).space
    tried_values = {rate.default, *rate.values}
    assert sorted(tried_values) == pytest.approx([1e-4, *(1e-4 * 100 ** (step / 100) for step in range(5, 100, 10))])
    (size,) = space(hidden_size=Range(32, 128, log=True)).space
    assert sorted({size.default, *size.values}) == [32, 34, 39, 45, 52, 59, 68, 79, 91, 104, 120]


def test_an_option_that_takes_any_number_is_searched_between_whole_ends_too():
    (clip_norm,) = space(clip_norm=Range(1, 5)).space
    assert (clip_norm.prob_to_value(0.5), clip_norm.min_value, clip_norm.max_value) == (3.0, 1, 5)
    (batch_size,) = space(batch_size=Range(8, 10)).space
    assert [batch_size.prob_to_value(share) for share in (0.0, 0.1, 0.3, 0.5, 0.9)] == [8, 8, 8, 9, 10]


@pytest.mark.parametrize(
    ("options", "words"),
    [
        ({"hiden_size": [1, 2]}, "unknown hyperparameter 'hiden_size'; did you mean 'hidden_size'"),
        ({"hiden_size": 1}, "unknown option 'hiden_size'; did you mean 'hidden_size'"),
        ({"vocabulary_size": [100, 200]}, "vocabulary_size takes a single value in a sweep, got [100, 200]: token ids"),
        ({"data": ["a.csv", "b.csv"]}, "data takes a single value"),
        ({"model": ["lstm_64", "gru_64"]}, "model takes a single value in a sweep, got ['lstm_64', 'gru_64']: its"),
        ({"model": "lstm_46"}, "'lstm_64'"),
        ({"epochs": Range(1, 4)}, "epochs takes a single value"),
        ({"epochs": "1:4"}, "epochs takes a whole number"),
        ({"seed": [1, 2]}, "seed takes a single value in a sweep, got [1, 2]: it is the same in all trials"),
        ({"cell": []}, "cell takes at least one value to choose from, got none"),
        ({"cell": ["lstm", 1]}, "cell takes numbers, or strings"),
        ({"cell": ["lstm", "lstm"]}, "cell takes each value once"),
        ({"hidden_size": [[8, 4], [4, 4]]}, "hidden_size takes numbers, or strings"),
        ({"cell": Range(1, 2)}, "cell takes no range"),
        ({"bidirectional": "0:1"}, "bidirectional takes no range"),
        ({"hidden_size": Range(1.5, 2)}, "hidden_size takes a range of whole numbers"),
        ({"hidden_size": "8:"}, "hidden_size got '8:'"),
        ({"batch_size": [16, 0]}, "batch_size takes a whole number of at least 1, got 0"),
        ({"learning_rate": Range(-1.0, 1.0)}, "learning_rate takes a number above 0, got -1.0"),
        ({"learning_rate_decay": ["cosine", "linear"]}, "unknown learning_rate_decay 'linear'"),
    ],
)
def test_bad_options_are_usage_errors(options, words):
    with pytest.raises(UsageError) as error:
        search_space(options)
    assert words in str(error.value)


def test_each_layer_has_its_hidden_size_only_where_there_is_one():
    result = per_layer(num_layers=[1, 2, 4])
    assert describe_space(result) == [
        "num_layers: 1, 2, 4",
        "hidden_size_1: 8, 16",
        "hidden_size_2: 8, 16 where num_layers is 2 or 4",
        "hidden_size_3: 8, 16 where num_layers is 4",
        "hidden_size_4: 8, 16 where num_layers is 4",
    ]
    assert result.values == {"num_layers": 1, "hidden_size_1": 8}


@pytest.mark.parametrize(
    ("num_layers", "texts"),
    [
        ({"num_layers": "1:2"}, ["8, 16", "8, 16 where num_layers is 2"]),
        ({"num_layers": [2, 3]}, ["8, 16", "8, 16", "8, 16 where num_layers is 3"]),
        ({"num_layers": [0, 1], "pooling": "mean"}, ["8, 16 where num_layers is 1"]),
        ({"num_layers": 2}, ["8, 16", "8, 16"]),
        ({}, ["8, 16"]),
        ({"model": "bilstm_2x64"}, ["8, 16", "8, 16"]),
    ],
)
def test_the_depth_may_be_a_range_or_fixed_or_the_models_own(num_layers, texts):
    lines = [line for line in describe_space(per_layer(**num_layers)) if line.startswith("hidden_size")]
    assert lines == [f"hidden_size_{layer}: {text}" for layer, text in enumerate(texts, 1)]


@pytest.mark.parametrize(
    ("options", "words"),
    [
        ({"hidden_size": 8}, "takes a choice or a range of hidden_size, got 8"),
        ({}, "got none"),
        ({"hidden_size": [8, 16], "num_layers": 0}, "num_layers of at least 1"),
        ({"hidden_size": [8, 16], "num_layers": ["one"]}, "num_layers takes a whole number"),
    ],
)
def test_a_hidden_size_per_layer_takes_sizes_and_layers(options, words):
    with pytest.raises(UsageError) as error:
        search_space(options, hidden_size_per_layer=True)
    assert words in str(error.value)


def declare_ints(*names, **options):
    hyperparameters = keras_tuner.HyperParameters()
    for name in names:
        hyperparameters.Int(name, 1, 4, **options)
    return hyperparameters


def test_hyperparameters_of_ones_own_have_names_that_the_model_takes():
    check_names(declare_ints("num_layers", "hidden_size_1", "hidden_size_2", "batch_size"), "bilstm_64")
    check_names(per_layer(num_layers=[1, 3]), "bilstm_64")


@pytest.mark.parametrize(
    ("names", "words"),
    [
        ([], "nothing to search"),
        (["units"], "unknown hyperparameter 'units'"),
        (["hidden_size_0"], "unknown hyperparameter 'hidden_size_0'; did you mean 'hidden_size'"),
        (["epochs"], "epochs takes a single value in a sweep, got it as a hyperparameter: it is the same"),
        (["max_length"], "token ids are made once"),
        (["hidden_size_1", "hidden_size_3"], "take every layer from 1, got [1, 3]"),
        (["hidden_size", "hidden_size_1"], "exclude each other"),
    ],
)
def test_other_names_are_usage_errors(names, words):
    with pytest.raises(UsageError) as error:
        check_names(declare_ints(*names), "bilstm_64")
    assert words in str(error.value)

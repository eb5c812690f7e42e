import json

import keras_tuner
import numpy as np
import pytest

from keras_rnn import Range, UsageError
from keras_rnn.search.space import (
    check_names,
    covering_values,
    describe,
    differences,
    parse,
    search_space,
    trial_options,
)


def space(**options):
    return search_space(options)[1]


def per_layer(**options):
    return search_space({"hidden_size": [8, 16], **options}, hidden_size_per_layer=True)[1]


def saved(hyperparameters):
    return json.loads(json.dumps(hyperparameters.get_config()))


@pytest.mark.parametrize(
    ("text", "value"),
    [
        ("64", 64),
        ("-1", -1),
        ("1e-3", 0.001),
        ("lstm", "lstm"),
        ("none", "none"),
        ("nan", "nan"),
        ("True", True),
        ("1, 2,3", [1, 2, 3]),
        ("lstm,gru", ["lstm", "gru"]),
        ("true,false", [True, False]),
        ("0,0.5", [0.0, 0.5]),
        ("32:128", Range(32, 128)),
        ("1e-4:1e-2:log", Range(1e-4, 1e-2, log=True)),
        ("0:0.5", Range(0, 0.5)),
    ],
)
def test_texts_become_values_choices_and_ranges(text, value):
    parsed = parse("option", text)
    assert parsed == value
    assert type(parsed) is type(value)
    if isinstance(value, list):
        assert [type(one) for one in parsed] == [type(one) for one in value]


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("", "takes a value, a choice like 1,2,3 or a range low:high[:log], got '' with an empty value"),
        (",", "got ',' with an empty value"),
        ("1,,2", "got '1,,2' with an empty value"),
        ("1,2,1", "takes each value once, got 1 twice"),
        ("1,1.0", "takes each value once, got 1.0 twice"),
        ("1,big", "takes numbers, or strings, or True and False to choose from, got [1, 'big']"),
        ("true,1", "got [True, 1]"),
        ("1:", "got '1:': a range takes numbers, got high ''"),
        ("a:2", "a range takes numbers, got low 'a'"),
        ("1:2:lin", "or a range low:high[:log], got '1:2:lin'"),
        ("1:2:3:4", "got '1:2:3:4'"),
        ("8:4", "got '8:4': a range takes low below high, got low 8 and high 4"),
        ("4:4", "low below high"),
        ("0:1:log", "a log range takes low above 0, got 0"),
        ("-1:1:log", "a log range takes low above 0, got -1"),
        ("1:inf", "a range takes numbers, got high 'inf'"),
    ],
)
def test_a_bad_text_is_an_error_that_names_the_option(text, words):
    with pytest.raises(UsageError) as error:
        parse("--hidden-size", text)
    assert str(error.value).startswith("--hidden-size ")
    assert words in str(error.value)


@pytest.mark.parametrize("ends", [(1, 1), (2, 1), (True, 2), ("1", 2), (0, float("nan")), (0, 1, True), (1, 2, "log")])
def test_a_bad_range_is_a_usage_error(ends):
    with pytest.raises(UsageError, match=r"range|log takes True or False"):
        Range(*ends)


def test_numpy_ends_become_python_numbers():
    assert Range(np.int64(1), np.float32(2)) == Range(1, 2.0)
    assert type(Range(np.int64(1), np.float32(2)).low) is int


def test_what_is_open_is_searched_and_the_rest_is_fixed():
    fixed, found = search_space(
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
    assert describe(found) == [
        "num_layers: 1, 2, 3",
        "cell: lstm, gru",
        "hidden_size: 32 to 128, log",
        "bidirectional: True, False",
        "learning_rate: 0.0001 to 0.01, log",
    ]
    assert found.values == {
        "num_layers": 1,
        "cell": "lstm",
        "hidden_size": 32,
        "bidirectional": True,
        "learning_rate": 0.0001,
    }
    assert found.values["bidirectional"] is True


def test_nothing_open_is_an_empty_space():
    fixed, found = search_space({"hidden_size": 8, "num_layers": 1})
    assert fixed == {"hidden_size": 8, "num_layers": 1}
    assert found.space == []


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
    tried = list(hyperparameter.values)
    assert sorted(tried) == sorted(values)
    assert hyperparameter.default == values[0]
    assert {type(one) for one in tried} == {type(one) for one in values}


def test_a_grid_tries_the_low_end_and_ten_values_of_a_range_without_steps():
    (rate,) = space(learning_rate=Range(1e-4, 1e-2, log=True)).space
    tried = {rate.default, *rate.values}
    assert sorted(tried) == pytest.approx([1e-4, *(1e-4 * 100 ** (place / 100) for place in range(5, 100, 10))])
    (size,) = space(hidden_size=Range(32, 128, log=True)).space
    assert sorted({size.default, *size.values}) == [32, 34, 39, 45, 52, 59, 68, 79, 91, 104, 120]


def test_an_option_that_takes_any_number_is_searched_between_whole_ends_too():
    (hyperparameter,) = space(clip_norm=Range(1, 5)).space
    assert isinstance(hyperparameter, keras_tuner.engine.hyperparameters.Float)
    (hyperparameter,) = space(batch_size=Range(8, 64)).space
    assert isinstance(hyperparameter, keras_tuner.engine.hyperparameters.Int)


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
    found = per_layer(num_layers=[1, 2, 4])
    assert describe(found) == [
        "num_layers: 1, 2, 4",
        "hidden_size_1: 8, 16",
        "hidden_size_2: 8, 16 where num_layers is 2 or 4",
        "hidden_size_3: 8, 16 where num_layers is 4",
        "hidden_size_4: 8, 16 where num_layers is 4",
    ]
    assert found.values == {"num_layers": 1, "hidden_size_1": 8}


@pytest.mark.parametrize(
    ("num_layers", "where"),
    [
        ({"num_layers": "1:2"}, ["8, 16", "8, 16 where num_layers is 2"]),
        ({"num_layers": [2, 3]}, ["8, 16", "8, 16", "8, 16 where num_layers is 3"]),
        ({"num_layers": [0, 1], "pooling": "mean"}, ["8, 16 where num_layers is 1"]),
        ({"num_layers": 2}, ["8, 16", "8, 16"]),
        ({}, ["8, 16"]),
        ({"model": "bilstm_2x64"}, ["8, 16", "8, 16"]),
    ],
)
def test_the_depth_may_be_a_range_or_fixed_or_the_models_own(num_layers, where):
    lines = [line for line in describe(per_layer(**num_layers)) if line.startswith("hidden_size")]
    assert lines == [f"hidden_size_{layer}: {text}" for layer, text in enumerate(where, 1)]


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
    found = space(cell=["lstm", "gru", "simple_rnn"], hidden_size=[8, 16], learning_rate=Range(0.1, 0.5))
    assert covering_values(found) == [
        {"cell": "lstm", "hidden_size": 8, "learning_rate": 0.1},
        {"cell": "gru", "hidden_size": 16, "learning_rate": 0.5},
        {"cell": "simple_rnn", "hidden_size": 16, "learning_rate": 0.5},
    ]
    assert covering_values(per_layer(num_layers=[1, 2])) == [
        {"num_layers": 1, "hidden_size_1": 8},
        {"num_layers": 2, "hidden_size_1": 16, "hidden_size_2": 16},
    ]
    assert covering_values(keras_tuner.HyperParameters()) == []


def own(*names, **further):
    hyperparameters = keras_tuner.HyperParameters()
    for name in names:
        hyperparameters.Int(name, 1, 4, **further)
    return hyperparameters


def test_hyperparameters_of_ones_own_have_names_that_the_model_takes():
    check_names(own("num_layers", "hidden_size_1", "hidden_size_2", "batch_size"), "bilstm_64")
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
        check_names(own(*names), "bilstm_64")
    assert words in str(error.value)


def test_equal_spaces_do_not_differ_also_after_json():
    options = {"cell": ["lstm", "gru"], "num_layers": Range(1, 3), "dropout": [0, 0.5], "bidirectional": [True, False]}
    assert differences(saved(space(**options)), space(**options).get_config()) == []
    assert differences(saved(per_layer(num_layers=[1, 2])), per_layer(num_layers=[1, 2]).get_config()) == []


def test_differences_say_what_was_and_what_is():
    before = saved(space(cell=["lstm", "gru"], hidden_size=[8, 16], learning_rate=Range(1e-4, 1e-2, log=True)))
    now = saved(space(num_layers=[1, 2], hidden_size=[16, 8], learning_rate=Range(1e-4, 1e-2)))
    assert differences(before, now) == [
        "hidden_size was 8, 16, now 16, 8",
        "learning_rate was 0.0001 to 0.01, log, now 0.0001 to 0.01",
        "num_layers is new: 1, 2",
        "cell is gone, it was lstm, gru",
    ]


@pytest.mark.parametrize(
    ("before", "now", "line"),
    [
        ({}, {"default": 3}, "n was 1 to 4, now 1 to 4, default 3"),
        ({}, {"step": 3}, "n was 1 to 4, now 1 to 4, step 3"),
        ({"step": 2, "sampling": "log"}, {"sampling": "log"}, "n was 1 to 4, step 2, log, now 1 to 4, log"),
    ],
)
def test_differences_of_a_default_or_a_step_show(before, now, line):
    assert differences(saved(own("n", **before)), saved(own("n", **now))) == [line]


def test_differences_of_conditions_types_and_order_show():
    layers = {"num_layers": [1, 2]}
    assert differences(saved(per_layer(num_layers=[1, 2, 3])), saved(per_layer(num_layers=[1, 3])))[1] == (
        "hidden_size_2 was 8, 16 where num_layers is 2 or 3, now 8, 16 where num_layers is 3"
    )
    numbers, texts = keras_tuner.HyperParameters(), keras_tuner.HyperParameters()
    numbers.Choice("size", [1, 2])
    texts.Choice("size", ["1", "2"])
    assert differences(saved(numbers), saved(texts)) == ["size was 1, 2, now '1', '2'"]
    assert differences(saved(own("a", "b")), saved(own("b", "a"))) == ["the order was a, b, now b, a"]
    assert differences(saved(space(**layers)), saved(space(**layers))) == []

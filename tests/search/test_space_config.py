import keras_tuner
import pytest

from keras_rnn import Range
from keras_rnn.search.space_config import space_differences
from tests.support.spaces import per_layer, saved, space


def declare_ints(*names, **options):
    hyperparameters = keras_tuner.HyperParameters()
    for name in names:
        hyperparameters.Int(name, 1, 4, **options)
    return hyperparameters


def test_equal_spaces_do_not_differ_also_after_json():
    options = {"cell": ["lstm", "gru"], "num_layers": Range(1, 3), "dropout": [0, 0.5], "bidirectional": [True, False]}
    assert space_differences(saved(space(**options)), space(**options).get_config()) == []
    assert space_differences(saved(per_layer(num_layers=[1, 2])), per_layer(num_layers=[1, 2]).get_config()) == []


def test_differences_say_what_was_and_what_is():
    previous = saved(space(cell=["lstm", "gru"], hidden_size=[8, 16], learning_rate=Range(1e-4, 1e-2, log=True)))
    current = saved(space(num_layers=[1, 2], hidden_size=[16, 8], learning_rate=Range(1e-4, 1e-2)))
    assert space_differences(previous, current) == [
        "hidden_size was 8, 16, now 16, 8",
        "learning_rate was 0.0001 to 0.01, log, now 0.0001 to 0.01",
        "num_layers is new: 1, 2",
        "cell is gone, it was lstm, gru",
    ]


@pytest.mark.parametrize(
    ("previous", "current", "line"),
    [
        ({}, {"default": 3}, "n was 1 to 4, now 1 to 4, default 3"),
        ({}, {"step": 3}, "n was 1 to 4, now 1 to 4, step 3"),
        ({"step": 2, "sampling": "log"}, {"sampling": "log"}, "n was 1 to 4, step 2, log, now 1 to 4, log"),
    ],
)
def test_differences_of_a_default_or_a_step_show(previous, current, line):
    assert space_differences(saved(declare_ints("n", **previous)), saved(declare_ints("n", **current))) == [line]


def test_differences_of_conditions_types_and_order_show():
    layers = {"num_layers": [1, 2]}
    assert space_differences(saved(per_layer(num_layers=[1, 2, 3])), saved(per_layer(num_layers=[1, 3])))[1] == (
        "hidden_size_2 was 8, 16 where num_layers is 2 or 3, now 8, 16 where num_layers is 3"
    )
    numbers, texts = keras_tuner.HyperParameters(), keras_tuner.HyperParameters()
    numbers.Choice("size", [1, 2])
    texts.Choice("size", ["1", "2"])
    assert space_differences(saved(numbers), saved(texts)) == ["size was 1, 2, now '1', '2'"]
    assert space_differences(saved(declare_ints("a", "b")), saved(declare_ints("b", "a"))) == [
        "the order was a, b, now b, a"
    ]
    assert space_differences(saved(space(**layers)), saved(space(**layers))) == []

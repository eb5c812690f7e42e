import numpy as np
import pytest

from keras_rnn import Range, UsageError
from keras_rnn.search.ranges import parse_option


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
    parsed = parse_option("option", text)
    assert parsed == value
    assert type(parsed) is type(value)
    if isinstance(value, list):
        assert [type(element) for element in parsed] == [type(element) for element in value]


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
        parse_option("--hidden-size", text)
    assert str(error.value).startswith("--hidden-size ")
    assert words in str(error.value)


@pytest.mark.parametrize("ends", [(1, 1), (2, 1), (True, 2), ("1", 2), (0, float("nan")), (0, 1, True), (1, 2, "log")])
def test_a_bad_range_is_a_usage_error(ends):
    with pytest.raises(UsageError, match=r"range|log takes True or False"):
        Range(*ends)


def test_numpy_ends_become_python_numbers():
    assert Range(np.int64(1), np.float32(2)) == Range(1, 2.0)
    assert type(Range(np.int64(1), np.float32(2)).low) is int

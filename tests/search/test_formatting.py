import pytest

from keras_rnn.search.formatting import format_duration, format_failure, format_metric, format_value, format_values


@pytest.mark.parametrize(
    ("values", "words"),
    [
        ({"num_layers": 2, "hidden_size": 64, "cell": "lstm"}, "lstm 2x64"),
        ({"cell": "lstm", "learning_rate": 0.00123456}, "lstm, learning_rate 0.00123"),
        ({"num_layers": 2, "hidden_size_1": 64, "hidden_size_2": 32}, "2x64/32"),
        ({"num_layers": 2, "hidden_size_scale": 3}, "num_layers 2, hidden_size_scale 3"),
        ({"hidden_size": 64, "bidirectional": True}, "hidden_size 64, bidirectional True"),
        ({}, ""),
    ],
)
def test_describe(values, words):
    assert format_values(values) == words


def test_short_keeps_to_one_line_and_leaves_out_control_characters():
    assert format_value("a\n  b\x1b[31m\x07") == "a b[31m"
    assert format_value(float("nan")) == "nan"
    assert format_value(123456) == "123456"


@pytest.mark.parametrize(
    ("value", "text"), [(0.9, "0.9000"), (0.0, "0.0000"), (1.2e-5, "1.2e-05"), (123456.0, "1.235e+05")]
)
def test_figure(value, text):
    assert format_metric(value) == text


@pytest.mark.parametrize(
    ("seconds", "text"), [(0, "0.0 s"), (31.24, "31.2 s"), (100, "2 min"), (5940, "99 min"), (11100, "3 h 05 min")]
)
def test_duration(seconds, text):
    assert format_duration(seconds) == text


def test_a_failure_without_a_word_is_told_by_its_name():
    assert format_failure("died", "") == "died"
    assert format_failure("error", "ValueError:\n no") == "error: ValueError: no"

import pytest

from keras_rnn.errors import UsageError
from keras_rnn.registry import Registry


def test_entries_are_found_by_name_and_listed_by_pattern():
    registry = Registry("cell")
    registry.add("lstm", 1)
    registry.add("gru", 2)
    registry.add("mini_lstm", 3)
    assert (registry.get("lstm"), registry.get("gru")) == (1, 2)
    assert registry.names() == ["gru", "lstm", "mini_lstm"]
    assert registry.names("*lstm") == ["lstm", "mini_lstm"]


def test_a_taken_and_an_unknown_name_are_usage_errors():
    registry = Registry("cell")
    registry.add("lstm", 1)
    with pytest.raises(UsageError, match="^the cell 'lstm' is registered already$"):
        registry.add("lstm", 2)
    assert registry.get("lstm") == 1
    with pytest.raises(UsageError, match="^unknown cell 'lstn'; did you mean 'lstm'"):
        registry.get("lstn")

import re
import sys
import types

import pytest

from keras_rnn.datasets.python_topics import divide_topics, python_topics
from keras_rnn.errors import UsageError


def test_the_text_of_this_python():
    data = python_topics()
    again = python_topics()
    assert (data.name, data.class_names, list(data.splits)) == ("python_topics", (), ["train", "validation", "test"])
    sizes = {name: sum(map(len, split.texts)) for name, split in data.splits.items()}
    assert 400_000 < sum(sizes.values()) < 800_000
    for name, split in data.splits.items():
        assert split.texts == again.splits[name].texts
        assert list(split.columns) == ["text"]
        if name != "train":
            assert 10 <= len(split) <= 15
            assert 0.04 < sizes[name] / sum(sizes.values()) < 0.08
    assert any("An assignment statement" in text for text in data.train.texts)


def test_no_held_out_line_is_trained_on():
    """Nearly none: short ones, such as those of a grammar, may be repeated."""
    data = python_topics()
    lines = {
        name: [line.strip() for text in split.texts for line in text.splitlines() if len(line.strip()) >= 40]
        for name, split in data.splits.items()
    }
    for name, other in (("validation", "train"), ("test", "train"), ("test", "validation")):
        assert len(lines[name]) > 200
        assert len({*lines[name]} & {*lines[other]}) <= len(lines[name]) // 100


def test_the_rule():
    names = "abcdefghij"
    topics = {name: f"About {name}.\n" for name in names}
    in_order = divide_topics(topics)
    assert in_order == (
        [topics[name] for name in "acegi"],
        [topics[name] for name in "bfj"],
        [topics[name] for name in "dh"],
    )
    assert divide_topics(dict(reversed(topics.items()))) == in_order
    # Neither a long topic nor one that shares a paragraph, however it is wrapped, is held out.
    paragraph = "a paragraph of ten words and then of ten words more "
    topics |= {"b": f"b\n\n{paragraph * 2}\n \nend", "i": f"{paragraph}\n{paragraph}", "d": "x" * 10_001}
    train, validation, test = divide_topics(topics)
    assert (validation, test) == ([topics["c"], topics["h"]], [topics["f"]])
    assert train == [topics[name] for name in "abdegij"]


@pytest.mark.parametrize("module", [None, types.SimpleNamespace(topics={}), types.SimpleNamespace()])
def test_a_python_without_the_text(monkeypatch, module):
    monkeypatch.setitem(sys.modules, "pydoc_data.topics", module)
    fault = "dataset 'python_topics' takes the module pydoc_data.topics of Python's standard library, which this"
    with pytest.raises(UsageError, match=re.escape(fault)):
        python_topics()

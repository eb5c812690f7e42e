"""`python_topics`: the reference text that comes with every Python, which `help("topics")` shows.

It is the module `pydoc_data.topics` of the Python that runs, some 465,000 characters of English about the language,
with examples of code. It is read where it is installed, so it needs no network and no file of this package. A model of
it shows that all works, and writes what sounds like Python's own manual; its figures say little of others, since **the
text differs between versions of Python**: 79 topics of 464,970 characters in 3.11.7, of 510,586 in 3.13.0.

A document is a topic, and topics are sorted by name. A fifth of the text stands in it twice, such as "compound", which
holds "if", "for" and "while". Topics are therefore divided by a fixed rule, and no long paragraph of the validation and
test splits stands in the training split or in the other: of the topics that share no paragraph of 60 characters or more
with another and are no longer than 10,000 characters, the second of every four is for validation, and the fourth for
the test. Each of the two splits is 5 to 6 percent of the text.
"""

import re
from collections import Counter
from collections.abc import Mapping

from keras_rnn.datasets.dataset import Dataset, Split
from keras_rnn.errors import UsageError

SHARED_CHARACTERS = 60
LONGEST_HELD_OUT = 10_000


def python_topics() -> Dataset:
    """The dataset, whose splits have the one column `text`.

    Raises:
        UsageError: this Python comes without the text, as those of some distributions do.
    """
    train, validation, test = divide_topics(_installed_topics())
    if not (train and validation and test):
        raise UsageError(
            "dataset 'python_topics' takes the module pydoc_data.topics of Python's standard library, which this"
            " installation of Python lacks or holds empty; name another dataset, or give a text with --data"
        )
    return Dataset("python_topics", (), Split(text=train), Split(text=validation), Split(text=test))


def _installed_topics() -> Mapping[str, str]:
    try:
        from pydoc_data.topics import topics
    except ImportError:
        return {}
    return topics


def divide_topics(topics: Mapping[str, str]) -> tuple[list[str], list[str], list[str]]:
    """The texts for training, validation and test by the rule of the module, each sorted by the names of the topics."""
    paragraphs = {name: _long_paragraphs(text) for name, text in topics.items()}
    counts = Counter(paragraph for own in paragraphs.values() for paragraph in own)
    shared = {name for name, own in paragraphs.items() if any(counts[paragraph] > 1 for paragraph in own)}
    short = [name for name in sorted(topics) if name not in shared and len(topics[name]) <= LONGEST_HELD_OUT]
    validation, test = short[1::4], short[3::4]
    train = sorted(topics.keys() - {*validation, *test})
    return [topics[name] for name in train], [topics[name] for name in validation], [topics[name] for name in test]


def _long_paragraphs(text: str) -> set[str]:
    paragraphs = {" ".join(paragraph.split()) for paragraph in re.split(r"\n\s*\n", text)}
    return {paragraph for paragraph in paragraphs if len(paragraph) >= SHARED_CHARACTERS}

import gzip
import json
import re

import pytest

from keras_rnn.datasets.tagged_json import read_tagged_json
from keras_rnn.errors import UsageError


def write(tmp_path, *rows, name="data.jsonl"):
    text = "\n".join(row if isinstance(row, str) else json.dumps(row) for row in rows)
    path = tmp_path / name
    path.write_bytes(gzip.compress(text.encode()) if name.endswith(".gz") else text.encode())
    return path


@pytest.mark.parametrize(
    ("token_key", "tag_key"),
    [("tokens", "tags"), ("words", "labels"), ("tokens", "ner_tags"), ("Words", "Slots"), ("words", "upos")],
)
@pytest.mark.parametrize("name", ["data.jsonl", "data.jsonl.gz"])
def test_rows_by_known_names(tmp_path, token_key, tag_key, name):
    first = {"id": 1, token_key: ["New York", "é"], tag_key: ["B-city", "O"]}
    path = write(tmp_path, first, "", {tag_key: ["O"], token_key: ["\u00a0"]}, name=name)
    assert read_tagged_json(path) == ([["New York", "é"], ["\u00a0"]], [["B-city", "O"], ["O"]])


def test_columns_that_are_asked_for_come_before_known_names(tmp_path):
    path = write(tmp_path, {"tokens": ["a"], "stems": ["b"], "tags": ["O"], "pos": ["X"]})
    assert read_tagged_json(path, token_column="stems", tag_column="pos") == ([["b"]], [["X"]])
    assert read_tagged_json(path, tag_column="pos") == ([["a"]], [["X"]])


GOOD = {"tokens": ["a"], "tags": ["O"]}


@pytest.mark.parametrize(
    ("rows", "columns", "fault"),
    [
        ([], {}, ": holds no row; it takes an object with tokens and tags a line"),
        ([GOOD, "[1"], {}, ", line 2: malformed JSON (Expecting ',' delimiter at column 3)"),
        ([GOOD, {"tokens": ["a", "b"], "tags": ["O"]}], {}, ", line 2: takes one tag a token, got 2 tokens and 1 tags"),
        ([{"tokens": [], "tags": []}], {}, ", line 1: column 'tokens' takes a list of strings, got []"),
        ([{"tokens": "a b", "tags": ["O"]}], {}, ", line 1: column 'tokens' takes a list of strings, got 'a b'"),
        (
            [{"tokens": ["a"], "ner_tags": [3]}],
            {},
            ", line 1: column 'ner_tags' takes strings that are not empty, got 3 as number 1",
        ),
        (
            [{"tokens": ["a", " "], "tags": ["O", "O"]}],
            {},
            ", line 1: column 'tokens' takes strings that are not empty, got ' ' as number 2",
        ),
        ([GOOD, {"tokens": ["a"]}], {}, ", line 2: no column 'tags'; it has 'tokens'"),
        ([GOOD], {"tag_column": "pos"}, ", line 1: no column 'pos'; it has 'tokens', 'tags'"),
        ([GOOD], {"tag_column": "tokens"}, ", line 1: column 'tokens' is both tokens and tags"),
        (
            [{"text": ["a"], "tags": ["O"]}],
            {},
            ", line 1: cannot tell which column holds the tokens: it has 'text', 'tags'; name it with --text-column",
        ),
        (
            [{"tokens": ["a"], "pos": ["O"]}],
            {},
            ", line 1: cannot tell which column holds the tags: it has 'tokens', 'pos'; name it with --label-column",
        ),
        (
            ['{"tokens": ["\\ud800"], "tags": ["O"]}'],
            {},
            ", line 1: column 'tokens' holds '\\ud800', which is not text",
        ),
        (['{"tokens": ["a"], "tags": ["\\u0000"]}'], {}, ", line 1: column 'tags' holds '\\x00', which is not text"),
    ],
)
def test_faults_are_named_with_their_line(tmp_path, rows, columns, fault):
    path = write(tmp_path, *rows)
    with pytest.raises(UsageError, match=f"^{re.escape(str(path) + fault)}$"):
        read_tagged_json(path, **columns)

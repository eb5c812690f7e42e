import hashlib
import json
import re
import subprocess
import sys
from collections import Counter, defaultdict

import pytest

from keras_rnn.datasets import slot_requests_words
from keras_rnn.datasets.slot_requests import SYMBOL, slot_requests
from keras_rnn.errors import UsageError


@pytest.fixture(scope="module")
def splits():
    return slot_requests()


def spans(tags):
    """The spans (start, end, type) of strict IOB2, where I-X after anything but B-X or I-X is no span."""
    result = set()
    start = None
    for index, tag in enumerate([*tags, "O"]):
        if start is not None and tag != f"I-{tags[start][2:]}":
            result.add((start, index, tags[start][2:]))
            start = None
        if tag.startswith("B-"):
            start = index
    return result


def span_f1(actual, expected):
    pairs = [(spans(one), spans(other)) for one, other in zip(actual, expected, strict=True)]
    hits = sum(len(one & other) for one, other in pairs)
    return 2 * hits / sum(len(one) + len(other) for one, other in pairs)


def pairs_of(split):
    return [pair for row in zip(split["tokens"], split["tags"], strict=True) for pair in zip(*row, strict=True)]


def test_spans_and_their_f1():
    assert spans("O B-a I-a B-a I-b O I-a B-c".split()) == {(1, 3, "a"), (3, 4, "a"), (7, 8, "c")}
    assert span_f1([["B-a", "I-a", "B-b"]], [["B-a", "O", "B-b"]]) == 0.5
    assert span_f1([["O", "O"]], [["B-a", "O"]]) == 0.0


def test_the_rows_of_the_default_seed_are_fixed(splits):
    digest = hashlib.sha256(json.dumps(splits, sort_keys=True).encode()).hexdigest()
    assert digest == "5a8064e664bb61948fb3788657867ba48e96a932c5c868addad44d8bb6f28bad"


def test_size_and_form(splits):
    assert {name: len(split["tokens"]) for name, split in splits.items()} == {
        "train": 8_000,
        "validation": 1_000,
        "test": 1_000,
    }
    for split in splits.values():
        for tokens, tags in zip(split["tokens"], split["tags"], strict=True):
            assert 1 <= len(tokens) == len(tags) <= 40
            assert not any(re.search(r"\s|[{}\[\]#|]", token) or not token for token in tokens)
            for previous, tag in zip(["O", *tags], tags, strict=False):
                assert tag == "O" or re.fullmatch(r"[BI]-[a-z_]+", tag)
                assert tag[0] != "I" or previous in (tag, f"B{tag[1:]}")


def test_no_request_occurs_twice(splits):
    texts = [" ".join(tokens).lower() for split in splits.values() for tokens in split["tokens"]]
    assert len(set(texts)) == len(texts) == 10_000


def test_every_tag_stands_often_in_the_training_split(splits):
    counts = {name: Counter(tag for _, tag in pairs_of(split)) for name, split in splits.items()}
    assert set(counts["validation"]) | set(counts["test"]) <= set(counts["train"])
    assert len({tag[2:] for tag in counts["train"] if tag != "O"}) == 25
    assert min(counts["train"].values()) > 50


@pytest.mark.parametrize("normalize", [str, str.lower])
def test_a_list_of_words_stays_below_45_percent(splits, normalize):
    counts = defaultdict(Counter)
    for token, tag in pairs_of(splits["train"]):
        counts[normalize(token)][tag] += 1
    tag_of = {token: tags.most_common(1)[0][0] for token, tags in counts.items()}
    actual = [[tag_of.get(normalize(token), "O") for token in tokens] for tokens in splits["test"]["tokens"]]
    assert 0.3 < span_f1(actual, splits["test"]["tags"]) < 0.45


@pytest.mark.parametrize(
    ("word", "slots"),
    [
        ("paris", {"from_city", "to_city", "city", "person", "hotel", "product", "task", "store"}),
        ("7", {"people", "nights", "quantity", "time", "room", "size", "price"}),
        ("may", {"", "date", "person", "product", "hotel"}),
        ("orange", {"color", "product", "city", "store"}),
        ("first", {"date", "travel_class", "product"}),
        ("will", {"", "person"}),
    ],
)
def test_the_same_word_fills_different_slots(splits, word, slots):
    assert slots <= {tag[2:] for token, tag in pairs_of(splits["train"]) if token.lower() == word}


@pytest.mark.parametrize("name", ["validation", "test"])
def test_a_part_of_the_slots_has_words_that_no_training_row_has(splits, name):
    known_tokens = {token.lower() for token, _ in pairs_of(splits["train"])}
    filled_count = unknown = 0
    for tokens, tags in zip(*splits[name].values(), strict=True):
        for start, end, _ in spans(tags):
            filled_count += 1
            unknown += any(token.lower() not in known_tokens for token in tokens[start:end])
    assert 0.2 < unknown / filled_count < 0.3


def test_held_out_names_stand_in_no_training_row(splits):
    words = {name: {token.lower() for token, _ in pairs_of(split)} for name, split in splits.items()}
    for name in ("lisbon", "oslo", "ingrid", "toaster", "teal", "leaking", "atocha", "slippers"):
        assert name in words["test"]
        assert name not in words["train"]


def test_rows_are_in_lower_or_in_mixed_case(splits):
    rows = splits["train"]["tokens"]
    lower = sum(" ".join(tokens).islower() for tokens in rows) / len(rows)
    assert 0.6 < lower < 0.7
    assert all(
        tokens[0][0].isupper() or not tokens[0][0].isalpha() for tokens in rows if not " ".join(tokens).islower()
    )


def test_every_rule_is_written_once_and_used():
    parts = (
        slot_requests_words.REQUESTS,
        slot_requests_words.TRAVEL,
        slot_requests_words.SHOPPING,
        slot_requests_words.CLOSED,
        slot_requests_words.NAMES,
    )
    rules = slot_requests_words.RULES
    assert sum(len(part) for part in parts) == len(rules)
    used_rules = {match["rule"] or match["name"] for text in rules.values() for match in SYMBOL.finditer(text)} - {None}
    assert used_rules | {"request"} == set(rules)


def test_another_seed_gives_other_rows_and_rows_sets_the_size():
    small, other = slot_requests(rows=100), slot_requests(seed=1, rows=100)
    assert {name: len(split["tags"]) for name, split in small.items()} == {"train": 80, "validation": 10, "test": 10}
    assert small != other
    assert small == slot_requests(seed=0, rows=100)


@pytest.mark.parametrize("rows", [99, 0, -1, 1e4, "10000", True, None])
def test_rows_takes_a_whole_number(rows):
    with pytest.raises(UsageError, match=re.escape(f"at least 100, got {rows!r}")):
        slot_requests(rows=rows)


def test_importing_it_loads_no_tensorflow():
    code = "import sys, keras_rnn.datasets.slot_requests; sys.exit('tensorflow' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", code]).returncode == 0

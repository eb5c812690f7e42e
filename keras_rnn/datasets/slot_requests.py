"""`slot_requests`: travel and shopping requests whose slots are tagged, written by a seeded grammar.

The requests are synthetic. They show whether a model reads a word by what stands around it, and say nothing about
requests in the real world. A list of words with their most frequent tags stays near 40 % span F1, for three reasons:

- The same words fill different slots. A city is where a journey starts or ends, where one stays, or a part of a
  hotel, a product or a task; 7 is a time, a price, a quantity, a room or a number of nights; May is a month, a
  person or the verb.
- About a quarter of the names in validation and test rows are held out: no training row has them.
- Numbers are of many digits, and some words are misspelled.

What stands around a slot always tells it, so that a model that reads it passes 97 %.
"""

import random
import re
from collections.abc import Sequence
from functools import cache
from typing import NamedTuple

from keras_rnn import checks
from keras_rnn.datasets.slot_requests_words import RULES

HELD_OUT_RATE = 0.35  # how often a rule with held-out alternatives takes one of them, outside the training split
LOWER_CASE_RATE = 0.65  # rows all in lower case, as people type
TYPO_RATE = 0.1  # rows with one misspelled word
SHORTEST_MISSPELLED = 5  # letters

ROUTES = (("from_city", "to_city"), ("pickup", "dropoff"))

SYMBOL = re.compile(r"(?P<open>[{\[])(?P<name>\w+)(?::(?P<rule>\w+))?(?P<optional>\??)[}\]]|(?P<token>\S+)")


class Symbol(NamedTuple):
    """A part of an alternative: a `token`, or a `rule`, which is `optional` or fills a `slot`."""

    token: str = ""
    rule: str = ""
    slot: str = ""
    optional: bool = False


Alternative = tuple[Symbol, ...]
Request = list[tuple[str, str]]


def slot_requests(seed: int = 0, rows: int = 10_000) -> dict[str, dict[str, list[list[str]]]]:
    """The dataset: `rows` requests cut 80/10/10 into "train", "validation" and "test".

    No request occurs twice, in whatever case. At the default size, the training split has every tag.

    Parameters:
        seed: of the grammar. The same seed gives the same rows on every version of Python.
        rows: at least 100.

    Returns:
        The columns of each split: "tokens" and "tags", one list of strings a row, of one length. Tags are IOB2.

    Raises:
        UsageError: `rows` is no whole number of at least 100.
    """
    checks.whole_number("rows", rows, minimum=100)
    rng = random.Random(seed)
    seen_keys: set[str] = set()
    tenth = rows // 10
    test = _split(rng, tenth, seen_keys, HELD_OUT_RATE)
    validation = _split(rng, tenth, seen_keys, HELD_OUT_RATE)
    train = _split(rng, rows - 2 * tenth, seen_keys, 0.0)
    return {"train": train, "validation": validation, "test": test}


def _split(rng: random.Random, count: int, seen_keys: set[str], held_out_rate: float) -> dict[str, list[list[str]]]:
    columns: dict[str, list[list[str]]] = {"tokens": [], "tags": []}
    while len(columns["tokens"]) < count:
        request = _expand(rng, "request", held_out_rate)
        if _ends_where_it_starts(request):
            continue
        tokens = _spell(rng, [token for token, _ in request])
        key = " ".join(tokens).lower()
        if key in seen_keys:
            continue
        seen_keys.add(key)
        columns["tokens"].append(tokens)
        columns["tags"].append([tag for _, tag in request])
    return columns


def _expand(rng: random.Random, rule: str, held_out_rate: float) -> Request:
    """The tokens of a rule and their tags."""
    common, held_out = _alternatives(rule)
    choices = held_out if held_out and rng.random() < held_out_rate else common
    request: Request = []
    for symbol in _pick(rng, choices):
        if symbol.token:
            request.append((_digits(rng, symbol.token), "O"))
        elif not symbol.optional or rng.random() < 0.5:
            tokens = _expand(rng, symbol.rule, held_out_rate)
            request += _tag_slot(tokens, symbol.slot) if symbol.slot else tokens
    return request


def _tag_slot(request: Request, slot: str) -> Request:
    return [(token, f"{'I' if index else 'B'}-{slot}") for index, (token, _) in enumerate(request)]


@cache
def _alternatives(rule: str) -> tuple[tuple[Alternative, ...], tuple[Alternative, ...]]:
    """The alternatives of a rule for all splits, and those that are held out from training."""
    common, _, held_out = RULES[rule].partition("||")
    return _parse(common), _parse(held_out)


def _parse(text: str) -> tuple[Alternative, ...]:
    return tuple(tuple(_symbol(match) for match in SYMBOL.finditer(part)) for part in text.split("|") if part)


def _symbol(match: re.Match) -> Symbol:
    if token := match["token"]:
        return Symbol(token)
    slot = match["name"] if match["open"] == "[" else ""
    return Symbol("", match["rule"] or match["name"], slot, bool(match["optional"]))


def _ends_where_it_starts(request: Request) -> bool:
    for slots in ROUTES:
        start, end = ([token for token, tag in request if tag[2:] == slot] for slot in slots)
        if start and start == end:
            return True
    return False


def _digits(rng: random.Random, token: str) -> str:
    """The token with a digit for each `#`; no number starts with 0."""
    for match in re.finditer("#", token):
        index = match.start()
        is_first = index == 0 or not token[index - 1].isdigit()
        digit = 1 + int(rng.random() * 9) if is_first else int(rng.random() * 10)
        token = f"{token[:index]}{digit}{token[index + 1 :]}"
    return token


def _spell(rng: random.Random, tokens: list[str]) -> list[str]:
    """The tokens in lower case or starting with a capital letter, one of them perhaps misspelled."""
    if rng.random() < LOWER_CASE_RATE:
        tokens = [token.lower() for token in tokens]
    else:
        tokens = [tokens[0][0].upper() + tokens[0][1:], *tokens[1:]]
    if rng.random() < TYPO_RATE:
        long_tokens = [
            index for index, token in enumerate(tokens) if len(token) >= SHORTEST_MISSPELLED and token.isalpha()
        ]
        if long_tokens:
            index = _pick(rng, long_tokens)
            tokens[index] = _misspell(rng, tokens[index])
    return tokens


def _misspell(rng: random.Random, word: str) -> str:
    """The word with two inner letters swapped, or one left out or written twice."""
    index = 1 + int(rng.random() * (len(word) - 3))
    letters = word[index : index + 2]
    return word[:index] + _pick(rng, (letters[::-1], letters[1], letters[0] + letters)) + word[index + 2 :]


def _pick(rng: random.Random, items: Sequence):
    # random() is the one method whose sequence Python promises to keep from version to version.
    return items[int(rng.random() * len(items))]

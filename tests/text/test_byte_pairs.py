"""The merging in the graph, held against a loop in Python that merges one pair at a time."""

from itertools import pairwise

import tensorflow as tf
from hypothesis import example, given, settings
from hypothesis import strategies as st

from keras_rnn.text.byte_pairs import BytePairs, byte_characters

SINGLE_BYTES = [bytes([byte]) for byte in range(256)]


def merge_in_python(word: bytes, ranks: dict[tuple[bytes, bytes], int]) -> list[bytes]:
    parts = [bytes([byte]) for byte in word]
    while True:
        candidates = [(ranks[pair], i) for i, pair in enumerate(pairwise(parts)) if pair in ranks]
        if not candidates:
            return parts
        _, i = min(candidates)
        parts[i : i + 2] = [parts[i] + parts[i + 1]]


def encode(words: list[bytes], merges: list[tuple[bytes, bytes]]) -> list[list[bytes]]:
    pieces = [*SINGLE_BYTES, *dict.fromkeys(left + right for left, right in merges)]
    ids = BytePairs(pieces, merges, first_id=3).encode(tf.constant(words, tf.string))
    return [[pieces[i - 3] for i in row] for row in ids.to_list()]


def test_every_byte_has_a_printable_character_of_its_own():
    characters = byte_characters()
    assert len(set(characters)) == 256
    assert all(character.isprintable() and not character.isspace() for character in characters)
    assert characters[ord("a")] == "a"
    assert (characters[ord(" ")], characters[ord("\n")], characters[0]) == ("Ġ", "Ċ", "Ā")


def test_the_earliest_pair_of_the_list_is_merged_first_and_of_equals_the_leftmost():
    merges = [(b"b", b"c"), (b"a", b"b"), (b"a", b"a"), (b"aa", b"a")]
    words = [b"abc", b"ab", b"aaaa", b"aaaaa", b"cab", b"x", b"bcbc"]
    expected = [[b"a", b"bc"], [b"ab"], [b"aa", b"aa"], [b"aa", b"aaa"], [b"c", b"ab"], [b"x"], [b"bc", b"bc"]]
    assert encode(words, merges) == expected


def test_a_piece_that_its_own_bytes_do_not_merge_to():
    # "abc" is a piece by ("ab", "c"), but in "abc" the earlier ("b", "c") comes first.
    merges = [(b"b", b"c"), (b"a", b"b"), (b"ab", b"c")]
    assert encode([b"abc", b"ab"], merges) == [[b"a", b"bc"], [b"ab"]]


def test_no_words_and_no_merges():
    assert encode([], [(b"a", b"b")]) == []
    assert encode([b"ab", b"\x00\xff"], []) == [[b"a", b"b"], [b"\x00", b"\xff"]]


@st.composite
def merge_lists(draw):
    """Merges of few bytes, each of pieces that are there by then; a piece may come of several merges."""
    pieces = [b"a", b"b", b"\xff"]
    merges: list[tuple[bytes, bytes]] = []
    for _ in range(draw(st.integers(0, 12))):
        merge = draw(st.tuples(st.sampled_from(pieces), st.sampled_from(pieces)))
        if merge not in merges:
            merges.append(merge)
            pieces.append(merge[0] + merge[1])
    return draw(st.permutations(merges)) if draw(st.booleans()) else merges


@settings(deadline=None, max_examples=100)
@given(merge_lists(), st.lists(st.text("ab\xff", min_size=1, max_size=40), max_size=8))
@example([(b"a", b"a"), (b"aa", b"aa"), (b"aaaa", b"b")], ["a" * n + "b" for n in range(20)])
@example([(b"a", b"b"), (b"ab", b"a"), (b"b", b"a"), (b"a", b"ba")], ["abab", "aba", "babab"])
def test_merging_is_that_of_a_loop(merges, words):
    encoded = [word.encode("latin-1") for word in words]
    ranks = {pair: rank for rank, pair in enumerate(merges)}
    assert encode(encoded, merges) == [merge_in_python(word, ranks) for word in encoded]

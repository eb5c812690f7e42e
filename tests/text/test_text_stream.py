"""Texts that come in pieces: what is certain after each of them."""

import pytest

from keras_rnn.text.text_stream import TextStream


def parts(pieces, *stops, **options):
    stream = TextStream(stops, **options)
    return [*(stream.add(piece) for piece in pieces), stream.end()]


def test_half_characters_wait_for_their_rest():
    assert parts([b"a", b"\xe2", b"\x98", b"\x83b", b"\xc3"]) == ["a", "", "", "☃b", "", "\ufffd"]


def test_bytes_of_no_character_are_replaced_as_by_python():
    text = b"a\xff\xe2\x98b\xc3\xc3\xa9\xed\xa0\x80"
    expected = text.decode(errors="replace")
    assert "".join(parts([text[i : i + 1] for i in range(len(text))])) == expected
    assert "".join(parts([text])) == expected


def test_what_may_begin_a_stop_string_is_held_back():
    assert parts([b"a\n", b"b\n", b"\nc", b"d"], "\n\n") == ["a", "\nb", "", "", ""]
    assert parts([b"x", b"xy", b"z"], "xxyy") == ["", "", "xxyz", ""]
    assert parts([b"ab", b"a"], "abc", "bac") == ["", "a", "ba"]


def test_the_first_of_several_stop_strings_ends_the_text():
    assert parts([b"one two three"], "three", "two") == ["one ", ""]
    stream = TextStream(["b"])
    assert (stream.add(b"a"), stream.is_stopped) == ("a", False)
    assert (stream.add(b"bc"), stream.is_stopped) == ("", True)
    assert stream.add(b"d") + stream.end() == ""


@pytest.mark.parametrize(("starts_line", "expected"), [(True, "the cat\na dog"), (False, " the cat\na dog")])
def test_words_lose_their_space_at_the_start_of_a_line(starts_line, expected):
    pieces = [b" the", b" cat", b"\n", b" a", b" dog"]
    assert "".join(parts(pieces, starts_line=starts_line, drops_spaces=True)) == expected


def test_other_pieces_keep_their_spaces():
    assert "".join(parts([b" a", b"\n", b" b"], starts_line=True)) == " a\n b"


def test_length_counts_whole_characters_that_are_held_back_too():
    stream = TextStream(["bc"])
    lengths = []
    for piece in (b"a", b"b", b"\xc3", b"\xa9"):
        stream.add(piece)
        lengths.append(stream.length)
    assert lengths == [1, 2, 2, 3]

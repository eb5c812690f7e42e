import gzip
import re

import pytest

from keras_rnn.datasets.plain_text import BLOCK_BYTES, divide_in_order, keep_documents, read_plain_text
from keras_rnn.errors import UsageError

LINE = "nine chars\n"  # 11 with its end


def test_a_text_is_read_as_it_is(tmp_path):
    text = "  Äpfel 🍏\n\n\tund Birnen \n"
    (tmp_path / "a.txt").write_text(text, encoding="utf-8")
    (tmp_path / "a.txt.GZ").write_bytes(gzip.compress(text.encode()))
    assert read_plain_text(tmp_path / "a.txt") == read_plain_text(tmp_path / "a.txt.GZ") == text


def test_a_byte_order_mark_and_carriage_returns_before_line_ends_go(tmp_path):
    (tmp_path / "a.txt").write_bytes(b"\xef\xbb\xbfone\r\ntwo\rthree\r\n\r\n")
    assert read_plain_text(tmp_path / "a.txt") == "one\ntwo\rthree\n\n"


def test_blocks_part_no_character_and_no_line_end(tmp_path):
    text = ("é🍏 " * 11 + "\r\n") * (BLOCK_BYTES // 24) + "é" * BLOCK_BYTES
    (tmp_path / "a.txt").write_bytes(b"\xef\xbb\xbf" + text.encode())
    assert read_plain_text(tmp_path / "a.txt") == text.replace("\r\n", "\n")


@pytest.mark.parametrize(
    ("data", "fault"),
    [
        (b"one\ntwo\xff", "a.txt, line 2: not UTF-8 (byte 0xff) at byte offset 7; the file takes UTF-8 text"),
        (
            b"\xef\xbb\xbfa\r\n\xe4\n",
            "a.txt, line 2: not UTF-8 (byte 0xe4) at byte offset 6; the file takes UTF-8 text",
        ),
        (b"cut \xf0\x9f\x8d", "a.txt, line 1: not UTF-8 (byte 0xf0) at byte offset 4; the file takes UTF-8 text"),
        (b"half a pair \xed\xa0\x80", "a.txt, line 1: not UTF-8 (byte 0xed) at byte offset 12"),
        (b"\n\n\x89PNG\0", "a.txt, line 3: holds a NUL byte at byte offset 6; the file takes text"),
        ("\ufeffhello".encode("utf-16-le"), "a.txt, line 1: holds a NUL byte at byte offset 3; the file takes text"),
        (
            b"0123456\n" * BLOCK_BYTES + b"ab\xc3",
            f"line {BLOCK_BYTES + 1}: not UTF-8 (byte 0xc3) at byte offset 8388610",
        ),
    ],
)
def test_bytes_that_are_no_text(tmp_path, data, fault):
    (tmp_path / "a.txt").write_bytes(data)
    with pytest.raises(UsageError, match=re.escape(fault)):
        read_plain_text(tmp_path / "a.txt")


@pytest.mark.parametrize(
    "spoil", [lambda data: data[:-9], lambda data: b"plain text", lambda data: data[:20] + b"xxxx"]
)
def test_damaged_gzip_files(tmp_path, spoil):
    (tmp_path / "a.txt.gz").write_bytes(spoil(gzip.compress(b"some text, " * 99)))
    with pytest.raises(UsageError, match=r"a\.txt\.gz: the gzip file is damaged or cut short \("):
        read_plain_text(tmp_path / "a.txt.gz")


def test_files_that_cannot_be_read(tmp_path):
    with pytest.raises(UsageError, match=r"no\.txt: cannot be read \(No such file or directory\)"):
        read_plain_text(tmp_path / "no.txt")


def test_documents_without_text_are_left_out_and_counted():
    texts, empty = keep_documents(["a", "", " \n\t", " b\r\n", "\u00a0"])
    assert (list(texts), empty) == (["a", " b\n"], 3)


def test_lines_stay_whole_where_the_text_has_them():
    text = LINE * 100
    assert divide_in_order("x", text, [0.05, 0.05]) == [LINE * 90, LINE * 5, LINE * 5]
    # 990 and 1045 characters: cuts go to the nearest line end, before or behind.
    assert divide_in_order("x", text, [0.046, 0.05]) == [LINE * 90, LINE * 5, LINE * 5]
    assert divide_in_order("x", text, [0.054, 0.05]) == [LINE * 90, LINE * 5, LINE * 5]
    assert divide_in_order("x", text, [0.1]) == [LINE * 90, LINE * 10]


def test_a_text_without_lines_is_cut_at_characters():
    digits = "0123456789" * 10
    assert divide_in_order("x", digits, [0.05, 0.05]) == [digits[:90], "01234", "56789"]
    assert divide_in_order("x", f"{digits}\n", [0.05, 0.05]) == [f"{digits[:90]}0", "12345", "6789\n"]
    assert divide_in_order("x", f"0\n{digits[2:]}", [0.9]) == ["0\n23456789", digits[10:]]


@pytest.mark.parametrize("share", [0.01, 0.1, 0.5, 0.9, 0.99])
@pytest.mark.parametrize("width", [2, 3, 7, 50, 10_000])
def test_parts_are_the_text_and_near_their_shares(share, width):
    text = "".join("\n" if index % width == width - 1 else "abcdefg"[index % 7] for index in range(2000))
    parts = divide_in_order("x", text, [share / 2, share / 2])
    assert "".join(parts) == text
    sizes = [2000 - 2 * round(1000 * share), round(1000 * share), round(1000 * share)]
    for part, size in zip(parts, sizes, strict=True):
        assert abs(len(part) - size) <= 2 * min(sizes) // 3
    if width <= min(sizes) // 3:
        assert all(part.endswith("\n") for part in parts[:-1])


@pytest.mark.parametrize("text", ["", "a", "ab", "abcdefgh " + " " * 90])
def test_a_text_that_is_too_short_or_blank_at_its_end(text):
    with pytest.raises(UsageError, match=f"x.txt: its text of {len(text)} characters cannot be divided"):
        divide_in_order("x.txt", text, [0.05, 0.05])
    assert divide_in_order("x.txt", "abc", [0.05, 0.05]) == ["a", "b", "c"]

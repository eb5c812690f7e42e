"""Texts as a shell hands them over: bytes that ought to be UTF-8."""

import sys
from collections.abc import Iterator


def decoded(text: bytes) -> str:
    """The text of `text`; bytes that are not UTF-8 become U+FFFD."""
    return text.decode("utf-8", errors="replace")


def standard_input() -> Iterator[str]:
    """The lines of standard input without their ends."""
    for line in sys.stdin.buffer:
        yield decoded(line).rstrip("\r\n")

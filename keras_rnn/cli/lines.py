"""Standard input, a line a text."""

import sys
from collections.abc import Iterator


def standard_input() -> Iterator[str]:
    """The lines of standard input without their ends; bytes that are not UTF-8 become U+FFFD, one by one."""
    for line in sys.stdin.buffer:
        yield line.decode("utf-8", errors="replace").rstrip("\r\n")

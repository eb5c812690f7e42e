"""Plain text: a file's, documents without the empty ones, and one long text divided in order."""

import gzip
import zlib
from collections.abc import Iterable, Iterator, Sequence
from itertools import pairwise
from pathlib import Path
from typing import NamedTuple

from keras_rnn.datasets.readers import at_line
from keras_rnn.datasets.stored_texts import TextFile
from keras_rnn.errors import UsageError

BYTE_ORDER_MARK = b"\xef\xbb\xbf"
BLOCK_BYTES = 2**20


class Documents(NamedTuple):
    """Documents that hold text, and the number of those that were left out for they hold none."""

    texts: Sequence[str]
    empty: int = 0


def keep_documents(texts: Iterable[str]) -> Documents:
    """The texts that hold more than blanks, in a temporary file; CRLF becomes LF."""
    file, empty = TextFile(), 0
    for text in texts:
        if is_blank(text):
            empty += 1
        else:
            file.append(unix_lines(text))
    return Documents(file.texts(), empty)


def is_blank(text: str) -> bool:
    """Whether a text is empty, or blanks alone."""
    return not text or text.isspace()


def unix_lines(text: str) -> str:
    """The text with LF for CRLF."""
    return text.replace("\r\n", "\n") if "\r\n" in text else text


def read_plain_text(path: Path) -> str:
    """The text of a UTF-8 file, gunzipped where its name ends in .gz, without a byte order mark and with LF for CRLF.

    While it is read, it takes about twice the memory of the text.

    Raises:
        UsageError: the file cannot be read, is not UTF-8 or holds a NUL byte, whose line (from 1) and byte offset (from
            0, gunzipped) are said, or is a gzip file that is damaged or cut short.
    """
    parts: list[str] = []
    line, offset = 1, 0
    for block in _blocks(path):
        data = block.removeprefix(BYTE_ORDER_MARK) if not offset else block
        offset += len(block) - len(data)
        parts.append(unix_lines(_decode(path, data, line, offset)))
        line += data.count(b"\n")
        offset += len(data)
    return "".join(parts)


def _blocks(path: Path) -> Iterator[bytes]:
    """The bytes of a file in blocks of whole lines, gunzipped where its name ends in .gz."""
    try:
        with gzip.open(path) if path.name.lower().endswith(".gz") else open(path, "rb") as file:
            while block := file.read(BLOCK_BYTES):
                yield block + file.readline()
    except (EOFError, zlib.error, gzip.BadGzipFile) as error:
        raise UsageError(f"{path}: the gzip file is damaged or cut short ({error})") from None
    except OSError as error:
        raise UsageError(f"{path}: cannot be read ({error.strerror or error})") from None


def _decode(path: Path, data: bytes, line: int, offset: int) -> str:
    """The text of a file's bytes, which start at this line and byte offset."""
    start = data.find(b"\0")
    if start >= 0:
        fault, takes = "holds a NUL byte", "text"
    else:
        try:
            return data.decode("utf-8")
        except UnicodeDecodeError as error:
            start = error.start
            fault, takes = f"not UTF-8 (byte 0x{data[start]:02x})", "UTF-8 text"
    line += data.count(b"\n", 0, start)
    raise at_line(path, line, f"{fault} at byte offset {offset + start}; the file takes {takes}")


def divide_in_order(name: str, text: str, shares: Sequence[float]) -> list[str]:
    """Cuts the end of a text into parts: `[rest, part of the first share, part of the second, ...]`.

    A cut is moved to the nearest end of a line, unless this is further away than a third of the smallest part; it is
    made between any two characters otherwise.

    Parameters:
        name: the text's, for errors.
        text: what is cut, from its start to its end.
        shares: of the characters of the text, between 0 and 1; their sum is less than 1.

    Raises:
        UsageError: a part holds no text.
    """
    sizes = [max(round(share * len(text)), 1) for share in shares]
    reach = min(len(text) - sum(sizes), *sizes) // 3
    cuts, position = [0], len(text) - sum(sizes)
    for size in sizes:
        cuts.append(_line_end_near(text, position, reach))
        position += size
    cuts.append(len(text))
    parts = [text[start:end] for start, end in pairwise(cuts)]
    if any(is_blank(part) for part in parts):
        raise UsageError(f"{name}: its text of {len(text)} characters cannot be divided: a part would hold no text")
    return parts


def _line_end_near(text: str, position: int, reach: int) -> int:
    """The place behind the line end that is nearest to a position, and no further than `reach`; else the position."""
    before = text.rfind("\n", max(position - reach - 1, 0), max(position, 0)) + 1
    after = text.find("\n", max(position, 0), max(position + reach, 0)) + 1
    found = [place for place in (before, after) if place]
    return min(found, key=lambda place: abs(place - position), default=max(position, 0))

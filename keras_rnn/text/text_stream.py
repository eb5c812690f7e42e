"""A text that comes in pieces: whole characters, without what follows a stop string."""

import codecs
from collections.abc import Sequence


class TextStream:
    """Takes pieces, bytes that may end within a character, and gives out text as soon as it is certain.

    What may be the beginning of a stop string is held back until it is clear. The text ends before the first stop
    string; `is_stopped` is then True. `length` counts the whole characters that have come so far.

    Args:
        stops: strings that end the text, none of them empty.
        starts_line: whether the text before the first piece ends a line or is empty.
        drops_spaces: pieces are words with a space before each, which a line's first word does not have.
    """

    def __init__(self, stops: Sequence[str] = (), *, starts_line: bool = False, drops_spaces: bool = False):
        self.stops, self.starts_line, self.drops_spaces = tuple(stops), starts_line, drops_spaces
        self.is_stopped, self.length = False, 0
        self._decoder = codecs.getincrementaldecoder("utf-8")(errors="replace")
        self._held = ""

    def add(self, piece: bytes) -> str:
        """The text that is certain after one more piece."""
        if self.drops_spaces:
            piece = piece.removeprefix(b" ") if self.starts_line else piece
            self.starts_line = piece.endswith(b"\n")
        return self._certain(self._decoder.decode(piece))

    def end(self) -> str:
        """The rest: half a character becomes U+FFFD, and what was held back is no stop string."""
        text = self._certain(self._decoder.decode(b"", final=True))
        held, self._held = self._held, ""
        return text + held

    def _certain(self, text: str) -> str:
        if self.is_stopped:
            return ""
        self.length += len(text)
        text = self._held + text
        places = [place for stop in self.stops if (place := text.find(stop)) >= 0]
        if places:
            self.is_stopped, self._held = True, ""
            return text[: min(places)]
        keep = max((_overlap(text, stop) for stop in self.stops), default=0)
        self._held = text[len(text) - keep :]
        return text[: len(text) - keep]


def _overlap(text: str, stop: str) -> int:
    """The length of the longest end of a text that a stop string begins with."""
    longest = min(len(text), len(stop) - 1)
    return next((size for size in range(longest, 0, -1) if text.endswith(stop[:size])), 0)

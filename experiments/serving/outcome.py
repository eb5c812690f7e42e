"""What came of one malformed request."""

from dataclasses import dataclass


@dataclass(frozen=True)
class Outcome:
    """bad: the server should not have done this. sent, answer: as Python literals, to do it again."""

    status: str
    bad: bool
    sent: str
    answer: str

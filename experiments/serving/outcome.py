"""The outcome of one malformed request."""

from dataclasses import dataclass


@dataclass(frozen=True)
class Outcome:
    """`bad` says that the server must not do this. `sent` and `answer` are Python literals, to repeat the request."""

    status: str
    bad: bool
    sent: str
    answer: str

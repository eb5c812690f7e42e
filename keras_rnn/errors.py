"""The errors that are the user's to mend, worded so that one line is enough."""

import difflib
from collections.abc import Iterable


class UsageError(ValueError):
    """Something the user gave cannot be used: an argument, a file, a directory.

    The message is one line that names the thing, what it got and what it takes. The command line prints it
    and exits with status 2.
    """


def unknown_name(kind: str, name: object, choices: Iterable[str]) -> UsageError:
    """The error for a `name` that is none of `choices`, with its near misses (or all choices) listed."""
    sorted_choices = sorted(choices)
    near_misses = difflib.get_close_matches(str(name), sorted_choices, n=3, cutoff=0.5)
    if near_misses:
        return UsageError(f"unknown {kind} {name!r}; did you mean {' or '.join(map(repr, near_misses))}?")
    return UsageError(f"unknown {kind} {name!r}; it takes one of: {', '.join(sorted_choices)}")

"""Entries by name: what all registries share."""

from collections.abc import Callable
from fnmatch import fnmatchcase
from typing import Generic, TypeVar

from keras_rnn.errors import UsageError, unknown_name

Entry = TypeVar("Entry")
Function = TypeVar("Function", bound=Callable)


class Registry(Generic[Entry]):
    """Entries of one kind by name. `kind` is the word for them in errors, such as "cell"."""

    def __init__(self, kind: str):
        self.kind = kind
        self._entries: dict[str, Entry] = {}

    def add(self, name: str, entry: Entry) -> None:
        """Registers `entry`; UsageError where the name is taken."""
        if name in self._entries:
            raise UsageError(f"the {self.kind} {name!r} is registered already")
        self._entries[name] = entry

    def register(self, name: str, make_entry: Callable[[Function], Entry]) -> Callable[[Function], Function]:
        """A decorator that registers `make_entry(function)`; UsageError where the name is taken."""

        def register(function: Function) -> Function:
            self.add(name, make_entry(function))
            return function

        return register

    def names(self, pattern: str = "*") -> list[str]:
        """The names that match a shell pattern such as "*lstm*", sorted."""
        return sorted(name for name in self._entries if fnmatchcase(name, pattern))

    def get(self, name: str) -> Entry:
        """The entry of this name; UsageError with near misses where there is none."""
        if name not in self._entries:
            raise unknown_name(self.kind, name, self._entries)
        return self._entries[name]

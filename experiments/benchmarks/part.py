"""What a part of the benchmarks is given, and what it gives back."""

from dataclasses import dataclass
from pathlib import Path


@dataclass(frozen=True)
class Options:
    """How a part is run.

    Attributes:
        quick: tiny sizes that show that all works.
        rounds: of each row.
        data: the folder of the data sets, if there.
        before: a folder with an earlier checkout of this project, or None.
    """

    quick: bool
    rounds: int
    data: Path
    seed: int
    before: Path | None = None


@dataclass(frozen=True)
class Bar:
    """What was to be reached, the figure that was, and whether it is enough."""

    what: str
    figure: float
    met: bool


class Skipped(Exception):
    """A part cannot run here: its data, or all its peers, are missing. The message says what."""

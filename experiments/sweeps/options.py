"""What run.py was asked for, as its parts get it."""

from dataclasses import dataclass
from pathlib import Path

ALGORITHMS = ["random", "grid", "hyperband", "bayesian"]


@dataclass(frozen=True)
class Options:
    """quick: seconds a part, to show that it works. data: AG News' folder. workers: None for the part's own number."""

    quick: bool
    seed: int
    data: Path | None
    rounds: int
    workers: int | None
    algorithms: list[str]

"""Times of several peers taken in turns, and the ratios between them.

Whatever slows a machine down for a while slows all down alike if they take turns. A ratio is therefore taken within
a round, and of several rounds it is the median that counts.
"""

import math
import statistics
import time
from collections.abc import Callable, Mapping, Sequence

from peer import Peer

# How long a turn takes: so many seconds, and so many calls. In quick turns nothing is measured.
TURN = {"seconds": 0.3, "calls": 3}
QUICK_TURN = {"seconds": 0.0, "calls": 1}


def seconds_per_call(call: Callable[[], object], seconds: float, calls: int) -> float:
    """The median time of a call, of as many as fill `seconds` and at least `calls`, after one that does not count."""
    call()
    times = []
    end = time.perf_counter() + seconds
    while len(times) < calls or time.perf_counter() < end:
        start_time = time.perf_counter()
        call()
        times.append(time.perf_counter() - start_time)
    return statistics.median(times)


def turn_of(peer: Peer, quick: bool, **arguments) -> Callable[[], float]:
    """A turn of a peer whose handler "turn" gives the seconds of a call."""
    return lambda: peer.ask("turn", **arguments, **(QUICK_TURN if quick else TURN))["seconds"]


def take_turns(contenders: Mapping[str, Callable[[], float]], rounds: int) -> dict[str, list[float]]:
    """What each contender, a function that takes one turn, gives in each round. Each round begins with another one."""
    names = list(contenders)
    times = {name: [] for name in names}
    for turn in range(rounds):
        first_index = turn % len(names)
        for name in [*names[first_index:], *names[:first_index]]:
            times[name].append(contenders[name]())
    return times


def ratio(theirs: Sequence[float], ours: Sequence[float]) -> float:
    """How many times as quick as they we are: the median over the rounds."""
    return statistics.median(their / our for their, our in zip(theirs, ours, strict=True))


def geometric_mean(ratios: Sequence[float]) -> float:
    return math.exp(statistics.fmean(map(math.log, ratios)))

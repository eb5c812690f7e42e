"""What checking the arrays that machine code is given costs, as a share of a classifier's train step.

The steps are those of the part `step`. What is told is the time of a core that the checks take, without what other
threads do meanwhile.
"""

import statistics
from dataclasses import asdict

from part import Bar, Options
from peer import Peer
from step import BATCHES, QUICK_BATCHES, QUICK_SIZES, SIZES
from step_case import StepCase

MAX_SHARE = 0.01


def run(options: Options) -> tuple[list[dict], list[Bar]]:
    sizes, batches = (QUICK_SIZES, QUICK_BATCHES) if options.quick else (SIZES, BATCHES)
    rows = []
    with Peer("step_tensorflow.py", "ours") as peer:
        for batch in batches:
            peer.ask("build", name="step", case=asdict(StepCase(batch, seed=options.seed, **sizes)))
            rounds = [peer.ask("checks", name="step", calls=2 if options.quick else 50) for _ in range(options.rounds)]
            step, checks = (statistics.median(turn[name] for turn in rounds) for name in ("step", "checks"))
            rows.append({"batch": batch, "step, ms": 1e3 * step, "checks, ms": 1e3 * checks, "share": checks / step})
    worst = max(row["share"] for row in rows)
    return rows, [Bar(f"checks at most {MAX_SHARE:.0%} of a step of any batch", worst, worst <= MAX_SHARE)]

"""What checking the arrays that machine code is given costs, as a share of a classifier's train step.

The step is that of the part `step`, at its smallest batch, where the share is largest.
"""

import statistics
from dataclasses import asdict

from part import Bar, Options
from peer import Peer
from step import BATCHES, QUICK_BATCHES, QUICK_SIZES, SIZES
from step_case import StepCase

MOST = 0.01


def run(options: Options) -> tuple[list[dict], list[Bar]]:
    sizes, batches = (QUICK_SIZES, QUICK_BATCHES) if options.quick else (SIZES, BATCHES)
    case = StepCase(batches[0], seed=options.seed, **sizes)
    with Peer("step_tensorflow.py", "ours") as peer:
        peer.ask("build", name="step", case=asdict(case))
        rounds = [peer.ask("checks", name="step", calls=2 if options.quick else 50) for _ in range(options.rounds)]
    step, checks = (statistics.median(turn[name] for turn in rounds) for name in ("step", "checks"))
    row = {"batch": case.batch, "step, ms": 1e3 * step, "checks, ms": 1e3 * checks, "share": checks / step}
    return [row], [Bar(f"checks at most {MOST:.0%} of a step", row["share"], row["share"] <= MOST)]

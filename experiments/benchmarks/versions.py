"""The layers and the train step of this code beside those of an earlier checkout, `--before`, in one run.

    git worktree add ../before COMMIT
    python experiments/benchmarks/run.py versions --before ../before

A change of the code is not to cost time: of each of the three, layers forwards, layers in a train step, and a
classifier's train step, the geometric mean is held against a bar.
"""

import statistics
import tempfile
from contextlib import ExitStack
from dataclasses import asdict
from pathlib import Path

from layers import FORWARD, TRAIN_STEP, cases, check_alike
from part import Bar, Options, Skipped
from peer import Peer
from rich.progress import track
from step import BATCHES, QUICK_BATCHES, QUICK_SIZES, SIZES
from step_case import StepCase
from turns import geometric_mean, ratio, take_turns, turn_of

LEAST = 0.97
AGAINST = "ours against before"
STEP = "classifier's train step"


def run(options: Options) -> tuple[list[dict], list[Bar]]:
    if options.before is None:
        raise Skipped("no --before CHECKOUT")
    with ExitStack() as stack:
        checkouts = {"ours": None, "before": options.before}

        def peers(script: str) -> dict[str, Peer]:
            return {
                name: stack.enter_context(Peer(script, "ours", checkout=checkout))
                for name, checkout in checkouts.items()
            }

        rows = [*layer_rows(peers("layers_tensorflow.py"), options), *step_rows(peers("step_tensorflow.py"), options)]
    found = []
    for what in (FORWARD, TRAIN_STEP, STEP):
        mean = geometric_mean([row[AGAINST] for row in rows if row["what"] == what])
        found.append(Bar(f"{what} at least {LEAST} x the earlier code, geometric mean", mean, mean >= LEAST))
    return rows, found


def layer_rows(peers: dict[str, Peer], options: Options) -> list[dict]:
    rows = []
    with tempfile.TemporaryDirectory() as folder:
        for case in track(list(cases(options)), "layers", transient=True):
            check_alike(peers, case, Path(folder))
            for what in (FORWARD, TRAIN_STEP):
                layer = f"Bi{case.cell}" if case.bidirectional else case.cell
                sizes = {"batch": case.batch, "time": case.time, "in": case.features, "hidden": case.units}
                rows.append({"what": what, "layer": layer, **sizes, **row(peers, options, what=what)})
    return rows


def step_rows(peers: dict[str, Peer], options: Options) -> list[dict]:
    sizes, batches = (QUICK_SIZES, QUICK_BATCHES) if options.quick else (SIZES, BATCHES)
    rows = []
    for batch in batches:
        for peer in peers.values():
            peer.ask("build", name=STEP, case=asdict(StepCase(batch, seed=options.seed, **sizes)))
        rows.append({"what": STEP, "batch": batch, **row(peers, options, name=STEP)})
    return rows


def row(peers: dict[str, Peer], options: Options, **arguments) -> dict:
    turns = {name: turn_of(peer, options.quick, **arguments) for name, peer in peers.items()}
    times = take_turns(turns, options.rounds)
    medians = {f"{name}, ms": 1e3 * statistics.median(seconds) for name, seconds in times.items()}
    return {**medians, AGAINST: ratio(times["before"], times["ours"])}

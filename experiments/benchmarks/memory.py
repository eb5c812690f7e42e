"""The memory of a process that uses our layers for long, beside that of one with Keras' own.

Steps of batches of changing sizes, layers of many sizes, and what many calls return and the caller keeps: their
outputs, last states or one small gradient. A case runs in a process of its own, and what counts is all that the process
has resident at the end.
"""

import statistics

from part import Bar, Options
from peer import Peer
from rich.progress import track

CASES = ["shapes", "sizes", "outputs", "states", "gradients"]
CALLS, QUICK_CALLS = 3000, 3
MAX_RATIO = 1.2


def run(options: Options) -> tuple[list[dict], list[Bar]]:
    calls = QUICK_CALLS if options.quick else CALLS
    rows = []
    for case in track(CASES[:1] if options.quick else CASES, "memory", transient=True):
        mebibytes = {"ours": [], "keras": []}
        for _ in range(options.rounds):
            for layers, values in mebibytes.items():
                with Peer("memory_case.py", layers) as peer:
                    values.append(peer.ask("run", case=case, calls=calls, seed=options.seed)["bytes"] / 2**20)
        medians = {f"{layers}, MiB": statistics.median(values) for layers, values in mebibytes.items()}
        rows.append({"case": case, **medians, "ours to keras": medians["ours, MiB"] / medians["keras, MiB"]})
    worst = max(row["ours to keras"] for row in rows)
    return rows, [Bar(f"at most {MAX_RATIO} x the memory of plain Keras", worst, worst <= MAX_RATIO)]

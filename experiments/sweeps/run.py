"""What sweeps cost beside plain keras-tuner, what they cost beyond the training, and what survives `kill -9`.

    python experiments/sweeps/run.py --data ../shared/data/ag_news [--quick] [--seed 0] [PART ...]

Each part writes results/PART.csv, its rows, and results/PART.json: the command, the machine, the versions, and whether
each bar was met. `--quick` shows in a few minutes a part that all works; its times mean nothing, and it writes nothing.
"""

import argparse
import csv
import importlib
import json
import signal
import sys
import time
from pathlib import Path

HERE = Path(__file__).parent
sys.path.insert(0, str(HERE.parent))

from measure import environment  # noqa: E402
from options import ALGORITHMS, Options  # noqa: E402

PARTS = ["against_keras_tuner", "overhead", "memory", "kills"]
FURTHER_PARTS = ["kills_ray"]  # only where named
NEED_DATA = {"against_keras_tuner", "overhead"}
PACKAGES = ["tensorflow", "keras", "keras-tuner", "numpy"]


def write(name: str, seconds: float, bars: dict[str, bool], rows: list[dict]) -> None:
    folder = HERE / "results"
    folder.mkdir(exist_ok=True)
    facts = environment([*PACKAGES, "ray"] if name == "kills_ray" else PACKAGES)
    command = " ".join(["python", "experiments/sweeps/run.py", *sys.argv[1:]])
    result = {"command": command, "seconds": round(seconds), **facts, "bars": bars}
    (folder / f"{name}.json").write_text(json.dumps(result, indent=2) + "\n")
    with open(folder / f"{name}.csv", "w", newline="") as file:
        table = csv.DictWriter(file, list(dict.fromkeys(column for row in rows for column in row)), lineterminator="\n")
        table.writeheader()
        table.writerows(rows)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("parts", nargs="*", metavar="PART", help=f"of: {', '.join(PARTS)} (all without any); kills_ray")
    parser.add_argument("--data", type=Path, help=f"AG News; {' and '.join(sorted(NEED_DATA))} take it")
    parser.add_argument("--quick", action="store_true")
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--rounds", type=int, default=3, help="of against_keras_tuner")
    parser.add_argument("--algorithm", action="append", choices=ALGORITHMS, help="of kills; by default all")
    parser.add_argument("--workers", type=int, help="of kills; by default each algorithm's own number")
    arguments = parser.parse_args()
    parts = arguments.parts or PARTS
    if unknown := set(parts) - {*PARTS, *FURTHER_PARTS}:
        parser.error(f"no part {', '.join(sorted(unknown))}; PART takes {', '.join([*PARTS, *FURTHER_PARTS])}")
    if arguments.data is None and NEED_DATA & set(parts):
        parser.error(f"{' and '.join(sorted(NEED_DATA & set(parts)))} take --data")
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(143))  # an exception, so that the sweeps are ended
    options = Options(
        quick=arguments.quick,
        seed=arguments.seed,
        data=arguments.data,
        rounds=arguments.rounds,
        workers=arguments.workers,
        algorithms=arguments.algorithm or ALGORITHMS,
    )
    missed_bars = []
    for name in parts:
        part = importlib.import_module(name)
        start_time = time.perf_counter()
        rows = []
        for row in part.measure(options):
            rows.append(row)
            print(json.dumps(row), flush=True)
        seconds = time.perf_counter() - start_time
        bars = part.verdicts(rows)
        print(f"{name}: {seconds:.0f} s")
        for bar, is_met in bars.items():
            print(f"  {'is_met' if is_met else 'MISSED'}: {bar}", flush=True)
        missed_bars += [name for is_met in bars.values() if not is_met]
        if not options.quick:
            write(name, seconds, bars, rows)
    sys.exit(1 if missed_bars else 0)


if __name__ == "__main__":
    main()

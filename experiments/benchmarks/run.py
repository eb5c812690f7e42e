"""How quick: our layers, training steps, whole runs and models in use beside plain Keras, PyTorch and ONNX Runtime.

    python experiments/benchmarks/run.py [PART ...] [--quick] [--rounds 3] [--data ../shared/data] [--seed 0]

Each part prints a table and writes it to results/PART.csv, and to results/PART.json the command, the machine, the
versions, and whether each bar was met. `--quick` shows that all works, in seconds a part: its times mean nothing, it
holds nothing against a bar, and it writes nothing. The part `versions` takes `--before`, an earlier checkout.
"""

import argparse
import csv
import importlib
import json
import os
import signal
import sys
import time
from dataclasses import asdict
from importlib.util import find_spec
from pathlib import Path

import psutil
from rich.console import Console
from rich.table import Table

HERE = Path(__file__).parent
sys.path.insert(0, str(HERE.parent))
os.environ["CUDA_VISIBLE_DEVICES"] = "-1"  # what is compared are CPUs, whoever would take a GPU

from measure import environment  # noqa: E402
from part import Bar, Options, Skipped  # noqa: E402

PARTS = ["layers", "step", "end_to_end", "inference", "growth", "bounds", "boundary", "memory", "versions"]
PACKAGES = ["tensorflow", "keras", "numpy"]
PEERS = ["torch", "onnxruntime"]


def columns_of(rows: list[dict]) -> list[str]:
    return list(dict.fromkeys(column for row in rows for column in row))


def show(name: str, rows: list[dict]) -> None:
    table = Table(title=name, title_justify="left")
    columns = columns_of(rows)
    for column in columns:
        numbers = all(isinstance(row.get(column, 0), (int, float)) for row in rows)
        table.add_column(column, justify="right" if numbers else "left")
    for row in rows:
        table.add_row(*(_shown(row.get(column)) for column in columns))
    # A file or a pipe takes lines of any length.
    Console(width=None if sys.stdout.isatty() else 1000).print(table)


def _shown(value) -> str:
    if isinstance(value, float):
        return f"{value:.3g}" if abs(value) < 1000 else f"{value:,.0f}"
    return "" if value is None else str(value)


def stolen_seconds() -> float:
    """Of all cores, when they were wanted here, and a virtual machine's host had others run; 0 where none tells."""
    return getattr(psutil.cpu_times(), "steal", 0.0)


def write(name: str, options: Options, seconds: float, stolen: float, rows: list[dict], bars: list[Bar]) -> None:
    folder = HERE / "results"
    folder.mkdir(exist_ok=True)
    command = (
        f"python experiments/benchmarks/run.py {name} --rounds {options.rounds} "
        f"--data {os.path.relpath(options.data)} --seed {options.seed}"
    )
    if options.before:
        command += " --before CHECKOUT"
    facts = environment([*PACKAGES, *filter(find_spec, PEERS)])
    result = {
        "command": command,
        "seconds": round(seconds),
        "stolen_share": round(stolen, 3),
        **facts,
        "bars": [asdict(bar) for bar in bars],
    }
    (folder / f"{name}.json").write_text(json.dumps(result, indent=2) + "\n")
    with open(folder / f"{name}.csv", "w", newline="") as file:
        table = csv.DictWriter(file, columns_of(rows), lineterminator="\n")
        table.writeheader()
        table.writerows(rows)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("parts", nargs="*", metavar="PART", help=f"of: {', '.join(PARTS)}; all without any")
    parser.add_argument("--quick", action="store_true", help="shows that all works, and measures nothing")
    parser.add_argument("--rounds", type=int, default=3, help="turns of each contender (%(default)s)")
    parser.add_argument("--data", type=Path, default=Path("../shared/data"), help="folder of data sets (%(default)s)")
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--before", type=Path, help="an earlier checkout of this project, for the part `versions`")
    arguments = parser.parse_args()
    if unknown := set(arguments.parts) - set(PARTS):
        parser.error(f"no part {', '.join(sorted(unknown))}; PART takes {', '.join(PARTS)}")
    if arguments.rounds < 1:
        parser.error(f"--rounds takes at least 1, got {arguments.rounds}")
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(143))  # an exception, so that the peers are ended
    rounds = 1 if arguments.quick else arguments.rounds
    options = Options(arguments.quick, rounds, arguments.data, arguments.seed, arguments.before)
    is_missed = False
    for name in arguments.parts or PARTS:
        start_time, stolen = time.perf_counter(), stolen_seconds()
        try:
            rows, bars = importlib.import_module(name).run(options)
        except Skipped as why:
            print(f"{name}: skipped: {why}", flush=True)
            continue
        seconds = time.perf_counter() - start_time
        share = (stolen_seconds() - stolen) / (seconds * os.cpu_count())
        show(name, rows)
        print(f"{name}: {len(rows)} rows, {seconds:.0f} s", flush=True)
        if options.quick:
            continue
        for bar in bars:
            print(f"  {'met' if bar.met else 'MISSED'}: {bar.what}: {bar.figure:.3g}", flush=True)
            is_missed |= not bar.met
        print(f"  the host kept {share:.0%} of the cores' time for others", flush=True)
        write(name, options, seconds, share, rows, bars)
    sys.exit(1 if is_missed else 0)


if __name__ == "__main__":
    main()

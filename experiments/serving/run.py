"""Measures the server under load, version switches, malformed requests, kills, overload and attacks.

    python experiments/serving/run.py [--quick] [--seed 0] [PART ...]

Each part starts fresh servers on free ports and writes results/PART.json: the machine, the rows, and whether each bar
was met. With `--quick` a part takes seconds and writes nothing.
"""

import argparse
import importlib
import json
import signal
import sys
import time
from pathlib import Path

from keras_rnn.cli.quiet import import_tensorflow

HERE = Path(__file__).parent
sys.path.insert(0, str(HERE.parent))

from measure import environment  # noqa: E402

PARTS = ["client", "load", "batching", "single", "switches", "malformed", "kill", "overload", "flood", "smuggling"]
PACKAGES = ["tensorflow", "keras", "grpcio", "starlette", "uvicorn", "httptools", "uvloop", "hypothesis"]


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("parts", nargs="*", metavar="PART", help=f"of: {', '.join(PARTS)}; all without any")
    parser.add_argument("--quick", action="store_true")
    parser.add_argument("--seed", type=int, default=0)
    arguments = parser.parse_args()
    if unknown := set(arguments.parts) - set(PARTS):
        parser.error(f"no part {', '.join(sorted(unknown))}; PART takes {', '.join(PARTS)}")
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(143))  # an exception ends the servers
    import_tensorflow()
    missed_bars = []
    for name in arguments.parts or PARTS:
        part = importlib.import_module(name)
        start_time = time.perf_counter()
        rows = []
        for row in part.measure(arguments.quick, arguments.seed):
            rows.append(row)
            print(json.dumps(row), flush=True)
        seconds = round(time.perf_counter() - start_time)
        verdicts = part.verdicts(rows)
        print(f"{name}: {seconds} s")
        for bar, is_met in verdicts.items():
            print(f"  {'is_met' if is_met else 'MISSED'}: {bar}", flush=True)
        missed_bars += [name for is_met in verdicts.values() if not is_met]
        if not arguments.quick:
            command = f"python experiments/serving/run.py --seed {arguments.seed} {name}"
            result = {"command": command, "seconds": seconds, **environment(PACKAGES), "bars": verdicts, "rows": rows}
            (HERE / "results").mkdir(exist_ok=True)
            (HERE / "results" / f"{name}.json").write_text(json.dumps(result, indent=2) + "\n")
    sys.exit(1 if missed_bars else 0)


if __name__ == "__main__":
    main()

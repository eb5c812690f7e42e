"""Keras' recurrent layers and ours on one case: both get the same weights and inputs, and the numbers are compared.

A `Case` is data: its repr is all that is needed to run it again. Cases run in a worker process, so that one that
crashes is a failure like any other.

    python -m tests.layers.parity --examples 20000 --seed 0
    python -m tests.layers.parity --case "Case(kind='GRU', mask='holes')"
"""

import argparse
import collections
import sys
import time

from tests.layers.parity.cases import Case
from tests.layers.parity.comparison import FAILURES, Verdict
from tests.layers.parity.search import cause, failing_examples, shrink
from tests.layers.parity.workers import Workers, work


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--examples", type=int, default=300)
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--stop-after", type=int, help="end after so many failures")
    parser.add_argument("--plain", default="", help="fields that keep their defaults: mask,dtype=bool,dtype=int32")
    parser.add_argument("--shrink", action="store_true", help="group failures by cause, and simplify a case of each")
    parser.add_argument("--case", help="run this case alone")
    parser.add_argument("--verbose", action="store_true", help="name every case")
    parser.add_argument("--worker", action="store_true", help=argparse.SUPPRESS)
    parser.add_argument("--logical-cpus", type=int, default=1, help=argparse.SUPPRESS)
    options = parser.parse_args()
    if options.worker:
        work(options.logical_cpus)
        return
    if options.case:
        with Workers() as workers:
            result = workers.verdict(eval(options.case, {"Case": Case}))
        print(f"{result.status}: {result.details}")
        sys.exit(result.status in FAILURES)
    counts, started = collections.Counter(), time.perf_counter()

    def report(number, case, result):
        counts[result.status] += 1
        if options.verbose or result.status not in ("same", "both raise"):
            print(f"{result.status}\t{case!r}\t{result.details}", flush=True)
        if (number + 1) % 500 == 0:
            print(f"{number + 1} examples, {time.perf_counter() - started:.0f} s", file=sys.stderr)

    failures = failing_examples(
        options.examples,
        options.seed,
        report=report,
        stop_after=options.stop_after,
        plain=[entry for entry in options.plain.split(",") if entry],
    )
    seconds = time.perf_counter() - started
    print(f"{sum(counts.values())} examples in {seconds:.0f} s: {dict(counts)}")
    if options.shrink:
        print_causes(failures)
    sys.exit(bool(failures))


def print_causes(failures: list[tuple[Case, Verdict]]) -> None:
    """A line for each cause: how many cases it has, and the simplest."""
    groups = collections.defaultdict(list)
    for case, result in failures:
        groups[cause(result)].append((case, result))
    simplest = collections.defaultdict(list)
    with Workers() as workers:
        for group in groups.values():
            case, result = shrink(*min(group, key=lambda one: len(repr(one[0]))), workers)
            simplest[case].append((len(group), result))
    for case, same in sorted(simplest.items(), key=lambda item: -sum(count for count, _ in item[1])):
        print(f"{sum(count for count, _ in same)}\t{same[0][1].status}\t{case!r}\t{same[0][1].details}")


if __name__ == "__main__":
    main()

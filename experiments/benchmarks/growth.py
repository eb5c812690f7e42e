"""How time and memory grow with the length of texts, the hidden size, the vocabulary and the rows of a data set.

The first three are train steps of the classifier of `step`, on texts without padding, each size in a process of its
own, whose peak memory is its own, too; all sizes of a kind take turns. Lengths grow at as many texts a batch, and again
at as many tokens a batch.

Rows are synthetic texts in a CSV file of up to a million. One process reads them, tokenises them and writes the cache
of token ids, as `keras-rnn train` does before it trains; another one trains from the cache for some steps, not for an
epoch. Memory is what is resident, mapped files included.

The bars: time grows no faster than tokens (the slope of the logarithms is at most 1.1; fixed costs make it less than
1), and from the least to the most rows memory grows by no more than the cache.
"""

import json
import statistics
import sys
import tempfile
from collections.abc import Iterator, Sequence
from contextlib import ExitStack
from dataclasses import asdict
from pathlib import Path

import numpy as np
from growth_texts import write_rows
from measure import measured
from part import Bar, Options
from peer import Peer
from step_case import StepCase
from turns import take_turns, turn_of

MIB = 2**20
LENGTH, SAME_TOKENS, HIDDEN, VOCABULARY, ROWS = "length", "length, same tokens", "hidden size", "vocabulary", "rows"
LENGTHS = [32, 64, 128, 256, 512]
TOKENS = 8192  # of a batch, where texts grow longer and fewer
SIZES = {"vocabulary_size": 20_000, "hidden_size": 64, "num_layers": 2, "batch": 32, "time": 48}
KINDS = {
    LENGTH: [{"time": time} for time in LENGTHS],
    SAME_TOKENS: [{"time": time, "batch": TOKENS // time} for time in LENGTHS],
    HIDDEN: [{"hidden_size": size} for size in (16, 32, 64, 128, 256, 512)],
    VOCABULARY: [{"vocabulary_size": size} for size in (1_000, 10_000, 100_000, 1_000_000)],
}
ROW_COUNTS = [10_000, 100_000, 1_000_000]
STEPS = {"seconds": 5, "calls": 50}

QUICK_SIZES = {"vocabulary_size": 50, "hidden_size": 4, "num_layers": 1, "batch": 4, "time": 8}
QUICK_KINDS = {LENGTH: [{}]}
QUICK_ROW_COUNTS = [40]
QUICK_STEPS = {"seconds": 0, "calls": 1}

STEEPEST = 1.1


def run(options: Options) -> tuple[list[dict], list[Bar]]:
    kinds = QUICK_KINDS if options.quick else KINDS
    rows = [row for kind, changes in kinds.items() for row in train_steps(kind, changes, options)]
    rows += data_sets(options)
    return rows, [] if options.quick else bars(rows)  # one size has no slope


def train_steps(kind: str, changes: list[dict], options: Options) -> Iterator[dict]:
    base = QUICK_SIZES if options.quick else SIZES
    cases = []
    for changed in changes:
        sizes = {**base, **changed}
        cases.append(StepCase(**sizes, shortest=sizes["time"], seed=options.seed))
    with ExitStack() as stack:
        peers = [stack.enter_context(Peer("step_tensorflow.py", "ours")) for _ in cases]
        for peer, case in zip(peers, cases, strict=True):
            peer.ask("build", name=kind, case=asdict(case))
        contenders = {case: turn_of(peer, options.quick, name=kind) for peer, case in zip(peers, cases, strict=True)}
        times = take_turns(contenders, options.rounds)
        for peer, case in zip(peers, cases, strict=True):
            seconds = statistics.median(times[case])
            tokens = case.batch * case.time
            yield {
                "grows": kind,
                "batch": case.batch,
                "time": case.time,
                "hidden": case.hidden_size,
                "vocabulary": case.vocabulary_size,
                "tokens": tokens,
                "step, ms": 1e3 * seconds,
                "tokens/s": tokens / seconds,
                "peak MiB": peer.ask("peak")["bytes"] / MIB,
            }


def data_sets(options: Options) -> Iterator[dict]:
    for count in QUICK_ROW_COUNTS if options.quick else ROW_COUNTS:
        with tempfile.TemporaryDirectory() as folder:
            texts, cache = Path(folder, "rows.csv"), Path(folder, "cache")
            write_rows(texts, count, options.seed)
            preparing, prepare_peak = in_a_process("prepare", texts, cache, options)
            training, train_peak = in_a_process("train", texts, cache, options)
            yield {
                "grows": ROWS,
                "rows": count,
                "vocabulary": preparing["vocabulary_size"],
                "tokens": preparing["tokens"],
                "text MiB": texts.stat().st_size / MIB,
                "cache MiB": sum(file.stat().st_size for file in cache.iterdir()) / MIB,
                "read, s": preparing["read_seconds"],
                "encode, s": preparing["encode_seconds"],
                "prepare peak MiB": prepare_peak / MIB,
                "step, ms": 1e3 * training["step_seconds"],
                "peak MiB": train_peak / MIB,
            }


def in_a_process(what: str, texts: Path, cache: Path, options: Options) -> tuple[dict, int]:
    """What growth_rows.py says, and the peak of its memory in bytes."""
    steps = QUICK_STEPS if options.quick else STEPS
    script = Path(__file__).with_name("growth_rows.py")
    process_result = measured([sys.executable, script, what, texts, cache, steps["seconds"], steps["calls"]])
    return json.loads(process_result.output.splitlines()[-1]), process_result.peak_bytes


def bars(rows: list[dict]) -> list[Bar]:
    lengths = [row for row in rows if row["grows"] == LENGTH]
    sets = [row for row in rows if row["grows"] == ROWS]
    slopes = {
        "a train step against the tokens of a batch": slope(lengths, [row["step, ms"] for row in lengths]),
        "preparing rows against their tokens": slope(sets, [row["read, s"] + row["encode, s"] for row in sets]),
    }
    cache = sets[-1]["cache MiB"] - sets[0]["cache MiB"]
    growths = {
        "preparing": (sets[-1]["prepare peak MiB"] - sets[0]["prepare peak MiB"]) / cache,
        "training": (sets[-1]["peak MiB"] - sets[0]["peak MiB"]) / cache,
    }
    most_rows = f"{sets[-1]['rows']:,} rows"
    return [
        *(Bar(f"time of {what}: slope at most {STEEPEST}", found, found <= STEEPEST) for what, found in slopes.items()),
        *(
            Bar(f"memory of {what} {most_rows} grows by at most what the cache grows by", found, found <= 1)
            for what, found in growths.items()
        ),
    ]


def slope(rows: Sequence[dict], seconds: Sequence[float]) -> float:
    """Of the logarithms of time and tokens, by least squares: 1 where time is proportional to tokens."""
    return float(np.polyfit(np.log([row["tokens"] for row in rows]), np.log(seconds), 1)[0])

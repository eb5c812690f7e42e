"""Twenty times `kill -9` in one sweep of twelve trials, against the same sweep unbroken, for each algorithm.

Kills fall at random moments while trials run: the next one is the first of as many as are left, drawn evenly from what
the trials will still take. After a fourth of the driver's starts one falls within the start. The victim is the driver,
a slot's process or a trial's, each kind that there is as likely. A dead driver is started anew at once by the same
command.
"""

import random
import subprocess
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path

import tuning
from killed_sweep import DRIVER, SLOT, TRIAL, Costs, KilledSweep
from options import Options

TRIALS, KILLS = 12, 20
QUICK_TRIALS, QUICK_KILLS = 4, 5
SPACES = {
    "random": "--num-layers 1,2 --cell lstm,gru --hidden-size 8:32 --learning-rate 1e-3:1e-2:log --epochs 3",
    "grid": "--num-layers 1,2 --cell lstm,gru --hidden-size 8,16,24 --epochs 3",
    # 9 trials of one epoch, and 3 that go on to the third epoch.
    "hyperband": "--num-layers 1,2 --cell lstm,gru --hidden-size 8:32 --learning-rate 1e-3:1e-2:log --epochs 9",
    # keras-tuner draws the first 6 at random, 3 a hyperparameter; the model of the rest proposes 6.
    "bayesian": "--hidden-size 8:32 --learning-rate 1e-3:1e-2:log --epochs 3",
}
# What Hyperband and Bayesian optimisation propose hangs on the order in which trials end: one worker fixes it.
WORKERS = {"random": 2, "grid": 2, "hyperband": 1, "bayesian": 1}
# For trials of some 5 seconds on a machine that does nothing else.
TRAINING = "--limit 4000 --model lstm_64 --embedding-size 16 --patience 9 --retries 30"
FREE_COLUMNS = {"seconds", "peak_memory_mb", "attempts", "device"}
KILLED_STARTS = 0.25  # share of the driver's starts within which a kill falls
SAFE_SHARE = 0.8  # of the expected time, so that the last kill falls before the end


def measure(options: Options) -> Iterator[dict]:
    for algorithm in options.algorithms[: 1 if options.quick else None]:
        rng = random.Random(f"{options.seed} {algorithm}")
        yield one_algorithm(algorithm, options, rng)


def one_algorithm(algorithm: str, options: Options, rng: random.Random) -> dict:
    trials, kills = (QUICK_TRIALS, QUICK_KILLS) if options.quick else (TRIALS, KILLS)
    workers = options.workers or WORKERS[algorithm]
    sweep = (
        f"--algorithm {algorithm} --max-trials {trials} {SPACES[algorithm]} {TRAINING} "
        f"--workers {workers} --seed {options.seed}"
    )
    with tempfile.TemporaryDirectory() as folder:
        unbroken, broken = Path(folder, "unbroken"), Path(folder, "broken")
        run = tuning.tuned(unbroken, sweep)
        expected = tuning.results(unbroken)
        costs = Costs.of(expected, run.seconds, workers)
        killed = KilledSweep(tuning.tune_command(broken, sweep), broken, Path(folder, "log"))
        seconds = kill_often(killed, kills, trials, workers, costs, rng)
        return {
            "algorithm": algorithm,
            "workers": workers,
            "unbroken_seconds": round(run.seconds),
            "killed_seconds": round(seconds),
            "mean_trial_seconds": round(costs.trial, 1),
            **outcome(killed, (DRIVER, SLOT, TRIAL), expected),
        }


def kill_often(killed: KilledSweep, kills: int, trials: int, workers: int, costs: Costs, rng: random.Random) -> float:
    """Kills so often, spread evenly over what is left of the trials each time, and over some starts of the driver.

    Returns:
        The seconds until the sweep was over.
    """
    start_time = time.monotonic()
    try:
        killed.start()
        is_restarted = True
        for kills_left in range(kills, 0, -1):
            if is_restarted and rng.random() < KILLED_STARTS:
                killed.wait(rng.uniform(0, costs.start), at_work=False)
            else:
                remaining = SAFE_SHARE * (trials - len(killed.watch())) * costs.trial / workers
                # The first of `kills_left` moments drawn from all that remains.
                killed.wait(remaining * (1 - rng.random() ** (1 / kills_left)), at_work=True)
            is_restarted = killed.kill(rng) == DRIVER
        killed.finish()
    except BaseException:
        killed.stop()
        raise
    return time.monotonic() - start_time


def outcome(killed: KilledSweep, kinds: tuple[str, ...], expected: list[dict]) -> dict:
    """What came of a sweep that is over, beside the results of the unbroken one."""
    orphans = killed.orphans()
    return_code = subprocess.run(killed.command, capture_output=True).returncode
    repeated_trials, actual = killed.ran_again(), tuning.results(killed.out)
    differences = table_differences(expected, actual)
    return {
        "trials": len(actual),
        "kills": killed.kills.total(),
        **{f"{kind}_kills": killed.kills[kind] for kind in kinds},
        "further_attempts": sum(event["event"] == "retried" for event in tuning.events(killed.out)),
        "failures_of_the_command": len(killed.failures),
        "same_results": not differences,
        "ran_again": " ".join(repeated_trials),
        "orphans": len(orphans),
        "once_more_exits": return_code,
        "remarks": "; ".join([*differences, *orphans, *killed.failures]),
    }


def table_differences(expected: list[dict], actual: list[dict]) -> list[str]:
    """Where two results.csv differ, the columns of time, memory, attempts and device left out."""
    lines = []
    if [row["trial"] for row in expected] != [row["trial"] for row in actual]:
        return [f"trials {[row['trial'] for row in actual]}, unbroken {[row['trial'] for row in expected]}"]
    for expected_row, actual_row in zip(expected, actual, strict=True):
        for column in dict.fromkeys([*expected_row, *actual_row]):
            if column not in FREE_COLUMNS and expected_row.get(column) != actual_row.get(column):
                lines.append(
                    f"{expected_row['trial']} {column}: {actual_row.get(column)}, unbroken {expected_row.get(column)}"
                )
    return lines


def verdicts(rows: list[dict]) -> dict[str, bool]:
    bars = {}
    for row in rows:
        kinds = ", ".join(f"{kind} {row[f'{kind}_kills']}" for kind in (DRIVER, SLOT, TRIAL))
        bar = f"{row['algorithm']}: {row['kills']} kills ({kinds}): as unbroken, nothing ran twice, no orphan"
        bars[bar] = unharmed(row) and row["kills"] == (KILLS if row["trials"] == TRIALS else QUICK_KILLS)
    return bars


def unharmed(row: dict) -> bool:
    return row["same_results"] and not row["ran_again"] and not row["orphans"] and row["once_more_exits"] == 0

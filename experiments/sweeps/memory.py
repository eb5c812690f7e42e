"""The resident memory of the driver, its children left out, over a sweep of 50 tiny trials."""

import subprocess
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path

import psutil
import tuning
from options import Options

TRIALS, QUICK_TRIALS = 50, 6
SETTLED = 3  # the growth counts from the end of this trial
SWEEP = "--algorithm random --learning-rate 1e-3:1e-2:log --cell lstm,gru --num-layers 1 --hidden-size 4:16"
SIZE = "--model lstm_64 --embedding-size 8 --limit 200 --epochs 1 --workers 1"
POLL_SECONDS = 0.05
GROWTH = 0.10


def measure(options: Options) -> Iterator[dict]:
    trials = QUICK_TRIALS if options.quick else TRIALS
    with tempfile.TemporaryDirectory() as folder:
        out, log = Path(folder, "sweep"), Path(folder, "log")
        command = tuning.tune_command(out, f"{SWEEP} {SIZE} --max-trials {trials} --seed {options.seed}")
        with open(log, "w") as output:
            process = subprocess.Popen(command, stdout=output, stderr=output)
        try:
            driver, ended_trials = psutil.Process(process.pid), 0
            while process.poll() is None:
                current_trials = len(tuning.results(out))
                if current_trials > ended_trials:
                    memory = driver.memory_info()
                    ended_trials = current_trials
                    yield {"trials_ended": ended_trials, "resident_mib": round(memory.rss / 2**20, 1)}
                time.sleep(POLL_SECONDS)
        finally:
            process.terminate()
            status = process.wait()
        if status:
            raise RuntimeError(f"{' '.join(command)} failed:\n{log.read_text()}")


def verdicts(rows: list[dict]) -> dict[str, bool]:
    first_row = next(row for row in rows if row["trials_ended"] >= SETTLED)
    last_row = rows[-1]
    growth = last_row["resident_mib"] / first_row["resident_mib"] - 1
    return {
        f"from trial {first_row['trials_ended']} to {last_row['trials_ended']} the driver grew by under {GROWTH:.0%} "
        f"({first_row['resident_mib']:.0f} to {last_row['resident_mib']:.0f} MiB, {growth:+.1%})": growth < GROWTH
    }

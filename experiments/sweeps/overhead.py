"""What a trial costs beyond its training: the sweep's wall time less the seconds of all epochs, a trial.

One worker, so that nothing overlaps. The wall time is that of the whole command: imports, preparing the data, the
reports at the end. The seconds of an epoch are those from its begin to its end inside `fit`, validation included.

Of this recurs what a trial took beyond its epochs; the rest, what the command took beyond its trials, is paid once.
"""

import tempfile
from collections.abc import Iterator
from pathlib import Path

import tuning
from options import Options

SPACE = "--algorithm grid --model lstm_64 --cell lstm --num-layers 2 --hidden-size 48,56,64 --workers 1"
SIZE, QUICK_SIZE = "--limit 30000 --epochs 3 --max-length 100", "--limit 600 --epochs 1 --max-length 100"
TRIAL_SECONDS, SHARE = 60, 0.15


def measure(options: Options) -> Iterator[dict]:
    with tempfile.TemporaryDirectory() as folder:
        out = Path(folder, "sweep")
        size = QUICK_SIZE if options.quick else SIZE
        run = tuning.tuned(out, f"--data {options.data} {SPACE} {size} --seed {options.seed}")
        rows, epochs = tuning.results(out), tuning.histories(out)
    for row in rows:
        training = sum(epoch["seconds"] for epoch in epochs[row["trial"]])
        yield {
            "trial": row["trial"],
            "trial_seconds": float(row["seconds"]),
            "epochs_seconds": round(training, 2),
            "first_epoch_seconds": round(epochs[row["trial"]][0]["seconds"], 2),
            "last_epoch_seconds": round(epochs[row["trial"]][-1]["seconds"], 2),
            "recurring_seconds": round(float(row["seconds"]) - training, 2),
        }
    trials = sum(float(row["seconds"]) for row in rows)
    training = sum(epoch["seconds"] for history in epochs.values() for epoch in history)
    yield {
        "trial": f"all {len(rows)}",
        "trial_seconds": round(run.seconds, 1),  # the sweep's wall time
        "epochs_seconds": round(training, 1),
        "recurring_seconds": round((trials - training) / len(rows), 2),  # a trial
        "once_seconds": round(run.seconds - trials, 1),
        "beyond_training_seconds_per_trial": round((run.seconds - training) / len(rows), 2),
        "beyond_training_percent": round((run.seconds / training - 1) * 100, 1),
    }


def verdicts(rows: list[dict]) -> dict[str, bool]:
    *trials, total = rows
    training = total["epochs_seconds"] / len(trials)
    cost = total["beyond_training_seconds_per_trial"]
    # Trials that turned out longer than a minute make the bar no easier.
    return {
        f"a trial of {training:.0f} s of training costs at most {SHARE:.0%} more ({cost:.1f} s)": cost
        <= SHARE * min(training, TRIAL_SECONDS)
    }

"""The files in the directory of a sweep.

    sweep.json        the identity of the sweep: algorithm, objective, seed, options, space
    space.json        the hyperparameters that a user's own HyperModel declares
    journal.jsonl     one line for each event; all other files can be made from it
    program.pkl       what all trials share, for the processes that run them
    data/             the token ids, prepared once
    results.csv       one row for each trial
    heatmap.png, importance.png, best_so_far.png
    logs/             for TensorBoard's HParams
    trials/ID/        history.csv, output.txt (the trial's output), error.txt (the traceback of each failure)
    best/             the run directory of the best trial, trained again

While a trial runs, its checkpoint.npz holds its state after the last complete epoch; result.json holds its result when
it has one. The lock file keeps out a second driver.
"""

from pathlib import Path

SWEEP, EXPLORED, JOURNAL = "sweep.json", "space.json", "journal.jsonl"
PROGRAM, LOCK = "program.pkl", "sweep.lock"
DATA, TRIALS, LOGS, BEST = "data", "trials", "logs", "best"
RESULTS, HEATMAP, IMPORTANCE, BEST_SO_FAR = "results.csv", "heatmap.png", "importance.png", "best_so_far.png"
HISTORY, OUTPUT, ERROR_TEXT = "history.csv", "output.txt", "error.txt"
CHECKPOINT, RESULT = "checkpoint.npz", "result.json"


def trial_folder(directory: Path, trial_id: str) -> Path:
    return directory / TRIALS / trial_id

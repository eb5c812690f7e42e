"""What stands in the directory of a sweep.

    sweep.json        what is searched: algorithm, objective, seed, options, space
    space.json        the hyperparameters that a user's own HyperModel turned out to have
    journal.jsonl     what happened, a line each; all else is made from it
    program.pkl       what every trial shares, for the processes that run them
    data/             the token ids, made once
    results.csv       a row a trial
    heatmap.png, importance.png, best_so_far.png
    logs/             for TensorBoard's HParams
    trials/ID/        history.csv, output.txt (what the trial printed), error.txt (the traceback of each failure)
    best/             the run directory of the best trial, trained again

While a trial runs, its checkpoint.npz holds its state after the last whole epoch, and result.json its result once it is
there. The lock file keeps a second driver out.
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

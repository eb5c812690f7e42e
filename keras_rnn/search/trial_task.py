"""A trial as a slot's task: it reads from the sweep's directory and writes to it."""

import json
import os
from collections.abc import Callable
from dataclasses import asdict
from pathlib import Path

from keras_rnn.files import write_json
from keras_rnn.search import layout
from keras_rnn.search.trial import Job, Result


def trial_task(directory: Path, job: Job, report: Callable) -> Result:
    """Runs one attempt. The result of a completed trial is written before it is sent, in case the driver dies."""
    folder = layout.trial_folder(directory, job.trial_id)
    folder.mkdir(parents=True, exist_ok=True)
    output = os.open(folder / layout.OUTPUT, os.O_WRONLY | os.O_CREAT | os.O_TRUNC)
    os.dup2(output, 1)
    os.dup2(output, 2)
    os.close(output)

    from keras_rnn.search.program import read_program
    from keras_rnn.search.run_trial import run_trial
    from keras_rnn.training.prepare import MANIFEST, open_prepared

    data = directory / layout.DATA
    result = run_trial(
        read_program(directory / layout.PROGRAM),
        open_prepared(data) if (data / MANIFEST).is_file() else None,
        job,
        folder,
        layout.trial_folder(directory, job.source) / layout.CHECKPOINT if job.source is not None else None,
        report,
    )
    if result.failure is None:
        write_result(directory, job.trial_id, result)
    return result


def write_result(directory: Path, trial_id: str, result: Result) -> None:
    """Writes the result of a completed trial, in case the driver dies before it receives the result."""
    write_json(layout.trial_folder(directory, trial_id) / layout.RESULT, asdict(result))


def read_result(directory: Path, trial_id: str) -> Result | None:
    """The result that `write_result` wrote; None without one."""
    path = layout.trial_folder(directory, trial_id) / layout.RESULT
    return Result(**json.loads(path.read_text(encoding="utf-8"))) if path.is_file() else None

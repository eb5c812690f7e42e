"""The driver of a sweep: it asks the oracle for trials, hands them to an executor and writes the journal."""

from collections import deque
from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict
from pathlib import Path
from typing import Any

import keras_tuner

from keras_rnn.files import remove_debris
from keras_rnn.search import layout
from keras_rnn.search.executor import EpochEnded, Executor
from keras_rnn.search.journal import Journal, read_journal
from keras_rnn.search.proposals import Proposals
from keras_rnn.search.records import apply_event
from keras_rnn.search.report import write_progress
from keras_rnn.search.trial import COMPLETED, DIED, FAILED, NO_SPACE, RETRYABLE, RUNNING, Result, TrialRecord
from keras_rnn.search.trial_task import read_result
from keras_rnn.training.history import write_history

REDRAW_SECONDS = 1.0  # the table is drawn at least so often


def drive(
    directory: Path,
    proposals: Proposals,
    executor: Executor,
    *,
    objective: keras_tuner.Objective,
    max_trials: int | None,
    retries: int,
    show: Callable[[Sequence[TrialRecord], Mapping[str, Mapping]], None],
) -> list[TrialRecord]:
    """Runs trials until the oracle has no more or there are `max_trials`; resumes the sweep that the journal holds.

    Args:
        directory: the sweep's directory. No other process writes to it.
        proposals: the proposals of an oracle that has not been asked yet.
        executor: runs the trials.
        objective: the metric and its direction.
        max_trials: how many trials the sweep has at most.
        retries: how often a trial that raised an error, or whose process died, is started again.
        show: called after each event with the trials and the last epoch of each running trial.

    Returns:
        The trials in the order of their creation.

    Raises:
        OSError: the disk is full. The trials that were running stay unfinished and run when the sweep is resumed.
    """
    sweep = _Sweep(directory, proposals, objective)
    try:
        queue = deque(sweep.unfinished())
        epochs: dict[str, Mapping] = {}
        running_ids: set[str] = set()
        may_propose = True  # False: the oracle has no trial until another one ends
        while True:
            while len(running_ids) < executor.capacity and (queue or may_propose):
                trial_id = queue.popleft() if queue else sweep.create(max_trials)
                if trial_id is None:
                    may_propose = False
                    break
                if (result := read_result(directory, trial_id)) is not None:
                    sweep.end(trial_id, result)
                    may_propose = True
                    continue
                executor.start(sweep.records[trial_id].job)
                running_ids.add(trial_id)
            show(sweep.ordered(), epochs)
            if not running_ids:
                return sweep.ordered()
            for event in executor.wait(REDRAW_SECONDS):
                if isinstance(event, EpochEnded):
                    epochs[event.trial_id] = event.row
                    continue
                running_ids.remove(event.trial_id)
                epochs.pop(event.trial_id, None)
                result = event.result
                if result.failure == NO_SPACE:
                    raise OSError(f"trial {event.trial_id} found no space: {result.error}")
                if result.failure == DIED:  # it may have written its result before
                    result = read_result(directory, event.trial_id) or result
                if _needs_retry(result, sweep.records[event.trial_id], retries, executor):
                    sweep.retry(event.trial_id, result)
                    queue.appendleft(event.trial_id)
                else:
                    sweep.end(event.trial_id, result)
                    may_propose = True
    finally:
        sweep.journal.close()


def _needs_retry(result: Result, record: TrialRecord, retries: int, executor: Executor) -> bool:
    if result.failure == DIED and executor.retries_deaths:
        return False
    return result.failure in RETRYABLE and record.attempts <= retries


class _Sweep:
    """The trials of a sweep. Each change goes to memory, to the journal and to the oracle."""

    def __init__(self, directory: Path, proposals: Proposals, objective: keras_tuner.Objective):
        self.directory, self.proposals, self.objective = directory, proposals, objective
        self.records: dict[str, TrialRecord] = {}
        for event in read_journal(directory / layout.JOURNAL):
            apply_event(self.records, event, objective, proposals.epochs)
            if event["event"] == "created":
                proposals.repropose(event["trial"], event["values"])
            elif event["event"] == "ended":
                proposals.end(event["trial"], self.records[event["trial"]].result)
        self.journal = Journal(directory / layout.JOURNAL)

    def ordered(self) -> list[TrialRecord]:
        return list(self.records.values())

    def unfinished(self) -> list[str]:
        return [trial_id for trial_id, record in self.records.items() if record.status == RUNNING]

    def create(self, max_trials: int | None) -> str | None:
        """The id of a new trial; None where the oracle has none or `max_trials` is reached."""
        if max_trials is not None and len(self.records) >= max_trials:
            return None
        proposal = self.proposals.propose()
        if proposal is None:
            return None
        trial_id, values = proposal
        self._write("created", trial_id, values=values)
        return trial_id

    def retry(self, trial_id: str, result: Result) -> None:
        self._keep_error(trial_id, result)
        self._write("retried", trial_id, failure=result.failure, error=result.error)

    def end(self, trial_id: str, result: Result) -> None:
        """Records the end of a trial. The journal comes first: all other files can be made from it."""
        folder = layout.trial_folder(self.directory, trial_id)
        folder.mkdir(parents=True, exist_ok=True)
        self._keep_error(trial_id, result)
        if result.history:
            write_history(result.history, folder / layout.HISTORY)
        status = COMPLETED if result.failure is None else FAILED
        self._write("ended", trial_id, status=status, result=asdict(result))
        remove_debris(folder)
        (folder / layout.RESULT).unlink(missing_ok=True)
        if result.failure is not None:
            (folder / layout.CHECKPOINT).unlink(missing_ok=True)
        self.proposals.end(trial_id, result)
        write_progress(self.directory, self.ordered())

    def _write(self, event: str, trial_id: str, **fields: Any) -> None:
        self.journal.write(event, trial_id, **fields)
        apply_event(self.records, {"event": event, "trial": trial_id, **fields}, self.objective, self.proposals.epochs)

    def _keep_error(self, trial_id: str, result: Result) -> None:
        if result.failure is None:
            return
        attempt = self.records[trial_id].attempts
        folder = layout.trial_folder(self.directory, trial_id)
        folder.mkdir(parents=True, exist_ok=True)
        with open(folder / layout.ERROR_TEXT, "a", encoding="utf-8") as file:
            file.write(f"attempt {attempt}: {result.failure}: {result.error}\n{result.traceback}\n")

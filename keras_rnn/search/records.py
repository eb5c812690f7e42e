"""The trials of a sweep, read from the events of its journal."""

import dataclasses
import math
from collections.abc import Iterable

import keras_tuner

from keras_rnn.search.journal import Event
from keras_rnn.search.proposals import make_job
from keras_rnn.search.trial import COMPLETED, FAILED, Result, TrialRecord


def records_from_events(events: Iterable[Event], objective: keras_tuner.Objective, epochs: int) -> list[TrialRecord]:
    """The trials of a journal in the order of their creation."""
    records: dict[str, TrialRecord] = {}
    for event in events:
        apply_event(records, event, objective, epochs)
    return list(records.values())


def apply_event(records: dict[str, TrialRecord], event: Event, objective: keras_tuner.Objective, epochs: int) -> None:
    """Updates `records`, the trials by id, with one event of the journal."""
    trial_id = event["trial"]
    if event["event"] == "created":
        records[trial_id] = TrialRecord(make_job(trial_id, event["values"], epochs), attempts=1)
    elif event["event"] == "retried":
        result = Result(failure=event["failure"], error=event["error"])
        records[trial_id] = dataclasses.replace(
            records[trial_id], attempts=records[trial_id].attempts + 1, result=result
        )
    elif event["event"] == "ended":
        records[trial_id] = _ended_record(records[trial_id], Result(**event["result"]), objective)


def _ended_record(record: TrialRecord, result: Result, objective: keras_tuner.Objective) -> TrialRecord:
    if result.space is not None:  # building the model has declared hyperparameters
        record = dataclasses.replace(record, job=dataclasses.replace(record.job, values=result.space["values"]))
    if result.failure is not None:
        return dataclasses.replace(record, status=FAILED, result=result)
    sign = 1 if objective.direction == "max" else -1
    # Among equals the lower validation loss, as `keras_rnn.train` picks its best epoch; then the earlier epoch.
    best = max(
        result.history,
        key=lambda row: (sign * row[objective.name], -row.get("val_loss", math.inf), -row["epoch"]),
    )
    return dataclasses.replace(
        record, status=COMPLETED, result=result, score=best[objective.name], best_epoch=int(best["epoch"])
    )

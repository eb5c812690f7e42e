"""The trials for TensorBoard: scalars of every epoch, and the table of its HParams tab.

TensorBoard's own record format and messages write the event files; they need no TensorFlow.
"""

import hashlib
import json
import time
from collections.abc import Iterable
from pathlib import Path
from typing import Any

from tensorboard.compat.proto.event_pb2 import Event
from tensorboard.compat.proto.summary_pb2 import Summary
from tensorboard.plugins.hparams import api_pb2, metadata
from tensorboard.plugins.hparams.plugin_data_pb2 import HParamsPluginData, SessionEndInfo, SessionStartInfo
from tensorboard.plugins.scalar.metadata import create_summary_metadata
from tensorboard.summary.writer.record_writer import RecordWriter
from tensorboard.util.tensor_util import make_tensor_proto

from keras_rnn.files import atomic_write, make_folder
from keras_rnn.search.scores import ended_records
from keras_rnn.search.trial import COMPLETED, FAILED, TrialRecord

FILE = "events.out.tfevents"  # TensorBoard reads files with this prefix
SCORE = "score"  # of the best epoch; the HParams tab shows the other metrics of the last epoch
MINUTE = 60.0  # seconds
STATUS = {COMPLETED: api_pb2.STATUS_SUCCESS, FAILED: api_pb2.STATUS_FAILURE}


def write_hparams(records: Iterable[TrialRecord], folder: Path) -> int:
    """Writes one run for each ended trial into `folder`, named after the trial. Returns how many it wrote.

    A trial whose file exists is skipped, so this is quick after each trial of a long sweep. If the trial has changed,
    the new file replaces the old one.
    """
    run_count = 0
    for record in ended_records(records):
        run = folder / record.job.trial_id
        path = run / f"{FILE}.{_digest(record)}"
        if path.is_file():
            continue
        make_folder(run, "folder of TensorBoard logs")
        with atomic_write(path) as temp_path, open(temp_path, "wb") as file:
            writer = RecordWriter(file)
            for event in _events(record, time.time()):
                writer.write(event.SerializeToString())
            writer.flush()
        for old_file in run.iterdir():  # an earlier state of the trial
            if old_file != path and not _is_being_written(old_file):
                old_file.unlink(missing_ok=True)
        run_count += 1
    return run_count


def _is_being_written(path: Path) -> bool:
    """True of a file that another process may be writing, such as a report that runs during the sweep."""
    return ".tmp" in path.name and path.is_file() and time.time() - path.stat().st_mtime < MINUTE


def _digest(record: TrialRecord) -> str:
    """A digest of the written content of a trial: files with the same digest have the same content."""
    content = [
        record.status,
        record.score,
        record.best_epoch,
        dict(record.job.values),
        [dict(row) for row in record.result.history],
    ]
    return hashlib.sha256(json.dumps(content).encode()).hexdigest()[:16]


def _events(record: TrialRecord, end_time: float) -> Iterable[Event]:
    """The trial as if it had ended at `end_time`, in seconds since 1970: records hold durations only."""
    history = record.result.history
    start_time = end_time - max(record.result.seconds, sum(row.get("seconds", 0.0) for row in history))
    yield Event(wall_time=start_time, file_version="brain.Event:2")
    start = SessionStartInfo(group_name=record.job.trial_id, start_time_secs=start_time)
    for name, value in record.job.values.items():
        _set(start.hparams[name], value)
    yield _hparams_event(start_time, metadata.SESSION_START_INFO_TAG, HParamsPluginData(session_start_info=start))
    wall_time = start_time
    for row in history:
        wall_time += row.get("seconds", 0.0)
        scalars = {name: value for name, value in row.items() if name not in ("epoch", "seconds")}
        if row["epoch"] == record.best_epoch and record.score is not None:
            scalars[SCORE] = record.score
        values = [_scalar(name, value) for name, value in scalars.items()]
        yield Event(wall_time=wall_time, step=int(row["epoch"]), summary=Summary(value=values))
    end = SessionEndInfo(status=STATUS[record.status], end_time_secs=end_time)
    yield _hparams_event(end_time, metadata.SESSION_END_INFO_TAG, HParamsPluginData(session_end_info=end))


def _set(field: Any, value: Any) -> None:
    if isinstance(value, bool):
        field.bool_value = value
    elif isinstance(value, int | float):
        field.number_value = value
    else:
        field.string_value = str(value)


def _hparams_event(wall_time: float, tag: str, data: HParamsPluginData) -> Event:
    plugin_metadata = metadata.create_summary_metadata(data)
    value = Summary.Value(tag=tag, metadata=plugin_metadata, tensor=metadata.NULL_TENSOR)
    return Event(wall_time=wall_time, summary=Summary(value=[value]))


def _scalar(name: str, value: float) -> Summary.Value:
    tensor = make_tensor_proto(float(value), dtype="float32")
    return Summary.Value(tag=name, metadata=create_summary_metadata(name, ""), tensor=tensor)

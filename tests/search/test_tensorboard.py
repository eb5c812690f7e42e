import os
from dataclasses import replace

import pytest
from tensorboard.backend.event_processing.data_provider import MultiplexerDataProvider
from tensorboard.backend.event_processing.plugin_event_multiplexer import EventMultiplexer
from tensorboard.context import RequestContext
from tensorboard.plugins.base_plugin import TBContext
from tensorboard.plugins.hparams import api_pb2, list_session_groups
from tensorboard.plugins.hparams.backend_context import Context

from keras_rnn.search.tensorboard import write_hparams
from tests.support.trial_records import completed, failed, running


def read_logs(folder):
    """What TensorBoard makes of the folder: its runs, and the rows of its HParams tab by name."""
    runs = EventMultiplexer().AddRunsFromDirectory(str(folder))
    runs.Reload()
    context = Context(TBContext(data_provider=MultiplexerDataProvider(runs, str(folder))))
    request = api_pb2.ListSessionGroupsRequest(
        start_index=0,
        slice_size=100,
        allowed_statuses=[api_pb2.STATUS_SUCCESS, api_pb2.STATUS_FAILURE],
        col_params=[api_pb2.ColParams(metric=api_pb2.MetricName(tag="score"))],
    )
    rows = list_session_groups.Handler(RequestContext(), context, "", request).run().session_groups
    return runs, {row.name: row for row in rows}


def scalars(runs, trial, tag):
    return [(event.step, pytest.approx(event.tensor_proto.float_val[0])) for event in runs.Tensors(trial, tag)]


def test_a_run_a_trial_with_its_hyperparameters_scalars_and_end(tmp_path):
    records = [
        completed(0, 0.9, {"cell": "lstm", "hidden_size": 64, "bidirectional": True, "pooling": None}),
        failed(1, {"cell": "gru"}),
        running(2, {"cell": "gru"}),
    ]
    assert write_hparams(records, tmp_path) == 2
    runs, rows = read_logs(tmp_path)
    assert set(runs.Runs()) == set(rows) == {"0000", "0001"}
    assert scalars(runs, "0000", "val_accuracy") == [(1, 0.8), (2, 0.9), (3, 0.8)]
    values = rows["0000"].hparams
    assert (values["cell"].string_value, values["hidden_size"].number_value) == ("lstm", 64)
    assert (values["bidirectional"].bool_value, values["pooling"].string_value) == (True, "None")
    (session,) = rows["0000"].sessions
    assert session.status == api_pb2.STATUS_SUCCESS
    assert session.end_time_secs - session.start_time_secs == pytest.approx(30.0)
    metrics = {metric.name.tag: metric.value for metric in rows["0000"].metric_values}
    assert metrics == pytest.approx(
        {"loss": 1 / 3, "val_accuracy": 0.8, "score": 0.9}
    )  # the last epoch's, and the best
    assert rows["0001"].sessions[0].status == api_pb2.STATUS_FAILURE


def test_only_what_is_new_or_has_changed_is_written(tmp_path):
    first, second = completed(0, 0.9, {"hidden_size": 64}), failed(1, {"hidden_size": 32})
    assert write_hparams([first], tmp_path) == 1
    previous = {path: path.stat().st_mtime_ns for path in tmp_path.rglob("*tfevents*")}
    assert write_hparams([first, second], tmp_path) == 1
    assert all(path.stat().st_mtime_ns == time for path, time in previous.items())

    temp_path = tmp_path / "0000" / ".events.out.tfevents.1.tmp.0"  # of a process that was killed
    temp_path.touch()
    os.utime(temp_path, (0, 0))
    assert write_hparams([replace(first, score=0.8), second], tmp_path) == 1
    (file,) = (tmp_path / "0000").iterdir()
    assert file not in previous
    temp_path.touch()  # of one that is at it
    write_hparams([replace(first, score=0.7), second], tmp_path)
    assert temp_path.exists()
    write_hparams([replace(first, score=0.8), second], tmp_path)
    temp_path.unlink()
    runs, _ = read_logs(tmp_path)
    assert scalars(runs, "0000", "score") == [(2, 0.8)]

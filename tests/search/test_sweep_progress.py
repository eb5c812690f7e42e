import contextlib
import io
from dataclasses import replace

import pytest
from rich.console import Console

from keras_rnn.search import progress
from keras_rnn.search.progress import SweepProgress
from keras_rnn.search.trial import DIED, Result
from tests.support.trial_records import completed, failed, running

VALUES = {"cell": "lstm", "num_layers": 2, "hidden_size": 64}
DIED_BEFORE = Result(DIED, "killed by signal 9")


@pytest.fixture
def clock(monkeypatch):
    now = [1000.0]
    monkeypatch.setattr(progress.time, "monotonic", lambda: now[0])
    return now


def lines(*updates, total=4):
    console = Console(file=io.StringIO(), width=40)
    with SweepProgress(console, total, "val_accuracy", "max") as progress:
        for records in updates:
            progress.update(records, {})
    return console.file.getvalue().splitlines()


def screen(records, epochs=(), width=100, height=40, total=4):
    """The last state of the table, as text."""
    console = Console(file=io.StringIO(), force_terminal=True, width=width, height=height, _environ={})
    with SweepProgress(console, total, "val_accuracy", "max") as progress:
        progress.update(records, dict(epochs))
        picture = Console(file=io.StringIO(), width=width)
        picture.print(progress.live.get_renderable())
    return picture.file.getvalue()


def test_elsewhere_than_on_a_terminal_a_line_at_each_start_and_end(clock):
    completed_trial = completed(0, 0.9055, VALUES, seconds=31.2)
    assert lines(
        [],
        [running(0, VALUES)],
        [completed_trial],
        [completed_trial, running(1, VALUES), running(2, {})],
        [completed_trial, replace(running(1, VALUES), attempts=2, result=DIED_BEFORE), running(2, {})],
        [completed_trial, failed(1, VALUES, error="the [red]loss[/red]\nis nan"), running(2, {})],
        [completed_trial, failed(1, VALUES), completed(2, 0.8, {}, seconds=31.2)],
    ) == [
        "trial 0000 started: lstm 2x64",
        "trial 0000 completed: val_accuracy 0.9055 (best 0.9055, trial 0000), lstm 2x64, 31.2 s, 1/4 done, "
        "about 93.6 s left",
        "trial 0001 started: lstm 2x64",
        "trial 0002 started",
        "trial 0001 started (attempt 2, after died: killed by signal 9): lstm 2x64",
        "trial 0001 failed: NaN loss: the [red]loss[/red] is nan, lstm 2x64, 5.0 s, 2/4 done, 1 failed, "
        "about 18.1 s left",
        "trial 0002 completed: val_accuracy 0.8000 (best 0.9055, trial 0000), 31.2 s, 3/4 done, 1 failed, "
        "about 22.5 s left",
    ]


def test_trials_of_an_earlier_call_are_counted_not_printed():
    earlier = [completed(0, 0.9, VALUES), failed(1, VALUES)]
    assert lines(earlier, [*earlier, running(2, VALUES)]) == [
        "going on with a sweep: 2/4 done, 1 failed (best 0.9000, trial 0000)",
        "trial 0002 started: lstm 2x64",
    ]


def test_without_a_total_there_is_no_time_left():
    assert lines([], [completed(0, 0.9, VALUES)], total=None) == [
        "trial 0000 completed: val_accuracy 0.9000 (best 0.9000, trial 0000), lstm 2x64, 30.0 s, 1 done"
    ]


def test_time_left_counts_what_runs_at_once_and_what_is_spent(clock):
    progress = SweepProgress(Console(file=io.StringIO()), 6, "val_accuracy", "max")
    with progress:
        progress.update([running(0, {}), running(1, {})], {})
        assert progress.seconds_left([running(0, {}), running(1, {})]) is None
        records = [completed(0, 0.9, {}, seconds=20.0), running(1, {})]
        assert progress.seconds_left(records) == 50.0  # five of 20 s, two at once
        clock[0] += 10
        assert progress.seconds_left(records) == 45.0
        clock[0] += 100  # a slow one counts as all but done
        assert progress.seconds_left(records) == 40.0
        assert progress.seconds_left([completed(number, 0.9, {}) for number in range(6)]) == 0


def test_table_shows_running_done_failed_and_best(clock):
    records = [
        completed(0, 0.9055, {"cell": "gru", "learning_rate": 0.00123456}),
        failed(1, VALUES, error="the [red]loss[/red] is nan"),
        running(2, VALUES),
        replace(running(3, {"units": 8}), attempts=2, result=DIED_BEFORE),
    ]
    rows = screen(records, {"0002": {"epoch": 1, "val_accuracy": float("nan")}}).splitlines()
    assert rows[0] == "2 running, 2/4 done, 1 failed, 0.0 s, about 17.5 s left"
    assert rows[1] == "best val_accuracy 0.9055, trial 0000: gru, learning_rate 0.00123"
    table = [row.split() for row in rows]
    assert ["0002", "lstm", "2x64", "nan", "1/3", "0.0", "s"] in table
    assert [
        "0003",
        "units",
        "8",
        "(attempt",
        "2,",
        "after",
        "died:",
        "killed",
        "by",
        "signal",
        "9)",
        "0/3",
        "0.0",
        "s",
    ] in table
    assert ["0000", "gru,", "learning_rate", "0.00123", "0.9055", "best", "2", "30.0", "s"] in table
    assert "trial 0001 failed: NaN loss: the [red]loss[/red] is nan, lstm 2x64" in rows


def test_before_the_first_trial_there_is_no_table():
    assert screen([]).splitlines() == ["0 running, 0/4 done, 0.0 s"]


@pytest.mark.parametrize("width", [1, 7, 20, 40, 59, 80])
def test_narrow_and_low_terminals_do(width):
    records = [completed(0, 0.9, VALUES), failed(1, VALUES), running(2, VALUES), replace(running(3, {}), attempts=2)]
    picture = screen(records, width=width, height=3)
    assert all(len(row) <= width for row in picture.splitlines())
    if width >= 40:
        assert "0002" in picture
        assert "0.9000" in picture


def test_only_the_last_few_that_ended_are_shown():
    records = [completed(number, 0.5 + number / 100, VALUES) for number in range(20)]
    picture = screen(records, total=20)
    assert "0015" in picture
    assert "0014" not in picture


def test_the_terminal_is_given_back_on_an_error():
    console = Console(file=io.StringIO(), force_terminal=True, width=80, _environ={})
    progress = SweepProgress(console, 4, "val_accuracy", "max")
    with contextlib.suppress(KeyboardInterrupt), progress:
        progress.update([running(0, VALUES)], {})
        raise KeyboardInterrupt
    assert not progress.live.is_started
    assert console.file.getvalue().endswith("\x1b[?25h")  # the cursor is shown again

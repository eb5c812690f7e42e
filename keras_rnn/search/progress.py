"""The progress of a sweep: a live table on a terminal, lines elsewhere."""

import time
from collections.abc import Iterable, Mapping, Sequence

from rich import box
from rich.console import Console, Group
from rich.live import Live
from rich.table import Table
from rich.text import Text

from keras_rnn.search.formatting import format_duration, format_failure, format_metric, format_values
from keras_rnn.search.scores import best_record, ended_records, is_score
from keras_rnn.search.trial import COMPLETED, FAILED, RUNNING, TrialRecord

MAX_SHOWN = 5  # completed trials in the table, and as many failed ones
NARROW_WIDTH = 60  # a terminal with fewer columns gets a table of fewer columns
STYLES = {RUNNING: "cyan", COMPLETED: "green", FAILED: "red"}


class SweepProgress:
    """Shows the trials of a sweep, as a context manager.

    Args:
        console: on a terminal a table is updated; elsewhere the start and the end of a trial are a line each.
        total: how many trials there will be; None where that is unknown.
        objective: the metric that is optimised.
        direction: "max" or "min".
    """

    def __init__(self, console: Console, total: int | None, objective: str, direction: str):
        self.console, self.total, self.objective, self.direction = console, total, objective, direction
        # The status and attempt of each trial that were printed last, by trial id.
        self.printed_states: dict[str, tuple[str, int]] | None = None
        self.start_times: dict[str, float] = {}  # when each trial was first seen running, by trial id
        self.max_running = 1  # the largest number of trials seen running together
        self.live = None

    def __enter__(self) -> "SweepProgress":
        self.start_time = time.monotonic()
        if self.console.is_terminal and not self.console.is_dumb_terminal:
            self.live = Live(Text(), console=self.console, auto_refresh=False)
            self.live.start()
        return self

    def __exit__(self, *exception) -> None:
        if self.live:
            self.live.stop()

    def update(self, records: Iterable[TrialRecord], epochs: Mapping[str, Mapping[str, float]]) -> None:
        """Shows the state of all trials. `epochs` holds the last epoch's metrics of each running trial, by trial id.

        The first call comes before any trial ends: it separates the trials of an earlier call of the sweep from those
        that end now. Later calls follow every event, and come at least each second to update the clock.
        """
        records = list(records)
        running = [record for record in records if record.status == RUNNING]
        for record in running:
            self.start_times.setdefault(record.job.trial_id, time.monotonic())
        self.max_running = max(self.max_running, len(running))
        if self.live:
            self.live.update(self._table(records, running, epochs), refresh=True)
        else:
            self._print_lines(records)

    def seconds_left(self, records: Sequence[TrialRecord]) -> float | None:
        """An estimate from the mean time of ended trials and how many run together; None before the first has ended."""
        ended_trials = ended_records(records)
        seconds = [record.result.seconds for record in ended_trials if record.result.seconds > 0]
        if self.total is None or not seconds:
            return None
        mean = sum(seconds) / len(seconds)
        remaining_trials = max(self.total - len(ended_trials), 0)
        now = time.monotonic()
        spent_seconds = sum(
            min(now - self.start_times[record.job.trial_id], mean)
            for record in records
            if record.status == RUNNING and record.job.trial_id in self.start_times
        )
        return max(remaining_trials * mean - spent_seconds, 0) / max(min(self.max_running, remaining_trials), 1)

    def _print_lines(self, records: list[TrialRecord]) -> None:
        if self.printed_states is None:
            self.printed_states = {
                record.job.trial_id: (record.status, record.attempts) for record in ended_records(records)
            }
            if self.printed_states:
                self._print(f"going on with a sweep: {self._counts(records)}{self._best(records)}")
        for record in sorted(records, key=lambda record: record.status == RUNNING):  # ends before starts
            trial_id, state = record.job.trial_id, (record.status, record.attempts)
            if self.printed_states.get(trial_id) == state:
                continue
            self.printed_states[trial_id] = state
            name = f"trial {trial_id}"
            if record.status == RUNNING:
                self._print(f"{name} started{_attempt(record)}: {format_values(record.job.values)}".rstrip(" :"))
            else:
                self._print(f"{name} {self._end_line(record, records)}")

    def _end_line(self, record: TrialRecord, records: list[TrialRecord]) -> str:
        if record.status == FAILED:
            outcome = f"failed: {_reason(record)}"
        else:
            outcome = f"completed: {self.objective} {_score(record.score)}{self._best(records)}"
        remaining_seconds = self.seconds_left(records)
        remaining = f"about {format_duration(remaining_seconds)} left" if remaining_seconds else ""
        parts = [
            outcome,
            format_values(record.job.values),
            format_duration(record.result.seconds),
            self._counts(records),
            remaining,
        ]
        return ", ".join(part for part in parts if part)

    def _best(self, records: list[TrialRecord]) -> str:
        best = best_record(records, self.direction)
        return f" (best {format_metric(best.score)}, trial {best.job.trial_id})" if best else ""

    def _counts(self, records: list[TrialRecord]) -> str:
        ended_trials = ended_records(records)
        failed = sum(record.status == FAILED for record in ended_trials)
        total_text = f"/{self.total}" if self.total is not None else ""
        return f"{len(ended_trials)}{total_text} done" + (f", {failed} failed" if failed else "")

    def _print(self, line: str) -> None:
        self.console.print(line, markup=False, highlight=False, soft_wrap=True)

    def _table(self, records: list[TrialRecord], running: list[TrialRecord], epochs: Mapping) -> Group:
        table = Table(box=box.SIMPLE_HEAD, padding=(0, 1, 0, 0), pad_edge=False)
        table.add_column("trial", no_wrap=True)
        table.add_column("hyperparameters")  # shortened on a narrow terminal
        table.add_column(Text(self.objective), no_wrap=True, justify="right")
        if self.console.width >= NARROW_WIDTH:
            table.add_column("epoch", no_wrap=True, justify="right")
            table.add_column("time", no_wrap=True, justify="right")
        ended_trials = ended_records(records)
        for record in running:
            row = epochs.get(record.job.trial_id, {})
            epoch = int(row.get("epoch", record.job.initial_epoch))
            spent_seconds = time.monotonic() - self.start_times[record.job.trial_id]
            self._add(table, record, f"{epoch}/{record.job.epochs}", row.get(self.objective), spent_seconds)
        for record in [record for record in ended_trials if record.status == COMPLETED][-MAX_SHOWN:][::-1]:
            epoch = "" if record.best_epoch is None else f"best {record.best_epoch}"
            self._add(table, record, epoch, record.score, record.result.seconds)
        parts = [self._head(records, running), table] if table.row_count else [self._head(records, running)]
        for record in [record for record in ended_trials if record.status == FAILED][-MAX_SHOWN:][::-1]:
            line = f"trial {record.job.trial_id} failed: {_reason(record)}, {format_values(record.job.values)}"
            parts.append(Text(line.rstrip(", "), style=STYLES[FAILED], no_wrap=True, overflow="ellipsis"))
        return Group(*parts)

    def _add(self, table: Table, record: TrialRecord, epoch: str, score: float | None, seconds: float) -> None:
        trial_id = Text(record.job.trial_id, style=STYLES[record.status])
        attempt = _attempt(record) if record.status == RUNNING else ""
        values = Text(format_values(record.job.values) + attempt, no_wrap=True, overflow="ellipsis")
        row = [trial_id, values, _score(score), epoch, format_duration(seconds)]
        table.add_row(*row[: len(table.columns)])

    def _head(self, records: list[TrialRecord], running: list[TrialRecord]) -> Text:
        remaining_seconds = self.seconds_left(records)
        parts = [f"{len(running)} running", self._counts(records), format_duration(time.monotonic() - self.start_time)]
        if remaining_seconds:
            parts.append(f"about {format_duration(remaining_seconds)} left")
        head = Text(", ".join(parts))
        if best := best_record(records, self.direction):
            head.append(
                f"\nbest {self.objective} {format_metric(best.score)}, trial {best.job.trial_id}: ", style="bold"
            )
            head.append(format_values(best.job.values))
        return head


def _score(score: float | None) -> str:
    if score is None:
        return ""
    return format_metric(score) if is_score(score) else str(score)


def _attempt(record: TrialRecord) -> str:
    return f" (attempt {record.attempts}, after {_reason(record)})" if record.attempts > 1 else ""


def _reason(record: TrialRecord) -> str:
    return format_failure(record.result.failure or FAILED, record.result.error)

"""The progress of a training run: on a terminal a bar with the time left, elsewhere a line for each epoch."""

import time

import keras
from rich.console import Console
from rich.progress import (
    BarColumn,
    MofNCompleteColumn,
    Progress,
    TextColumn,
    TimeElapsedColumn,
    TimeRemainingColumn,
)

from keras_rnn.tasks.task import Batches
from keras_rnn.training.history import Epoch


class TrainingProgress(keras.callbacks.Callback):
    """Shows steps, examples a second and the time left over all planned epochs."""

    def __init__(self, console: Console, epochs: int, batches: Batches):
        super().__init__()
        self.console, self.epochs, self.batches, self.steps = console, epochs, batches, batches.steps
        self.bar = None
        self.first_step_seconds: float | None = None  # until the first steps taken together are done: tracing, mostly

    def on_train_begin(self, logs=None):
        self.train_start = time.perf_counter()
        if not self.console.is_terminal:
            return
        self.bar = Progress(
            TextColumn("{task.description}"),
            BarColumn(),
            MofNCompleteColumn(),
            TextColumn("{task.fields[figures]}"),
            TimeElapsedColumn(),
            TextColumn("left"),
            TimeRemainingColumn(elapsed_when_finished=False),
            console=self.console,
            transient=True,
        )
        self.bar.start()
        self.task = self.bar.add_task("training", total=self.epochs * self.steps, figures="")

    def on_epoch_begin(self, epoch, logs=None):
        self.epoch, self.epoch_start = epoch, time.perf_counter()
        if self.bar:
            self.bar.update(self.task, completed=epoch * self.steps, description=f"epoch {epoch + 1}/{self.epochs}")

    def on_train_batch_end(self, batch, logs=None):
        if self.first_step_seconds is None:
            self.first_step_seconds = time.perf_counter() - self.train_start
        if self.bar:
            figures = " ".join(f"{name} {logs[name]:.4f}" for name in sorted(logs or (), key="loss".__ne__))
            completed_steps = min(batch + 1, self.steps)  # the last of the steps that might have been taken together
            self.bar.update(self.task, completed=self.epoch * self.steps + completed_steps, figures=figures)

    def train_seconds(self) -> float:
        return time.perf_counter() - self.epoch_start

    def stop(self) -> None:
        """Takes the bar off the terminal."""
        if self.bar:
            self.bar.stop()

    def report(self, row: Epoch, seconds: float) -> None:
        """Prints an epoch's line; `seconds` is the training alone, without validation."""
        figures = ", ".join(f"{name} {value:.4f}" for name, value in row.items() if name != "epoch")
        self.console.print(
            f"epoch {row['epoch']}/{self.epochs}: {figures}, "
            f"{seconds:.1f} s, {self.batches.examples / seconds:,.0f} {self.batches.unit}/s",
            highlight=False,
            soft_wrap=True,
        )

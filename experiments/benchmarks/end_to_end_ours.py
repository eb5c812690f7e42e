"""The system of `end_to_end` that is keras_rnn: its public functions, as README has them.

A run validates and saves its model after each epoch; the 1 % of the rows that it validates on are not trained on. The
clock stops at the line of the last epoch, after both.
"""

import dataclasses
import tempfile
import time
from pathlib import Path

import end_to_end_case
import numpy as np
from rich.console import Console

import keras_rnn
from keras_rnn.training import train as _  # noqa: F401  imported lazily otherwise, and imports are counted apart


class Stopwatch:
    """A file that knows when each of its lines was written: `lines`, of (time, text)."""

    def __init__(self):
        self.lines = []

    def write(self, text: str) -> int:
        self.lines.append((time.time(), text))
        return len(text)

    def flush(self) -> None:
        pass


def data_of(task: end_to_end_case.Task) -> keras_rnn.TextDataset:
    options = {} if task.train.endswith(".csv") else {"text_columns": ("text",), "label_column": "label"}
    data = keras_rnn.load_dataset(
        data=Path(task.train).parent, validation_fraction=0.01, limit=task.rows, seed=task.seed, **options
    )
    return dataclasses.replace(data, test=None)


def train(task: end_to_end_case.Task, data: keras_rnn.TextDataset, directory: Path, watch: Stopwatch) -> keras_rnn.Run:
    return keras_rnn.train(
        data,
        out=directory,
        console=Console(file=watch, width=1000),
        model="lesson_tf4_bilstm_2x64",
        num_layers=task.num_layers,
        vocabulary_size=end_to_end_case.VOCABULARY_SIZE,
        max_length=end_to_end_case.MAX_TOKENS,
        epochs=task.epochs,
        batch_size=task.batch_size,
        learning_rate=task.learning_rate,
        learning_rate_decay="cosine",
        seed=task.seed,
    )


def run(task: end_to_end_case.Task):
    folder = tempfile.TemporaryDirectory()
    watch = Stopwatch()
    data = data_of(task)
    train_result = train(task, data, Path(folder.name) / "run", watch)

    def predict(texts: list[str]) -> np.ndarray:
        names = {name: label for label, name in enumerate(train_result.class_names)}
        labels = [names[prediction.label] for prediction in keras_rnn.predict(train_result.directory, texts)]
        folder.cleanup()
        return np.array(labels)

    return [line_time for line_time, line in watch.lines if line.startswith("epoch ")][-1], len(data.train), predict


if __name__ == "__main__":
    end_to_end_case.main(run)

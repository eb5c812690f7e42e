"""What all systems of `end_to_end` have in common: the task, its texts as plain Python reads them, the clock."""

import argparse
import csv
import gzip
import json
import math
import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path

import numpy as np

VOCABULARY_SIZE, EMBEDDING_SIZE, UNITS = 20_000, 128, 64
MAX_TOKENS = 256  # of a text
FINAL_LEARNING_RATE = 0.05  # share of the initial one, at the end of a cosine


@dataclass(frozen=True)
class Task:
    """train, test: files. Of `rows` and `test_rows`, the first after a shuffle; None takes all."""

    train: str
    test: str
    classes: int
    rows: int | None
    test_rows: int | None
    num_layers: int
    epochs: int
    batch_size: int
    learning_rate: float
    seed: int


def train_rows(task: Task) -> tuple[list[str], np.ndarray]:
    return _rows(Path(task.train), task.rows, task.seed)


def test_rows(task: Task) -> tuple[list[str], np.ndarray]:
    return _rows(Path(task.test), task.test_rows, seed=0)


def _rows(path: Path, count: int | None, seed: int) -> tuple[list[str], np.ndarray]:
    """Texts and their labels, counted from 0: CSV of class index and columns of text, or JSON lines, gzipped."""
    if path.suffix == ".csv":
        with open(path, newline="", encoding="utf-8") as file:
            rows = [(" ".join(columns[1:]), int(columns[0]) - 1) for columns in csv.reader(file)]
    else:
        with gzip.open(path, "rt", encoding="utf-8") as file:
            rows = [(row["text"], row["label"]) for row in map(json.loads, file)]
    order = np.random.default_rng(seed).permutation(len(rows))[:count]
    texts, labels = zip(*(rows[row] for row in order), strict=True)
    return list(texts), np.array(labels, np.int32)


def cosine(step: int, steps: int) -> float:
    """Share of the initial learning rate at a step."""
    return FINAL_LEARNING_RATE + (1 - FINAL_LEARNING_RATE) * (1 + math.cos(math.pi * step / steps)) / 2


def bucketed(lengths: Sequence[int], batch_size: int, rng: np.random.Generator) -> Iterator[np.ndarray]:
    """The rows of each batch of an epoch, those of like length together: sorted within shuffled pools of 50 batches."""
    order, lengths = rng.permutation(len(lengths)), np.asarray(lengths)
    pool = 50 * batch_size
    batches = []
    for start in range(0, len(order), pool):
        rows = order[start : start + pool]
        rows = rows[np.argsort(lengths[rows], kind="stable")]
        batches += [rows[offset : offset + batch_size] for offset in range(0, len(rows), batch_size)]
    yield from (batches[index] for index in rng.permutation(len(batches)))


def padded(token_ids: Sequence[np.ndarray], rows: np.ndarray) -> np.ndarray:
    """The token ids of these rows: int32 `(rows, longest)`, right-padded with 0."""
    batch = np.zeros((len(rows), max(len(token_ids[row]) for row in rows)), np.int32)
    for index, row in enumerate(rows):
        batch[index, : len(token_ids[row])] = token_ids[row]
    return batch


def main(run: Callable, before: Callable[[Task], dict] = lambda task: {}) -> None:
    """A system's script: runs the task on the command line, and prints a JSON line of times and accuracy.

    run: from a task to the time at which the last epoch had ended, the rows it was trained on, and a function from
        the test texts to the predicted labels.
    before: what the system finds out before any clock starts: further arguments of `run`.
    """
    parser = argparse.ArgumentParser()
    parser.add_argument("task", help="a Task as JSON")
    parser.add_argument("--started", type=float, required=True, help="time.time() when the process was started")
    arguments = parser.parse_args()
    task = Task(**json.loads(arguments.task))
    import_time = time.time()
    prepared = before(task)
    start_time = time.time()
    end_time, rows, predict = run(task, **prepared)
    texts, labels = test_rows(task)
    answer = {
        "rows": rows,
        "seconds": end_time - start_time,
        "with_imports": end_time - start_time + import_time - arguments.started,
        "accuracy": float((predict(texts) == labels).mean()),
        "note": ", ".join(name for name, value in prepared.items() if value),
    }
    print(json.dumps(answer))


def as_json(task: Task) -> str:
    return json.dumps(asdict(task))

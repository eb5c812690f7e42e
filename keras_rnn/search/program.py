"""The program of a sweep: what all its trials share, in one value that is sent to each process."""

import mmap
import pickle
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import cloudpickle
import keras_tuner

from keras_rnn.files import atomic_write
from keras_rnn.search.space_config import space_from_config

ALIGNMENT = 64  # bytes


@dataclass(frozen=True)
class Program:
    """How a trial is built and trained.

    Args:
        hypermodel: builds and fits the model. Its attribute `data` is set to the sweep's PreparedData, if there is
            one. Its method `should_stop(hp, history)`, if there is one, is called after each epoch. An interrupted
            trial starts again; if the attribute `resumable` is true, it starts from its last complete epoch.
        space: the configuration of the hyperparameters, `HyperParameters.get_config()`.
        objective: a metric that training reports.
        direction: "max" or "min".
        seed: of weights, batches and dropout, the same in every trial.
        fit_arguments: passed on to `HyperModel.fit`.
        batch_size: rows of the batches of token ids for `HyperModel.fit`; None where it makes its own batches.
        threads: processor threads of one trial.
        trial_timeout: largest number of seconds of an attempt, or None.
        keep_checkpoints: whether the last state of a trial is kept, so that other trials can start from it.
    """

    hypermodel: keras_tuner.HyperModel
    space: Mapping[str, Any]
    objective: str
    direction: str
    seed: int = 0
    fit_arguments: Mapping[str, Any] = field(default_factory=dict)
    batch_size: int | None = None
    threads: int = 1
    trial_timeout: float | None = None
    keep_checkpoints: bool = False

    def hyperparameters(self) -> keras_tuner.HyperParameters:
        """The space, with every value at its default."""
        return space_from_config(self.space)


def write_program(program: Program, path: Path) -> None:
    """Writes the program and all objects that it refers to.

    The file holds the code of classes and functions of the user's own script or notebook, not only their names. Numpy
    arrays are stored apart, so that all processes that read the file share them.
    """
    buffers: list[pickle.PickleBuffer] = []
    pickled = cloudpickle.dumps(program, protocol=5, buffer_callback=buffers.append)
    parts = [pickled, *(buffer.raw() for buffer in buffers)]
    with atomic_write(path) as temp_path, open(temp_path, "wb") as file:
        lengths = pickle.dumps([memoryview(part).nbytes for part in parts])
        file.write(len(lengths).to_bytes(8, "little") + lengths)
        for part in parts:
            file.write(bytes(-file.tell() % ALIGNMENT))
            file.write(part)


def read_program(path: Path) -> Program:
    """Reads a program; its arrays are memory-mapped and read-only.

    Only safe for a sweep of the user's own: a pickle can run code.
    """
    with open(path, "rb") as file:
        memory_map = memoryview(mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_READ))
    offset = 8 + int.from_bytes(memory_map[:8], "little")
    parts = []
    for length in pickle.loads(memory_map[8:offset]):
        start = offset + -offset % ALIGNMENT
        offset = start + length
        parts.append(memory_map[start:offset])
    return cloudpickle.loads(parts[0], buffers=parts[1:])

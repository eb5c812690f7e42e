"""What every trial of a sweep shares, in one value that goes to the process of each."""

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
        hypermodel: builds and fits the model. Its attribute `data` is set to the sweep's PreparedData, where there is
            one; a method `should_stop(hp, history)` of it, where it has one, is asked after each epoch. A trial that
            was broken off starts again, or from its last whole epoch if the attribute `resumable` is true.
        space: the configuration of the hyperparameters, `HyperParameters.get_config()`.
        objective: a metric that training reports.
        direction: "max" or "min".
        seed: of weights, batches and dropout, the same in every trial.
        fit_arguments: handed to `HyperModel.fit` as they are.
        batch_size: rows in the batches of token ids handed to `HyperModel.fit`; None where it makes its own.
        threads: of the processor, for one trial.
        trial_timeout: seconds of an attempt, or None.
        keep_checkpoints: whether the last state of a trial stays, for others to start from.
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
        """The space, every value at its default."""
        return space_from_config(self.space)


def write_program(program: Program, path: Path) -> None:
    """Writes the program with all it refers to.

    Classes and functions of the user's own script or notebook go into the file whole, not by name; numpy's arrays stand
    apart from the rest, so that those who read it share them.
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
    """What `write_program` wrote, its arrays memory-mapped and read-only.

    Only for a sweep of one's own: a pickle can run code.
    """
    with open(path, "rb") as file:
        mapped = memoryview(mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_READ))
    offset = 8 + int.from_bytes(mapped[:8], "little")
    parts = []
    for length in pickle.loads(mapped[8:offset]):
        start = offset + -offset % ALIGNMENT
        offset = start + length
        parts.append(mapped[start:offset])
    return cloudpickle.loads(parts[0], buffers=parts[1:])

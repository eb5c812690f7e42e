"""The directory of a training run: its files, and whether a run may train in it.

    config.json       the run's configuration, enough to run it again
    environment.json  machine, versions and times
    vocabulary.json   the tokens, most frequent first, padding and the unknown token left out
    classes.json      facts that the task keeps (`Task.run_files`): of a classifier, the names of its classes
    history.csv       loss and metrics of each epoch; curves.png draws them, logs/ holds them for TensorBoard
    model.keras       the best epoch's model: strings in, logits out
    sample_texts.json 16 texts of the test split (of the validation split where there is none) and its longest one;
                      an export is checked and warmed up on them, and carries them
    evaluation-SPLIT.json and a picture   the figures of each split that was not trained on
    metrics.json      validation and test metrics; written last, so a run that has it is complete

While a run goes on, checkpoint.npz holds its state after the last complete epoch, and cache/ holds the token ids. After
the final epoch checkpoint.npz holds the history alone.
"""

import json
import os
import platform
import re
import sys
import zipfile
from dataclasses import dataclass
from functools import cached_property
from importlib.metadata import version
from pathlib import Path
from typing import Any

import keras

import keras_rnn.models
import keras_rnn.text.vectorizer  # noqa: F401  registers the layers that a model file may name
from keras_rnn.errors import UsageError
from keras_rnn.files import make_folder, remove_debris, write_json
from keras_rnn.layers import FUSED
from keras_rnn.tasks import Task, get_task, load_tasks
from keras_rnn.training.config import RunConfig, config_from_dict, config_to_dict, differences

CONFIG, ENVIRONMENT, METRICS = "config.json", "environment.json", "metrics.json"
HISTORY, SAMPLE_TEXTS = "history.csv", "sample_texts.json"
MODEL, CHECKPOINT, CURVES = "model.keras", "checkpoint.npz", "curves.png"
CACHE, LOGS = "cache", "logs"
PACKAGES = ("keras_rnn", "tensorflow", "keras", "numpy")


@dataclass(frozen=True)
class Run:
    """A complete run directory. The facts of its task are attributes, too: a classifier's `class_names`."""

    directory: Path

    @cached_property
    def config(self) -> RunConfig:
        return read_config(self.directory)

    @property
    def task(self) -> Task:
        return get_task(self.config.task)

    @cached_property
    def facts(self) -> dict[str, tuple[str, ...]]:
        """The facts about the data that the task saved, by name."""
        return read_facts(self.directory, self.task)

    def __getattr__(self, name: str) -> tuple[str, ...]:
        if name.startswith("_") or name not in self.task.run_files:
            raise AttributeError(f"a run has no attribute {name!r}")
        return self.facts[name]

    @cached_property
    def metrics(self) -> dict[str, Any]:
        """The figures of each split by name; "best_epoch" and "epochs", counted from 1."""
        metrics = _read_json(self.directory / METRICS)
        if not isinstance(metrics, dict) or not {"best_epoch", "epochs", "validation"} <= set(metrics):
            raise UsageError(f"{self.directory / METRICS} does not hold the metrics of a run")
        return metrics

    @cached_property
    def sample_texts(self) -> list:
        """Inputs of the test split; none in a run of an older version, which did not save them."""
        path = self.directory / SAMPLE_TEXTS
        texts = _read_json(path) if path.is_file() else []
        if not isinstance(texts, list) or not all(_is_text(text) for text in texts):
            raise UsageError(f"{path} takes a list of texts")
        return texts

    @cached_property
    def model(self) -> keras.Model:
        """The model: strings in, float32 logits out."""
        return self.load_model()

    def load_model(self) -> keras.Model:
        """A new copy of the model."""
        path = self.directory / MODEL
        model = load_text_model(path)
        self.task.network.check_model(model, self.facts, path)
        return model


def _is_text(value: Any) -> bool:
    """Whether it is a string, or a list of tokens."""
    return isinstance(value, str) or (isinstance(value, list) and all(isinstance(token, str) for token in value))


def read_facts(directory: Path, task: Task) -> dict[str, tuple[str, ...]]:
    """The facts about the data that a task saved in a run directory, by name."""
    facts = {}
    for name, file in task.run_files.items():
        values = _read_json(directory / file)
        if not isinstance(values, list) or not all(isinstance(value, (str, int, float)) for value in values):
            raise UsageError(f"{directory / file} takes a list of strings or numbers")
        facts[name] = tuple(values)
    return facts


def open_run(directory: str | Path) -> Run:
    """The run in `directory`.

    Raises:
        UsageError: there is none, or it is not complete.
    """
    directory = Path(directory)
    if not directory.is_dir():
        raise UsageError(f"no run directory {directory}")
    if not (directory / CONFIG).is_file():
        raise UsageError(f"{directory} is no run directory: it has no {CONFIG}")
    if not (directory / METRICS).is_file():
        raise UsageError(f"the run in {directory} is not complete; its train command with --resume finishes it")
    return Run(directory)


def load_text_model(path: str | Path) -> keras.Model:
    """A `.keras` file that keras_rnn wrote, loaded in safe mode: strings in, float32 logits out.

    Raises:
        UsageError: it is missing, damaged, unsafe, or takes no strings.
    """
    path = Path(path)
    if not path.is_file():
        raise UsageError(f"no model file {path}")
    if not zipfile.is_zipfile(path):
        raise UsageError(f"{path} is no model file of keras_rnn: it is no zip archive")
    load_tasks()  # whose import registers the layers that their models' files name
    try:
        model = keras.saving.load_model(path, custom_objects=FUSED, compile=False, safe_mode=True)
    except Exception as error:  # whatever Keras makes of a foreign file
        cause: BaseException = error
        while cause.__context__ is not None:  # the first one says most
            cause = cause.__context__
        reason = (str(cause).strip() or type(cause).__name__).splitlines()[0]
        raise UsageError(f"{path} is no model file of keras_rnn: {reason}") from error
    inputs = getattr(model, "inputs", None) or []
    if len(inputs) != 1 or inputs[0].dtype != "string":
        raise UsageError(f"{path} is no text model of keras_rnn: it takes {[i.dtype for i in inputs]}, not one string")
    return model


def read_config(directory: Path) -> RunConfig:
    """The config of the run in `directory`; UsageError where the file is missing or holds something else."""
    try:
        return config_from_dict(_read_json(directory / CONFIG))
    except UsageError as error:
        raise UsageError(f"{directory / CONFIG}: {error}") from None


def claim(config: RunConfig, out: str | Path | None, name: str, resume: bool) -> Path:
    """The directory to train in, made if need be, holding exactly `config`.

    Without `out` it is `runs/{name}-{number}`: the next free number, or with `resume` the newest run of this
    config.

    Raises:
        UsageError: the directory holds something else, another config, or a run and `resume` is not set.
    """
    directory = Path(out) if out is not None else _numbered_directory(Path("runs"), name, config if resume else None)
    if directory.exists() and not directory.is_dir():
        raise UsageError(f"{directory} takes a directory, but is a file")
    if (directory / CONFIG).is_file():
        existing_config = read_config(directory)
        if changes := differences(existing_config, config):
            raise UsageError(f"{directory} holds a run of another config: {'; '.join(changes)}")
        if not resume:
            raise UsageError(f"{directory} holds a run already; add --resume to go on with it, or give another --out")
    elif directory.is_dir() and _holds_foreign_files(directory):
        raise UsageError(f"{directory} is not empty and holds no run; give another --out")
    make_folder(directory, "run directory")
    remove_debris(directory)
    if not (directory / CONFIG).is_file():
        write_json(directory / CONFIG, config_to_dict(config))
    return directory


def abandon(directory: Path) -> None:
    """Undoes `claim` for a run that could not begin, unless there is more in the directory."""
    if [entry.name for entry in directory.iterdir()] == [CONFIG]:
        (directory / CONFIG).unlink()
        directory.rmdir()


def _holds_foreign_files(directory: Path) -> bool:
    return any(not re.fullmatch(r"\..*\.tmp.*", entry.name) for entry in directory.iterdir())


def _numbered_directory(parent: Path, name: str, resumed_config: RunConfig | None) -> Path:
    slug = re.sub(r"[^A-Za-z0-9_.-]+", "_", name)
    run_folders = {
        int(entry.name[len(slug) + 1 :]): entry
        for entry in parent.glob(f"{slug}-*")
        if entry.name[len(slug) + 1 :].isdigit()
    }
    if resumed_config is not None:
        for number in sorted(run_folders, reverse=True):
            config = run_folders[number] / CONFIG
            if config.is_file() and _is_of_config(run_folders[number], resumed_config):
                return run_folders[number]
    return parent / f"{slug}-{max(run_folders, default=0) + 1}"


def _is_of_config(directory: Path, config: RunConfig) -> bool:
    try:
        return read_config(directory) == config
    except UsageError:  # a run of a later version, or of a model that is registered no more
        return False


def write_environment(directory: Path, **facts) -> None:
    """Machine and versions into environment.json, with these `facts`."""
    write_json(
        directory / ENVIRONMENT,
        {
            "python": platform.python_version(),
            "platform": platform.platform(),
            "processor": _processor(),
            "cores": os.cpu_count(),
            **{package: version(package) for package in PACKAGES},
            "command": [Path(sys.argv[0]).name, *sys.argv[1:]],
            **facts,
        },
    )


def _processor() -> str:
    cpuinfo = Path("/proc/cpuinfo")
    if cpuinfo.exists():
        for line in cpuinfo.read_text().splitlines():
            if line.startswith("model name"):
                return line.split(":", 1)[1].strip()
    return platform.processor()


def _read_json(path: Path):
    try:
        return json.loads(path.read_text(encoding="utf-8"))
    except FileNotFoundError:
        raise UsageError(f"no file {path}") from None
    except ValueError as error:
        raise UsageError(f"{path} is not JSON text: {error}") from None

"""The plan of a sweep: everything that must stay the same when the sweep is resumed."""

import dataclasses
import hashlib
import json
import shutil
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import keras_tuner
import numpy as np

from keras_rnn.datasets import DataOptions, Dataset
from keras_rnn.errors import UsageError, unknown_name
from keras_rnn.files import make_folder, remove_debris, write_json
from keras_rnn.search import layout
from keras_rnn.search.algorithms import get_algorithm
from keras_rnn.search.hypermodel import RunHyperModel
from keras_rnn.search.journal import locked
from keras_rnn.search.run_trial import check_objective
from keras_rnn.search.space import check_names, search_space
from keras_rnn.search.space_config import space_config, space_differences, space_from_config
from keras_rnn.tasks import DEFAULT_TASK, get_contract, get_task
from keras_rnn.training.config import RunConfig, config_from_dict, config_to_dict, run_config
from keras_rnn.training.config import differences as config_differences

# The keys of sweep.json.
IDENTITY_FIELDS = ("algorithm", "objective", "direction", "hypermodel", "config", "fingerprint", "space")


@dataclass(frozen=True)
class Plan:
    """The search: models, space, objective, algorithm and data.

    Args:
        hypermodel: builds and fits the models.
        is_builtin: whether the hypermodel is that of keras_rnn's own models.
        hyperparameters: the space; with a user's HyperModel, the part that was declared beforehand.
        objective: the metric and its direction.
        algorithm: its registered name.
        config: the options for data, text and training that all trials share.
        fingerprint: a digest of data that may change under the same name; else "".
    """

    hypermodel: keras_tuner.HyperModel
    is_builtin: bool
    hyperparameters: keras_tuner.HyperParameters
    objective: keras_tuner.Objective
    algorithm: str
    config: RunConfig
    fingerprint: str = ""

    def identity(self) -> dict[str, Any]:
        """The content of sweep.json."""
        return {
            "algorithm": self.algorithm,
            "objective": self.objective.name,
            "direction": self.objective.direction,
            "hypermodel": None if self.is_builtin else self.hypermodel.name or type(self.hypermodel).__name__,
            "config": config_to_dict(self.config),
            "fingerprint": self.fingerprint,
            "space": space_config(self.hyperparameters),
        }


def make_plan(
    options: Mapping[str, Any],
    *,
    dataset: Dataset | None,
    hypermodel: keras_tuner.HyperModel | Callable | None,
    hyperparameters: keras_tuner.HyperParameters | None,
    objective: str | keras_tuner.Objective | None,
    algorithm: str,
    hidden_size_per_layer: bool,
) -> Plan:
    """The plan of these arguments of `keras_rnn.tune`; UsageError where they do not fit together."""
    get_algorithm(algorithm)  # UsageError where there is none
    task = get_task(options.get("task", DEFAULT_TASK))
    default = task.objective
    if hypermodel is None and isinstance(objective, str):
        check_objective(objective, task.reported_metrics)
    if objective is None:
        objective = default.metric
    if isinstance(objective, str) and objective in task.reported_metrics:
        objective = keras_tuner.Objective(objective, task.reported_metrics[objective])
    objective = _objective(objective)
    if hypermodel is not None:
        allowed_options = options_with_hypermodel(task.name)
        for option in options:
            if option not in allowed_options:
                raise unknown_name("option beside a HyperModel", option, allowed_options)
        if hidden_size_per_layer:
            raise UsageError(
                "hidden_size_per_layer is of keras_rnn's own models, and this sweep has another HyperModel"
            )
        space = hyperparameters.copy() if hyperparameters is not None else keras_tuner.HyperParameters()
        config = run_config(**options)
        digest = fingerprint(config, dataset)
        return Plan(_hypermodel(hypermodel), False, space, objective, algorithm, config, digest)
    fixed, space = search_space(options, hidden_size_per_layer)
    for hyperparameter in hyperparameters.space if hyperparameters is not None else ():
        if hyperparameter.name in options:
            raise UsageError(f"{hyperparameter.name} is given twice: as an option and among the hyperparameters")
        space.merge([hyperparameter], overwrite=False)
    config = run_config(**fixed)
    check_names(space, config.model.model)
    digest = fingerprint(config, dataset)
    return Plan(RunHyperModel(fixed), True, space, objective, algorithm, config, digest)


def options_with_hypermodel(task: str) -> list[str]:
    """The options that can be combined with a HyperModel of the user's."""
    kinds = DataOptions, get_contract(task).TEXT_OPTIONS
    names = [field.name for kind in kinds for field in dataclasses.fields(kind)]
    return ["task", *names, "epochs", "batch_size", "seed"]


def fingerprint(config: RunConfig, dataset: Dataset | None) -> str:
    """A digest of a dataset in memory, or of the names and sizes of its files; "" for a dataset known by name."""
    digest = hashlib.sha256()
    if dataset is not None:
        for split in (dataset.train, dataset.validation):
            for column in split.columns.values():
                digest.update(_column_bytes(column))
    elif config.data.data is not None:
        path = Path(config.data.data)
        for file in sorted(path.rglob("*")) if path.is_dir() else [path]:
            if file.is_file():
                digest.update(f"{file.relative_to(path)}\0{file.stat().st_size}\0".encode())
    else:
        return ""
    return digest.hexdigest()


def _column_bytes(column: Sequence) -> bytes:
    if len(column) and isinstance(column[0], (int, float, np.number)):
        is_fraction = isinstance(column[0], (float, np.floating))
        return np.asarray(column, np.float64 if is_fraction else np.int64).tobytes()
    rows = (row if isinstance(row, str) else "\x01".join(row) for row in column)
    return "\0".join(rows).encode(errors="surrogatepass")


def _objective(objective: str | keras_tuner.Objective) -> keras_tuner.Objective:
    if not isinstance(objective, (str, keras_tuner.Objective)):
        raise UsageError(f"objective takes the name of a metric or a keras_tuner.Objective, got {objective!r}")
    try:
        # An oracle knows the direction of most metrics.
        return keras_tuner.oracles.RandomSearchOracle(objective=objective).objective
    except ValueError:
        raise UsageError(
            f'objective {objective!r} may be better high or low; keras_tuner.Objective({objective!r}, "max") says which'
        ) from None


def _hypermodel(hypermodel: keras_tuner.HyperModel | Callable) -> keras_tuner.HyperModel:
    if isinstance(hypermodel, keras_tuner.HyperModel):
        return hypermodel
    if not callable(hypermodel):
        raise UsageError(f"hypermodel takes a keras_tuner.HyperModel or a function, got {hypermodel!r}")
    wrapper = keras_tuner.HyperModel(name=getattr(hypermodel, "__name__", None))
    wrapper.build = hypermodel
    return wrapper


@contextmanager
def claim_directory(plan: Plan, directory: Path) -> Iterator[None]:
    """Locks the sweep's directory, which is new or holds this sweep. A UsageError removes a new directory again.

    Raises:
        UsageError: the directory holds another sweep, whose differences are listed, or other files, or is in use.
    """
    if directory.exists() and not directory.is_dir():
        raise UsageError(f"{directory} takes a directory, but is a file")
    sweep = directory / layout.SWEEP
    if not sweep.is_file() and directory.is_dir() and {entry.name for entry in directory.iterdir()} - {layout.LOCK}:
        raise UsageError(f"{directory} is not empty and holds no sweep; give another directory")
    is_new_directory = not directory.exists()
    make_folder(directory, "sweep's directory")
    with locked(directory / layout.LOCK):
        remove_debris(directory)
        is_new_sweep = not (directory / layout.JOURNAL).is_file()  # no trial has been created yet
        if is_new_sweep:
            _clear_directory(directory)
            write_json(sweep, plan.identity())
        elif changes := _differences(read_identity(directory), plan.identity()):
            raise UsageError(f"{directory} holds another sweep: {'; '.join(changes)}; give another directory")
        try:
            yield
        except UsageError:
            if not (directory / layout.JOURNAL).exists():
                _clear_directory(directory)
                if is_new_directory:
                    (directory / layout.LOCK).unlink()
                    directory.rmdir()
            raise


def _clear_directory(directory: Path) -> None:
    for entry in (layout.SWEEP, layout.PROGRAM, layout.EXPLORED):
        (directory / entry).unlink(missing_ok=True)
    shutil.rmtree(directory / layout.DATA, ignore_errors=True)


def read_identity(directory: Path) -> dict[str, Any]:
    """The content of sweep.json; UsageError where the file is missing or not valid."""
    path = directory / layout.SWEEP
    if not path.is_file():
        raise UsageError(f"no sweep in {directory}: it has no {layout.SWEEP}")
    try:
        identity = json.loads(path.read_text(encoding="utf-8"))
        config_from_dict(identity["config"])
        space_from_config(identity["space"])
        return {name: identity[name] for name in IDENTITY_FIELDS}
    except (ValueError, KeyError, TypeError) as error:
        raise UsageError(f"{path} does not describe a sweep: {error}") from None


def _differences(previous: Mapping[str, Any], current: Mapping[str, Any]) -> list[str]:
    lines = [
        f"{name} was {previous[name]!r}, now {current[name]!r}"
        for name in ("algorithm", "objective", "direction", "hypermodel")
        if previous[name] != current[name]
    ]
    if previous["fingerprint"] != current["fingerprint"]:
        lines.append("the data has changed")
    lines += config_differences(config_from_dict(previous["config"]), config_from_dict(current["config"]))
    return lines + space_differences(previous["space"], current["space"])

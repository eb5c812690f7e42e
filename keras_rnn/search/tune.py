"""The function `keras_rnn.tune`: from options to a sweep in a directory."""

import dataclasses
import shutil
import signal
import sys
import threading
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import keras_tuner
from rich.console import Console

from keras_rnn.datasets import DataOptions, Dataset
from keras_rnn.errors import UsageError
from keras_rnn.search import layout
from keras_rnn.search.algorithms import get_algorithm
from keras_rnn.search.plan import Plan, claim_directory, make_plan
from keras_rnn.search.report import write_report
from keras_rnn.search.run_sweep import TrialData, run_sweep
from keras_rnn.search.settings import Settings
from keras_rnn.search.sweep import Sweep
from keras_rnn.training.config import differences
from keras_rnn.training.run_directory import CONFIG, Run, read_config
from keras_rnn.training.train import train


class SearchFailedError(RuntimeError):
    """Every trial of a sweep failed."""


def tune(
    dataset: str | Dataset | None = None,
    *,
    hypermodel: keras_tuner.HyperModel | Callable | None = None,
    hyperparameters: keras_tuner.HyperParameters | None = None,
    fit_arguments: Mapping[str, Any] | None = None,
    objective: str | keras_tuner.Objective | None = None,
    algorithm: str = "random",
    max_trials: int | None = None,
    out: str | Path | None = None,
    workers: int | None = None,
    gpus: int | None = None,
    executor: str = "process",
    ray_address: str | None = None,
    reuse_workers: bool = False,
    retries: int = 1,
    trial_timeout: float | None = None,
    train_best: bool = False,
    hidden_size_per_layer: bool = False,
    console: Console | None = None,
    **options: Any,
) -> Sweep:
    """Searches hyperparameters. Each trial has its own process. The same call resumes an interrupted sweep.

    `tune("imdb_reviews", cell=["lstm", "gru"], num_layers=[1, 2], hidden_size=[32, 64, 128], epochs=3, workers=2)`

    Args:
        dataset: as `keras_rnn.train` takes it; None for a HyperModel with its own data.
        hypermodel: a keras-tuner HyperModel (or a function from hyperparameters to a compiled model), in place of
            keras_rnn's own models. With a dataset its attribute `data` is the PreparedData, and `fit` gets batches of
            inputs and targets, such as int32 token ids `(batch, time)` and labels; else `fit` gets `fit_arguments`.
        hyperparameters: the space or a part of it, in place of lists and ranges among the options.
        fit_arguments: more arguments of `HyperModel.fit`, such as x, y and validation_data.
        objective: a metric that training reports, or a keras_tuner.Objective; by default the task's.
        algorithm: a name of `keras_rnn.list_algorithms`: "random", "grid", "hyperband" (of at most `epochs` epochs),
            "bayesian".
        max_trials: most trials; by default 10 for random and bayesian, no limit for grid and hyperband.
        out: the sweep's directory (see `keras_rnn.search.layout`); by default sweeps/DATASET-MODEL-ALGORITHM.
        workers: trials at a time; by default one, or one a GPU. They share the cores evenly.
        gpus: how many of the visible GPUs to use, one for each trial; by default all. 0: none.
        executor: "process", on this machine, or "ray", on a cluster.
        ray_address: the address of a running cluster; by default RAY_ADDRESS, else Ray is started on this machine.
        reuse_workers: whether trials share a process: quicker for tiny trials, but its memory may grow.
        retries: how often a trial that raised an error, or whose process died, is started again.
        trial_timeout: most seconds of an attempt.
        train_best: whether to train the best trial again, into the run directory `best`.
        hidden_size_per_layer: whether each layer has its own hidden_size.
        console: shows the progress; by default standard error.
        options: those of `keras_rnn.train`. Of the model's hyperparameters, batch_size, learning_rate,
            learning_rate_decay and clip_norm, a list is a choice and a `keras_rnn.Range` (or "low:high[:log]") a
            range; the others are single values.

    Returns:
        The sweep.

    Raises:
        UsageError: an option or the directory cannot be used. It is raised before any trial starts.
        SearchFailedError: no trial completed.
    """
    dataset_object = dataset if isinstance(dataset, Dataset) else None
    plan = make_plan(
        _with_dataset(options, dataset),
        dataset=dataset_object,
        hypermodel=hypermodel,
        hyperparameters=hyperparameters,
        objective=objective,
        algorithm=algorithm,
        hidden_size_per_layer=hidden_size_per_layer,
    )
    if max_trials is None:
        max_trials = get_algorithm(algorithm).default_trials
    settings = Settings(max_trials, workers, gpus, executor, ray_address, reuse_workers, retries, trial_timeout)
    if not plan.is_builtin and train_best:
        raise UsageError("train_best trains keras_rnn's own models again, and this sweep has another HyperModel")
    if plan.is_builtin and fit_arguments:
        raise UsageError("fit_arguments takes a hypermodel beside it: keras_rnn's own models train on the dataset")
    is_prepared = plan.is_builtin or dataset is not None or "data" in options
    data = TrialData(is_prepared, dataset_object, fit_arguments or {})
    directory = Path(out) if out is not None else _default_directory(plan, data)
    console = console or Console(stderr=True, markup=False)
    with _exit_on_sigterm(), claim_directory(plan, directory):
        console.print(f"sweep directory: {directory}", highlight=False, soft_wrap=True)
        try:
            trials = run_sweep(plan, settings, data, directory, console)
        except (KeyboardInterrupt, SystemExit):
            console.print("stopped; the same command goes on with the sweep", highlight=False)
            raise
        if max_trials is not None and len(trials) < max_trials:
            console.print(f"{algorithm} found no other trials than these {len(trials)}", highlight=False)
        sweep = Sweep(directory, trials, plan.objective.name, plan.objective.direction)
        write_report(directory, trials, sweep.objective, sweep.direction)
        if sweep.best is None:
            raise SearchFailedError(_failure_summary(sweep))
        if train_best:
            sweep = dataclasses.replace(sweep, run=_train_best(plan, sweep, dataset_object, console))
    return sweep


def _with_dataset(options: Mapping[str, Any], dataset: str | Dataset | None) -> dict[str, Any]:
    if not isinstance(dataset, Dataset):
        return {**options, "dataset": dataset}
    rejected = [field.name for field in dataclasses.fields(DataOptions) if field.name in options]
    if rejected:
        raise UsageError(f"a Dataset comes divided; it takes no {rejected[0]}, which is for loading one")
    return {**options, "dataset": dataset.name}


def _default_directory(plan: Plan, data: TrialData) -> Path:
    name = plan.config.model.model if plan.is_builtin else plan.identity()["hypermodel"]
    return Path("sweeps") / "-".join([plan.config.data.name] * data.is_prepared + [name, plan.algorithm])


@contextmanager
def _exit_on_sigterm() -> Iterator[None]:
    """Makes SIGTERM run every `finally`, as Ctrl-C does."""
    if threading.current_thread() is not threading.main_thread():
        yield
        return
    previous_handler = signal.signal(signal.SIGTERM, lambda number, frame: sys.exit(128 + number))
    try:
        yield
    finally:
        signal.signal(signal.SIGTERM, previous_handler)


def _failure_summary(sweep: Sweep) -> str:
    if not sweep.trials:
        return f"the sweep in {sweep.directory} has no trial"
    last_trial = sweep.trials[-1]
    result = last_trial.result
    path = layout.trial_folder(sweep.directory, last_trial.job.trial_id) / layout.ERROR_TEXT
    return f"all {len(sweep.trials)} trials failed, the last of them: {result.failure}: {result.error}; see {path}"


def _train_best(plan: Plan, sweep: Sweep, dataset: Dataset | None, console: Console) -> Run:
    """The run of the best trial, in `best`. It replaces the run of an earlier best trial."""
    folder = sweep.directory / layout.BEST
    config = plan.hypermodel.config(sweep.best.job.values)  # type: ignore[union-attr]  # one has completed
    if (folder / CONFIG).is_file() and differences(read_config(folder), config):
        shutil.rmtree(folder)
    options = {**plan.hypermodel.options, **sweep.best_options}
    if dataset is not None:
        options["dataset"] = dataset
    return train(out=folder, resume=(folder / CONFIG).is_file(), console=console, **options)

"""The work before the first trial, in its own process: checks, token ids, exploration of a HyperModel.

The driver never computes with TensorFlow, so it needs no memory for that and leaves the GPUs to the trials.
"""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import keras
import keras_tuner
import tensorflow as tf

from keras_rnn.datasets import Dataset
from keras_rnn.errors import UsageError
from keras_rnn.search import layout
from keras_rnn.search.hypermodel import RunHyperModel
from keras_rnn.search.program import Program, read_program
from keras_rnn.search.run_trial import check_objective, fit_arguments, metric_rows, set_up_device
from keras_rnn.search.space_config import space_config, space_from_config
from keras_rnn.search.space_values import covering_values
from keras_rnn.tasks.prepared import PreparedData
from keras_rnn.training.config import RunConfig
from keras_rnn.training.prepare import MANIFEST, open_prepared, prepare_configured
from keras_rnn.training.token_model import check_hyperparameters

MAX_BUILDS = 50  # of a user's HyperModel, before the first trial


def check_models(options: dict[str, Any], space: dict[str, Any], report: Callable) -> None:
    """Builds keras_rnn's own model with each hyperparameter value at least once; UsageError where it refuses one."""
    tf.config.set_visible_devices([], "GPU")
    hypermodel = RunHyperModel(options)
    for values in covering_values(space_from_config(space)):
        check_hyperparameters(hypermodel.config(values))


def prepare_data(config: RunConfig, dataset: Dataset | None, folder: Path, report: Callable) -> str:
    """Prepares the token ids, unless the folder holds them, and returns a line that describes them."""
    tf.config.set_visible_devices([], "GPU")
    is_prepared = (folder / MANIFEST).is_file()
    return str(open_prepared(folder) if is_prepared else prepare_configured(config, folder, dataset))


def explore_space(directory: Path, report: Callable) -> dict[str, Any]:
    """Builds a user's HyperModel and fits it for one step, to find its whole space and the names of its metrics.

    Returns:
        The configuration of all its hyperparameters, including those that `build` declares.

    Raises:
        UsageError: `build` or `fit` raises, or training never reports the objective.
    """
    program = read_program(directory / layout.PROGRAM)
    set_up_device(program.threads)
    folder = directory / layout.DATA
    data = open_prepared(folder) if (folder / MANIFEST).is_file() else None
    if data is not None:
        program.hypermodel.data = data
    space = declared_space(program.hypermodel, program.hyperparameters())
    if not space.space:
        raise UsageError("nothing to search: neither the HyperModel nor `hyperparameters` declares a hyperparameter")
    _check_objective(program, data, space)
    return space_config(space)


def declared_space(
    hypermodel: keras_tuner.HyperModel, space: keras_tuner.HyperParameters
) -> keras_tuner.HyperParameters:
    """The whole space that `build` declares. `build` is called until each value of each hyperparameter has been tried.

    This finds hyperparameters that `build` declares only for some values of others, and values that it refuses.
    """
    tried_values: list[dict] = []
    while untried_values := [values for values in covering_values(space) or [{}] if values not in tried_values]:
        hp = space.copy()
        hp.values = dict(untried_values[0])  # the other sets may lack hyperparameters that this call declares
        _build(hypermodel, hp)
        space.merge(hp.space, overwrite=False)  # True would add each of them twice
        tried_values.append(untried_values[0])
        keras.backend.clear_session()
        if len(tried_values) == MAX_BUILDS:
            break
    return space


def _build(hypermodel: keras_tuner.HyperModel, hp: keras_tuner.HyperParameters) -> keras.Model:
    try:
        model = hypermodel.build(hp)
    except Exception as error:
        raise UsageError(f"HyperModel.build raises {type(error).__name__}: {error} (with {hp.values})") from error
    if not isinstance(model, keras.Model):
        raise UsageError(f"HyperModel.build takes to return a keras.Model, got {type(model).__name__}")
    return model


class _StopAfterFirstStep(BaseException):  # no `except Exception` in a user's fit catches it
    pass


class _FirstStep(keras.callbacks.Callback):
    def on_train_batch_end(self, batch, logs=None):
        self.metric_names = list(logs or ())
        raise _StopAfterFirstStep


def _check_objective(program: Program, data: PreparedData | None, space: keras_tuner.HyperParameters) -> None:
    hp = space.copy()
    hp.values = covering_values(space)[0]  # the defaults, which a space declared beforehand lacks
    model = _build(program.hypermodel, hp)
    first_step = _FirstStep()
    arguments = {"verbose": 0, **fit_arguments(program, data, 0)}
    callbacks = [*arguments.pop("callbacks", ()), first_step]
    try:
        fit_output = program.hypermodel.fit(hp, model, epochs=1, initial_epoch=0, callbacks=callbacks, **arguments)
        metric_names = [name for row in metric_rows(fit_output, program) for name in row]
    except _StopAfterFirstStep:
        metric_names = [*first_step.metric_names, *(f"val_{name}" for name in first_step.metric_names)]
    except Exception as error:
        raise UsageError(f"HyperModel.fit raises {type(error).__name__}: {error}") from error
    check_objective(program.objective, dict.fromkeys(metric_names))

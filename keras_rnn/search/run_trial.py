"""Runs one trial in its own process: builds, trains, reports. An error becomes a result, too."""

import contextlib
import errno
import math
import resource
import time
import traceback
from collections.abc import Callable, Iterable, Mapping
from numbers import Real
from pathlib import Path
from typing import Any

import keras
import tensorflow as tf

from keras_rnn.errors import UsageError
from keras_rnn.search import layout
from keras_rnn.search.program import Program
from keras_rnn.search.trial import ERROR, NAN_LOSS, NO_SPACE, OUT_OF_MEMORY, TIME_OUT, Job, Result, time_out_message
from keras_rnn.tasks.batches import training_batches, validation_batches
from keras_rnn.tasks.prepared import PreparedData
from keras_rnn.training.checkpoint import load_checkpoint, save_checkpoint
from keras_rnn.training.device import gpu_names, grow_gpu_memory

NO_SPACE_ERRORS = {errno.ENOSPC, errno.EDQUOT, errno.EROFS}


class TrialFailure(Exception):
    """A failure with its own name; `failure` is a constant of `keras_rnn.search.trial`."""

    def __init__(self, failure: str, message: str):
        super().__init__(message)
        self.failure = failure


def set_up_device(threads: int) -> None:
    """Sets TensorFlow's threads, and lets GPU memory grow. Has no effect after TensorFlow has computed."""
    grow_gpu_memory()
    with contextlib.suppress(RuntimeError):  # the process has run a trial before
        tf.config.threading.set_intra_op_parallelism_threads(threads)
        tf.config.threading.set_inter_op_parallelism_threads(threads)


def run_trial(
    program: Program,
    data: PreparedData | None,
    job: Job,
    directory: Path,
    source: Path | None = None,
    report: Callable[[Mapping[str, float]], None] = lambda row: None,
) -> Result:
    """Runs one attempt at a trial. It resumes from the checkpoint of an earlier attempt in `directory`.

    Args:
        program: what the trials share.
        data: token ids, or None if the HyperModel has its own data.
        job: the trial.
        directory: the trial's folder. Its checkpoint stays there if the program keeps them or the attempt failed.
        source: the checkpoint of the trial `job.source`.
        report: called with the row of each epoch.

    Returns:
        The result. Only KeyboardInterrupt and SystemExit leave this function as exceptions.
    """
    start_time = time.perf_counter()
    _reset_peak_memory()
    checkpoint = directory / layout.CHECKPOINT
    recorder = EpochRecorder(program, checkpoint, report, start_time)
    parameters = space = None
    failure, error, trace = None, "", ""
    try:
        directory.mkdir(parents=True, exist_ok=True)
        set_up_device(program.threads)
        keras.utils.set_random_seed(program.seed)
        tf.config.experimental.enable_op_determinism()
        hp = program.hyperparameters()
        hp.values = dict(job.values)
        if data is not None:
            program.hypermodel.data = data
        model = program.hypermodel.build(hp)
        if not isinstance(model, keras.Model):
            raise TypeError(f"HyperModel.build takes to return a keras.Model, got {type(model).__name__}")
        parameters = model.count_params() if model.built else None
        space = hp.get_config() if len(hp.space) > len(program.space["space"]) else None
        _restore(program, model, recorder, checkpoint, source)
        recorder.ask_hypermodel(program.hypermodel, hp)
        if len(recorder.history) < job.epochs and not recorder.should_stop():
            fit_output = _fit(program, data, hp, model, recorder, job.epochs)
            recorder.add_returned_rows(fit_output)
        parameters = model.count_params()
        if not program.keep_checkpoints:
            checkpoint.unlink(missing_ok=True)
    except TrialFailure as exception:
        failure, error = exception.failure, str(exception)
    except (MemoryError, tf.errors.ResourceExhaustedError) as exception:
        failure, error = OUT_OF_MEMORY, _one_line(exception)
    except Exception as exception:
        is_disk_full = isinstance(exception, OSError) and exception.errno in NO_SPACE_ERRORS
        failure, error, trace = NO_SPACE if is_disk_full else ERROR, _one_line(exception), traceback.format_exc()
    finally:
        keras.backend.clear_session()
    return Result(
        failure=failure,
        error=error,
        traceback=trace,
        history=recorder.history,
        parameters=parameters,
        seconds=time.perf_counter() - start_time + recorder.restored_seconds,
        peak_memory=_peak_memory(),
        device=gpu_names() or f"CPU ({program.threads} thread{'s' if program.threads > 1 else ''})",
        space=space,
    )


def fit_arguments(program: Program, data: PreparedData | None, initial_epoch: int) -> dict[str, Any]:
    """The arguments of `HyperModel.fit` besides epochs and callbacks: the user's own, or batches of token ids."""
    if program.batch_size is None:
        return dict(program.fit_arguments)
    training, validation = data.splits["train"], data.splits["validation"]
    return {
        "x": training_batches(training, program.batch_size, program.seed, initial_epoch),
        "steps_per_epoch": math.ceil(len(training) / program.batch_size),
        "validation_data": validation_batches(validation, program.batch_size),
        "shuffle": False,
        **program.fit_arguments,
    }


def _fit(program: Program, data, hp, model: keras.Model, recorder: "EpochRecorder", epochs: int) -> Any:
    initial_epoch = len(recorder.history)
    arguments = {"verbose": 0, **fit_arguments(program, data, initial_epoch)}
    callbacks = [*arguments.pop("callbacks", ()), recorder]
    return program.hypermodel.fit(
        hp, model, epochs=epochs, initial_epoch=initial_epoch, callbacks=callbacks, **arguments
    )


def _restore(
    program: Program, model: keras.Model, recorder: "EpochRecorder", own_checkpoint: Path, source: Path | None
) -> None:
    """Restores the trial's own checkpoint, else that of its source; does nothing if neither can be used."""
    resumes_own = getattr(program.hypermodel, "resumable", False) and own_checkpoint.is_file()
    checkpoint = own_checkpoint if resumes_own else source
    if checkpoint is None or not checkpoint.is_file() or not model.built or model.optimizer is None:
        return
    if not model.optimizer.built:
        model.optimizer.build(model.trainable_variables)
    recorder.history[:] = load_checkpoint(checkpoint, model)
    recorder.restored_seconds = sum(row["seconds"] for row in recorder.history)


def metric_rows(fit_output: Any, program: Program) -> list[dict[str, float]]:
    """The metrics that `HyperModel.fit` returned, one row for each epoch, as keras-tuner reads them.

    Args:
        fit_output: a History; a dict of metrics; the objective as a number; or a list of these. A list is averaged, and
            a History in it counts with its best epoch.
        program: has the objective.

    Raises:
        TypeError: the value has another type.
    """
    if isinstance(fit_output, keras.callbacks.History):
        figures = zip(*fit_output.history.values(), strict=True)
        return [dict(zip(fit_output.history, map(float, row), strict=True)) for row in figures]
    if isinstance(fit_output, Mapping):
        return [{name: float(value) for name, value in fit_output.items()}]
    if isinstance(fit_output, Real):
        return [{program.objective: float(fit_output)}]
    if isinstance(fit_output, list) and fit_output:
        best = max if program.direction == "max" else min
        parts = [best(metric_rows(part, program), key=lambda row: row[program.objective]) for part in fit_output]
        return [{name: sum(part[name] for part in parts) / len(parts) for name in parts[0]}]
    raise TypeError(
        "HyperModel.fit takes to call the callbacks it is given, or to return a History, a dict of metrics, the "
        f"objective as a number, or a list of these; it returned {type(fit_output).__name__}"
    )


class EpochRecorder(keras.callbacks.Callback):
    """Records the history of a trial, writes its checkpoint after each epoch and enforces its limits.

    Raises TrialFailure if the loss is not finite or the time limit has passed, UsageError if training does not report
    the objective.
    """

    def __init__(self, program: Program, checkpoint: Path, report: Callable, start_time: float):
        super().__init__()
        self.program, self.checkpoint, self.report, self.start_time = program, checkpoint, report, start_time
        self.history: list[dict] = []
        self.restored_seconds = 0.0  # of the epochs restored from a checkpoint
        self.should_stop = lambda: False

    def ask_hypermodel(self, hypermodel, hp) -> None:
        """Makes `should_stop` ask the HyperModel after each epoch, if it has such a method."""
        if hasattr(hypermodel, "should_stop"):
            self.should_stop = lambda: bool(self.history) and hypermodel.should_stop(hp, self.history)

    def on_epoch_begin(self, epoch, logs=None):
        self.epoch_start_time = time.perf_counter()

    def on_train_batch_end(self, batch, logs=None):
        limit = self.program.trial_timeout
        if limit is not None and time.perf_counter() - self.start_time > limit:
            raise TrialFailure(TIME_OUT, time_out_message(limit))
        loss = (logs or {}).get("loss", 0.0)
        if not math.isfinite(loss):
            raise TrialFailure(NAN_LOSS, f"the loss is {loss} in epoch {len(self.history) + 1}, step {batch + 1}")

    def on_epoch_end(self, epoch, logs=None):
        row = {name: float(value) for name, value in logs.items()}
        self._add_row(time.perf_counter() - self.epoch_start_time, row)
        if self.model.optimizer is not None:
            save_checkpoint(self.checkpoint, self.model, self.history)
        if self.should_stop():
            self.model.stop_training = True

    def add_returned_rows(self, fit_output: Any) -> None:
        """Adds the metrics that `HyperModel.fit` returned, if it did not call the callbacks."""
        for row in [] if self.history else metric_rows(fit_output, self.program):
            self._add_row(0.0, row)

    def _add_row(self, seconds: float, metrics: dict[str, float]) -> None:
        objective = self.program.objective
        check_objective(objective, metrics)
        # Epochs are counted here: a HyperModel may call `fit` several times.
        row = {"epoch": len(self.history) + 1, "seconds": seconds, **metrics}
        self.history.append(row)
        for name in {"loss", "val_loss", objective} & set(row):
            if not math.isfinite(row[name]):
                raise TrialFailure(NAN_LOSS, f"{name} is {row[name]} after epoch {row['epoch']}")
        self.report(row)


def check_objective(objective: str, metric_names: Iterable[str]) -> None:
    """UsageError unless training reports the objective."""
    if objective not in metric_names:
        raise UsageError(f"training never reports the objective {objective!r}; it reports {', '.join(metric_names)}")


def _one_line(error: BaseException) -> str:
    text = str(error).strip()
    return f"{type(error).__name__}: {text.splitlines()[0]}" if text else type(error).__name__


def _reset_peak_memory() -> None:
    with contextlib.suppress(OSError):  # on Linux a reused process then measures this trial alone
        Path("/proc/self/clear_refs").write_text("5")


def _peak_memory() -> int:
    """The largest number of resident bytes of this process, shared pages included."""
    with contextlib.suppress(OSError):
        for line in Path("/proc/self/status").read_text().splitlines():
            if line.startswith("VmHWM:"):
                return int(line.split()[1]) * 1024
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss  # bytes on macOS

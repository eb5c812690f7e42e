"""One training run: from texts to a run directory with the best model in it."""

import shutil
import time
from collections.abc import Mapping
from pathlib import Path

import keras
import tensorflow as tf
from rich.console import Console

from keras_rnn.datasets import DataOptions, Dataset
from keras_rnn.errors import UsageError
from keras_rnn.files import atomic_write, write_json
from keras_rnn.layers.forms import compile_ahead
from keras_rnn.tasks import Task, get_task
from keras_rnn.tasks.prepared import PreparedData
from keras_rnn.training import run_directory as run_files
from keras_rnn.training.averaging import averaged_weights
from keras_rnn.training.checkpoint import load_checkpoint, save_checkpoint
from keras_rnn.training.config import RunConfig, path_fields, run_config
from keras_rnn.training.device import device_line, forms_line, grow_gpu_memory, recurrent_layers
from keras_rnn.training.garbage import frozen_gc
from keras_rnn.training.history import Epoch, best_epoch, diverged, should_stop, write_history
from keras_rnn.training.plots import plot_history
from keras_rnn.training.prepare import MANIFEST, open_prepared, prepare_configured
from keras_rnn.training.progress import TrainingProgress
from keras_rnn.training.run_directory import Run
from keras_rnn.training.token_model import check_hyperparameters, compile_model, prepared_model


class TrainingDivergedError(RuntimeError):
    """The loss stopped being a finite number."""


def train(
    dataset: str | Dataset | None = None,
    *,
    out: str | Path | None = None,
    resume: bool = False,
    console: Console | None = None,
    **options,
) -> Run:
    """Trains a network and leaves a run directory with the best epoch's model.

    `train("imdb_reviews", model="bilstm_128", epochs=3, embeddings="glove.6B.50d.txt.gz")`

    Args:
        dataset: a dataset's name, or a Dataset of your own; by default the task's embedded one.
        out: the run directory; by default `runs/DATASET-MODEL-NUMBER`.
        resume: go on with the run there, from its last whole epoch. It ends with the metrics of an unbroken run.
        console: where progress is printed; by default standard error.
        options: `task`, fields of `DataOptions`, of the task's text options, of `ModelOptions` and `TrainingOptions`,
            and hyperparameters of the model (cell, hidden_size, num_layers, bidirectional, ...).

    Returns:
        The complete run.

    Raises:
        UsageError: an option, a file or the directory cannot be used.
        TrainingDivergedError: the loss became NaN or infinite.
    """
    grow_gpu_memory()
    console = console or Console(stderr=True, markup=False)
    dataset_object = dataset if isinstance(dataset, Dataset) else None
    config = run_config(dataset=dataset_object.name if dataset_object else dataset, **options)
    if dataset_object and config.data != DataOptions(dataset=dataset_object.name):
        raise UsageError("a Dataset comes divided; it takes none of the options that load and split a dataset")
    for name in path_fields(config.text):
        path = getattr(config.text, name)
        if path and not Path(path).is_file():
            raise UsageError(f"no {name} file {path}")
    checked_model = check_hyperparameters(config)  # before any data is read
    strategy = _strategy(config)
    directory = run_files.claim(config, out, f"{config.data.name}-{config.model.model}", resume)
    console.print(f"run directory: {directory}", highlight=False, soft_wrap=True)
    if not (directory / run_files.METRICS).is_file():
        start_time = time.perf_counter()
        with frozen_gc():
            try:
                prepared = _open_or_prepare(config, directory, dataset_object, console)
            except UsageError:
                run_files.abandon(directory)
                raise
            with strategy.scope():
                # It compiles while the model is built, which takes one core; tokenising takes all of them.
                compile_ahead(recurrent_layers(checked_model))
            _fit(config, prepared, directory, strategy, console, start_time)
    (directory / run_files.CHECKPOINT).unlink(missing_ok=True)
    shutil.rmtree(directory / run_files.CACHE, ignore_errors=True)
    run = run_files.open_run(directory)
    for split, metrics in run.metrics.items():
        if isinstance(metrics, dict):
            console.print(f"{split}: {figures_line(metrics)}", highlight=False, soft_wrap=True)
    return run


def figures_line(figures: Mapping[str, float]) -> str:
    """ "accuracy 0.9900, loss 0.0310" """
    return ", ".join(f"{name} {value:.4f}" for name, value in figures.items())


def _strategy(config: RunConfig) -> tf.distribute.Strategy:
    if not config.training.multi_gpu:
        return tf.distribute.get_strategy()
    strategy = tf.distribute.MirroredStrategy()
    if config.training.batch_size % strategy.num_replicas_in_sync:
        raise UsageError(
            f"batch_size takes a multiple of the {strategy.num_replicas_in_sync} devices it is spread over, "
            f"got {config.training.batch_size}"
        )
    return strategy


def _open_or_prepare(config: RunConfig, directory: Path, dataset: Dataset | None, console: Console) -> PreparedData:
    start_time = time.perf_counter()
    cache = directory / run_files.CACHE
    is_prepared = (cache / MANIFEST).is_file()
    prepared = open_prepared(cache) if is_prepared else prepare_configured(config, cache, dataset)
    if not is_prepared:
        console.print(f"{prepared}, {time.perf_counter() - start_time:.1f} s", highlight=False, soft_wrap=True)
    return prepared


def _fit(
    config: RunConfig,
    prepared: PreparedData,
    directory: Path,
    strategy: tf.distribute.Strategy,
    console: Console,
    start_time: float,
) -> None:
    keras.utils.set_random_seed(config.training.seed)
    tf.config.experimental.enable_op_determinism()
    task = get_task(config.task)
    for name, file in task.run_files.items():
        write_json(directory / file, list(prepared.facts[name]))

    checkpoint = directory / run_files.CHECKPOINT
    with strategy.scope():
        token_model = prepared_model(config, prepared)
        model = task.network.training_model(token_model, config.training)
        batches = task.network.batches(prepared.splits["train"], model, config.training)
        compile_model(model, config, batches.steps)
        history = load_checkpoint(checkpoint, model) if checkpoint.is_file() else []
        forms = forms_line(token_model)
    device = device_line(token_model, strategy.num_replicas_in_sync)
    for line in (device, forms):
        console.print(line, highlight=False, soft_wrap=True)
    facts = {"device": device, "recurrent_layers": forms, "parameters": token_model.count_params()}
    run_files.write_environment(directory, **facts)
    progress = TrainingProgress(console, config.training.epochs, batches)
    keeper = _EpochKeeper(config, prepared, directory, token_model, history, progress)
    first_epoch = len(history)
    if history:
        console.print(f"going on after epoch {first_epoch}", highlight=False, soft_wrap=True)
    if first_epoch < config.training.epochs and not (
        history and should_stop(history, config.training.patience, task.objective)
    ):
        try:
            model.fit(
                batches.dataset,
                epochs=config.training.epochs,
                initial_epoch=first_epoch,
                callbacks=[batches, keeper, progress],
                shuffle=False,  # the batches come shuffled
                verbose=0,
            )
        finally:
            progress.stop()
    seconds = time.perf_counter() - start_time
    facts["seconds"] = round(seconds, 1)
    if progress.first_step_seconds is not None:
        facts["first_step_seconds"] = round(progress.first_step_seconds, 2)
        # From texts on disk to trained epochs, validation and saving included.
        facts[f"{batches.unit}_per_second"] = round(batches.examples * (len(history) - first_epoch) / seconds)
    _finish(config, prepared, directory, history, facts)


class _EpochKeeper(keras.callbacks.Callback):
    """After each epoch: validates, keeps the best model, the checkpoint and the logs, and stops when it is time.

    It depends on `history` and the model alone, so that a resumed run writes the same files as an unbroken one.
    """

    def __init__(
        self, config, prepared, directory: Path, token_model, history: list[Epoch], progress: TrainingProgress
    ):
        super().__init__()
        self.config, self.directory, self.history, self.progress = config, directory, history, progress
        self.task: Task = get_task(config.task)
        self.validation, self.facts = prepared.splits["validation"], prepared.facts
        # Of the same layers, but not compiled: what is saved carries no optimizer.
        network = keras.Model(token_model.input, token_model.output, name=token_model.name)
        self.saved_model = self.task.network.full_model(network, prepared, config.text, config.model.model)

    def on_train_begin(self, logs=None):
        self.figures = self.task.network.figures_function(self.model, self.facts)
        logs_folder = self.directory / run_files.LOGS
        shutil.rmtree(logs_folder, ignore_errors=True)
        self.tensorboard = tf.summary.create_file_writer(str(logs_folder))
        for row in self.history:
            self._log(row)

    def on_epoch_end(self, epoch, logs=None):
        seconds = self.progress.train_seconds()
        training = {name: float(logs[name]) for name in sorted(logs, key="loss".__ne__)}  # the loss comes first
        objective, patience = self.task.objective, self.config.training.patience
        with averaged_weights(self.model):
            validation = {f"val_{name}": value for name, value in self.figures(self.validation).items()}
            row = {"epoch": epoch + 1, **training, **validation}
            self.history.append(row)
            if diverged(self.history):
                raise TrainingDivergedError(
                    f"the loss of epoch {epoch + 1} is {row['loss']}; a learning_rate below "
                    f"{self.config.training.learning_rate} or a smaller clip_norm may hold it"
                )
            if best_epoch(self.history, objective) == len(self.history) - 1:
                with atomic_write(self.directory / run_files.MODEL) as temp_path:
                    self.saved_model.save(temp_path)
        is_last = epoch + 1 == self.config.training.epochs or should_stop(self.history, patience, objective)
        save_checkpoint(self.directory / run_files.CHECKPOINT, None if is_last else self.model, self.history)
        write_history(self.history, self.directory / run_files.HISTORY)
        self._log(row)
        self.progress.report(row, seconds)
        if is_last:
            self.model.stop_training = True

    def on_train_end(self, logs=None):
        self.tensorboard.close()

    def _log(self, row: dict) -> None:
        with self.tensorboard.as_default(step=row["epoch"]):
            for name, value in row.items():
                if name != "epoch":
                    tf.summary.scalar(name, value)
        self.tensorboard.flush()


def _finish(config: RunConfig, prepared: PreparedData, directory: Path, history: list, facts: dict) -> None:
    task = get_task(config.task)
    best = best_epoch(history, task.objective)
    write_history(history, directory / run_files.HISTORY)
    metrics = ["loss", task.objective.metric.removeprefix("val_")]
    title = f"{config.model.model} on {prepared.name}"
    plot_history(history, best, list(dict.fromkeys(metrics)), directory / run_files.CURVES, title, task.loss_unit)
    model = run_files.load_text_model(directory / run_files.MODEL)
    evaluator = task.evaluation.encoded_evaluator(model, prepared.facts)
    figures = {}
    for name, split in prepared.splits.items():
        if name != "train":
            evaluation = evaluator(split)
            figures[name] = dict(evaluation.figures)
            task.evaluation.write(evaluation, directory, name, config.model.model)
    run_files.write_environment(directory, **facts)
    write_json(directory / run_files.SAMPLE_TEXTS, prepared.samples)
    write_json(directory / run_files.METRICS, {"best_epoch": best + 1, "epochs": len(history), **figures})

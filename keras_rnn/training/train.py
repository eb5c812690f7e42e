"""One training run: from texts to a run directory with the best model in it."""

import shutil
import time
from pathlib import Path

import keras
import tensorflow as tf
from rich.console import Console

from keras_rnn.datasets import TextDataset
from keras_rnn.errors import UsageError
from keras_rnn.files import atomic_write, write_json
from keras_rnn.layers.forms import compile_ahead
from keras_rnn.models import text_model, token_model_of
from keras_rnn.training import run_directory as run_files
from keras_rnn.training.batches import EpochBatches
from keras_rnn.training.checkpoint import load_checkpoint, save_checkpoint
from keras_rnn.training.config import DataConfig, RunConfig, run_config
from keras_rnn.training.device import device_line, forms_line, grow_gpu_memory, recurrent_layers
from keras_rnn.training.evaluate import evaluate_logits, write_evaluation
from keras_rnn.training.garbage import earlier_objects_kept
from keras_rnn.training.history import best_epoch, diverged, should_stop, write_history
from keras_rnn.training.logits import classification_metrics, logits_function
from keras_rnn.training.plots import plot_history
from keras_rnn.training.prepare import MANIFEST, PreparedData, open_prepared, prepare_configured
from keras_rnn.training.progress import TrainingProgress
from keras_rnn.training.run_directory import Run
from keras_rnn.training.token_model import check_hyperparameters, compile_model, prepared_model


class TrainingDivergedError(RuntimeError):
    """The loss stopped being a finite number."""


def train(
    dataset: str | TextDataset | None = None,
    *,
    out: str | Path | None = None,
    resume: bool = False,
    console: Console | None = None,
    **options,
) -> Run:
    """Trains a text classifier and leaves a run directory with the best epoch's model.

    `train("imdb_reviews", model="bilstm_128", epochs=3, embeddings="glove.6B.50d.txt.gz")`

    Args:
        dataset: a dataset's name, or a TextDataset of your own; by default the embedded `negated_reviews`.
        out: the run directory; by default `runs/DATASET-MODEL-NUMBER`.
        resume: go on with the run there, from its last whole epoch. It ends with the metrics of an unbroken run.
        console: where progress is printed; by default standard error.
        options: fields of `DataConfig`, `TextConfig`, `ModelConfig` and `TrainingConfig`, and hyperparameters of
            the model (for `text_classifier`: cell, hidden_size, num_layers, bidirectional, pooling, ...).

    Returns:
        The complete run.

    Raises:
        UsageError: an option, a file or the directory cannot be used.
        TrainingDivergedError: the loss became NaN or infinite.
    """
    grow_gpu_memory()
    console = console or Console(stderr=True, markup=False)
    given = dataset if isinstance(dataset, TextDataset) else None
    config = run_config(dataset=given.name if given else dataset, **options)
    if given and config.data != DataConfig(dataset=given.name):
        raise UsageError("a TextDataset comes as it is; it takes none of the options that load and split a dataset")
    if config.text.embeddings and not Path(config.text.embeddings).is_file():
        raise UsageError(f"no embeddings file {config.text.embeddings}")
    checked = check_hyperparameters(config)  # before any data is read
    strategy = _strategy(config)
    directory = run_files.claim(config, out, f"{config.data.name}-{config.model.model}", resume)
    console.print(f"run directory: {directory}", highlight=False, soft_wrap=True)
    if not (directory / run_files.METRICS).is_file():
        began = time.perf_counter()
        with earlier_objects_kept():
            try:
                prepared = _prepared(config, directory, given, console)
            except UsageError:
                run_files.abandon(directory)
                raise
            with strategy.scope():
                # While the model is built, which takes one core: tokenising takes all of them.
                compile_ahead(recurrent_layers(checked))
            _fit(config, prepared, directory, strategy, console, began)
    (directory / run_files.CHECKPOINT).unlink(missing_ok=True)
    shutil.rmtree(directory / run_files.CACHE, ignore_errors=True)
    run = run_files.open_run(directory)
    for split, metrics in run.metrics.items():
        if isinstance(metrics, dict):
            console.print(f"{split}: accuracy {metrics['accuracy']:.4f}, loss {metrics['loss']:.4f}", highlight=False)
    return run


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


def _prepared(config: RunConfig, directory: Path, dataset: TextDataset | None, console: Console) -> PreparedData:
    began = time.perf_counter()
    cache = directory / run_files.CACHE
    found = (cache / MANIFEST).is_file()
    prepared = open_prepared(cache) if found else prepare_configured(config, cache, dataset)
    if not found:
        console.print(f"{prepared}, {time.perf_counter() - began:.1f} s", highlight=False, soft_wrap=True)
    return prepared


def _fit(
    config: RunConfig,
    prepared: PreparedData,
    directory: Path,
    strategy: tf.distribute.Strategy,
    console: Console,
    began: float,
) -> None:
    keras.utils.set_random_seed(config.training.seed)
    tf.config.experimental.enable_op_determinism()
    write_json(directory / run_files.VOCABULARY, prepared.vocabulary)
    write_json(directory / run_files.CLASSES, list(prepared.class_names))

    training = prepared.splits["train"]
    batches = EpochBatches(training, config.training)
    checkpoint = directory / run_files.CHECKPOINT
    with strategy.scope():
        model = prepared_model(config, prepared)
        compile_model(model, config, batches.steps)
        history = load_checkpoint(checkpoint, model) if checkpoint.is_file() else []
        forms = forms_line(model)
    device = device_line(model, strategy.num_replicas_in_sync)
    for line in (device, forms):
        console.print(line, highlight=False, soft_wrap=True)
    facts = {"device": device, "recurrent_layers": forms, "parameters": model.count_params()}
    run_files.write_environment(directory, **facts)
    progress = TrainingProgress(console, config.training.epochs, batches.steps, len(training))
    keeper = _EpochKeeper(config, prepared, directory, model, history, progress)
    first = len(history)
    if history:
        console.print(f"going on after epoch {first}", highlight=False, soft_wrap=True)
    if first < config.training.epochs and not (history and should_stop(history, config.training.patience)):
        try:
            model.fit(
                batches.dataset,
                epochs=config.training.epochs,
                initial_epoch=first,
                callbacks=[batches, keeper, progress],
                shuffle=False,  # the batches come shuffled
                verbose=0,
            )
        finally:
            progress.stop()
    seconds = time.perf_counter() - began
    facts["seconds"] = round(seconds, 1)
    if len(history) > first:
        facts["first_step_seconds"] = round(progress.first_step_seconds, 2)
        # From texts on disk to trained epochs, validation and saving included.
        facts["examples_per_second"] = round(len(training) * (len(history) - first) / seconds)
    _finish(config, prepared, directory, history, facts)


class _EpochKeeper(keras.callbacks.Callback):
    """After each epoch: validates, keeps the best model, the checkpoint and the logs, and stops when it is time.

    What it does follows from `history` and the model alone, so that a resumed run writes what an unbroken one would.
    """

    def __init__(self, config, prepared, directory: Path, model, history: list[dict], progress: TrainingProgress):
        super().__init__()
        self.config, self.directory, self.history, self.progress = config, directory, history, progress
        self.validation = prepared.splits["validation"]
        # Of the same layers, but not compiled: what is saved carries no optimizer.
        tokens = keras.Model(model.inputs[0], model.outputs[0], name=model.name)
        self.saved_model = text_model(tokens, prepared.vectorizer(), config.text.max_length, name=config.model.model)

    def on_train_begin(self, logs=None):
        self.logits = logits_function(self.model)
        logs_folder = self.directory / run_files.LOGS
        shutil.rmtree(logs_folder, ignore_errors=True)
        self.tensorboard = tf.summary.create_file_writer(str(logs_folder))
        for row in self.history:
            self._log(row)

    def on_epoch_end(self, epoch, logs=None):
        seconds = self.progress.train_seconds()
        validation = classification_metrics(self.logits(self.validation.texts), self.validation.labels)
        row = {"epoch": epoch + 1, "loss": float(logs["loss"]), "accuracy": float(logs["accuracy"])}
        row |= {f"val_{name}": value for name, value in validation.items()}
        self.history.append(row)
        if diverged(self.history):
            raise TrainingDivergedError(
                f"the loss of epoch {epoch + 1} is {row['loss']}; a learning_rate below "
                f"{self.config.training.learning_rate} or a smaller clip_norm may hold it"
            )
        if best_epoch(self.history) == len(self.history) - 1:
            with atomic_write(self.directory / run_files.MODEL) as temp_path:
                self.saved_model.save(temp_path)
        ended = epoch + 1 == self.config.training.epochs or should_stop(self.history, self.config.training.patience)
        save_checkpoint(self.directory / run_files.CHECKPOINT, None if ended else self.model, self.history)
        write_history(self.history, self.directory / run_files.HISTORY)
        self._log(row)
        self.progress.report(row, seconds)
        if ended:
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
    best = best_epoch(history)
    write_history(history, directory / run_files.HISTORY)
    plot_history(history, directory / run_files.CURVES, f"{config.model.model} on {prepared.name}")
    logits = logits_function(token_model_of(run_files.load_text_model(directory / run_files.MODEL)))
    metrics = {}
    for name, split in prepared.splits.items():
        if name == "train":
            continue
        evaluation = evaluate_logits(logits(split.texts), split.labels, prepared.class_names)
        metrics[name] = {"accuracy": evaluation.accuracy, "loss": evaluation.loss}
        write_evaluation(evaluation, directory, name, config.model.model)
    run_files.write_environment(directory, **facts)
    write_json(directory / run_files.SAMPLE_TEXTS, prepared.sample_texts)
    write_json(directory / run_files.METRICS, {"best_epoch": best + 1, "epochs": len(history), **metrics})

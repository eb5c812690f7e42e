"""The command `keras-rnn tune`: a sweep from the command line."""

import shlex
import sys
from typing import TYPE_CHECKING, Annotated, Any

import typer

from keras_rnn.cli import options
from keras_rnn.cli.quiet import import_tensorflow, quiet_tensorflow
from keras_rnn.errors import UsageError
from keras_rnn.search import layout
from keras_rnn.search.algorithms import list_algorithms
from keras_rnn.search.formatting import format_metric, format_values
from keras_rnn.search.processes import early_slot
from keras_rnn.search.ranges import parse_option
from keras_rnn.search.resources import thread_environment, threads_per_worker

if TYPE_CHECKING:
    from keras_rnn.search.sweep import Sweep

# The options that may be a choice or a range: their texts are read here, where train has typed ones.
OPEN = (
    "cell",
    "num_layers",
    "hidden_size",
    "bidirectional",
    "embedding_size",
    "pooling",
    "embedding_dropout",
    "dropout",
    "recurrent_dropout",
    "trainable_embeddings",
    "batch_size",
    "learning_rate",
    "learning_rate_decay",
    "clip_norm",
)
FILES = (layout.RESULTS, layout.HEATMAP, layout.IMPORTANCE, layout.BEST_SO_FAR)


def tune(
    context: typer.Context,
    directory: Annotated[
        str | None,
        typer.Argument(metavar="[DIR]", help="The sweep's directory. Default: sweeps/DATASET-MODEL-ALGORITHM."),
    ] = None,
    dataset: options.Dataset = None,
    data: options.Data = None,
    text_columns: options.TextColumn = None,
    label_column: options.LabelColumn = None,
    header: options.Header = None,
    tfds_manual_dir: options.TfdsManualDir = None,
    validation_fraction: options.ValidationFraction = None,
    limit: options.Limit = None,
    model: options.Model = None,
    cell: Annotated[
        str | None,
        typer.Option(help="This and the next take a value, a choice (lstm,gru) or a range (low:high or low:high:log)."),
    ] = None,
    num_layers: Annotated[str | None, typer.Option(help="Recurrent layers: 1,2,3.")] = None,
    hidden_size: Annotated[str | None, typer.Option(help="Units of every layer: 32,64,128 or 32:256:log.")] = None,
    hidden_size_per_layer: Annotated[
        bool | None, typer.Option("--hidden-size-per-layer", help="Choose the hidden size of each layer for itself.")
    ] = None,
    bidirectional: Annotated[str | None, typer.Option(help="true,false.")] = None,
    embedding_size: Annotated[str | None, typer.Option(help="Features of a token.")] = None,
    pooling: Annotated[str | None, typer.Option(help="last, mean, max, mean_max, attention.")] = None,
    embedding_dropout: Annotated[str | None, typer.Option(help="Share of the embedding dropped: 0:0.5.")] = None,
    dropout: Annotated[str | None, typer.Option(help="Share of a layer's input dropped.")] = None,
    recurrent_dropout: Annotated[str | None, typer.Option(help="Share of the state dropped; slow, no cuDNN.")] = None,
    embeddings: options.Embeddings = None,
    trainable_embeddings: Annotated[str | None, typer.Option(help="true,false.")] = None,
    tokens: options.Tokens = None,
    vocabulary_size: options.VocabularySize = None,
    max_length: options.MaxLength = None,
    epochs: options.Epochs = None,
    batch_size: Annotated[str | None, typer.Option(help="Texts a step: 32,64. [64]")] = None,
    batch_tokens: options.BatchTokens = None,
    learning_rate: Annotated[str | None, typer.Option(help="Adam's rate at the start: 1e-4:1e-2:log. [0.003]")] = None,
    learning_rate_decay: Annotated[str | None, typer.Option(help="cosine,none. Default: cosine.")] = None,
    clip_norm: Annotated[str | None, typer.Option(help="Largest norm of the gradient. [1.0]")] = None,
    patience: options.Patience = None,
    seed: options.Seed = None,
    mixed_precision: options.MixedPrecision = None,
    algorithm: Annotated[str | None, typer.Option(help=f"{', '.join(list_algorithms())}. Default: random.")] = None,
    max_trials: Annotated[
        int | None, typer.Option(help="Most trials. Default: 10, or all there are for grid and hyperband.")
    ] = None,
    objective: Annotated[str | None, typer.Option(help="What is to be best. Default: val_accuracy.")] = None,
    workers: Annotated[int | None, typer.Option(help="Trials at a time. Default: 1, or one a GPU.")] = None,
    gpus: Annotated[int | None, typer.Option(help="GPUs to use, a trial on each; 0: none. Default: all.")] = None,
    executor: Annotated[
        str | None, typer.Option(help="process (this machine) or ray (several). Default: process.")
    ] = None,
    ray_address: Annotated[str | None, typer.Option(help="A running Ray cluster, HOST:PORT; else one here.")] = None,
    reuse_workers: Annotated[
        bool | None,
        typer.Option("--reuse-workers", help="Several trials in one process: quicker, but memory may grow."),
    ] = None,
    retries: Annotated[
        int | None, typer.Option(help="Further attempts at a trial that raised an error or died. [1]")
    ] = None,
    trial_timeout: Annotated[float | None, typer.Option(help="Most seconds of a trial.")] = None,
    out: Annotated[str | None, typer.Option(help="The same as DIR.")] = None,
    train_best: Annotated[
        bool | None,
        typer.Option("--train-best", help="Then train the best trial's model into DIR/best, a run directory."),
    ] = None,
    report: Annotated[
        bool | None, typer.Option("--report", help="Only draw the tables and pictures of the sweep in DIR anew.")
    ] = None,
):
    """Search depth, width and other hyperparameters; the same command again carries on where it stopped."""
    given = {name: value for name, value in context.params.items() if value not in (None, ())}
    if report:
        _redraw(given)
        return
    if directory is not None and out is not None:
        raise UsageError(f"DIR and --out are the same and exclude each other, got {directory} and {out}")
    if ray_address is not None and executor != "ray":
        raise UsageError(f"--ray-address takes --executor ray beside it, got --executor {executor or 'process'}")
    if directory is not None:
        given["out"] = given.pop("directory")
    for name in [option for option in OPEN if option in given]:
        given[name] = parse_option(_typed_name(name), given[name])
    quiet_tensorflow()  # the slot, too
    with early_slot(thread_environment(threads_per_worker(workers or 1))):
        import_tensorflow()
        import keras_rnn

        sweep = keras_rnn.tune(**given)
    _print_outcome(sweep)


def _redraw(given: dict[str, Any]) -> None:
    directory = given.pop("directory", None)
    further = [_typed_name(name) for name in given if name != "report"]
    if directory is None or further:
        got = ", ".join(further) if further else "no DIR"
        raise UsageError(f"tune --report takes DIR alone, whose sweep it draws anew, got {got}")
    import_tensorflow()
    from keras_rnn.search.sweep import redraw

    for path in redraw(directory):
        print(path)


def _print_outcome(sweep: "Sweep") -> None:
    """The best trial, where the reports are, and what to type next."""
    best = sweep.best
    score = f"{sweep.objective} {format_metric(best.score)}"
    print(f"best of {len(sweep.trials)} trials: {best.job.trial_id}, {score}: {format_values(best.job.values)}")
    for name in FILES:
        if (sweep.directory / name).is_file():
            print(sweep.directory / name)
    if sweep.run is not None:
        print(
            f"run {sweep.run.directory} is complete; try: keras-rnn predict {sweep.run.directory} 'not good, but cheap'"
        )
    else:
        print(f"to train it into a run directory: {shlex.join(['keras-rnn', *sys.argv[1:], '--train-best'])}")


def _typed_name(option: str) -> str:
    return {"text_columns": "--text-column"}.get(option, f"--{option.replace('_', '-')}")

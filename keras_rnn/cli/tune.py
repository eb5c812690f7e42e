"""The command `keras-rnn tune`: a sweep from the command line."""

import shlex
import sys
from typing import TYPE_CHECKING, Annotated, Any

import typer

from keras_rnn.cli.next_command import complete_line
from keras_rnn.cli.options import run_options, searched_options, with_options
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

FILES = (layout.RESULTS, layout.HEATMAP, layout.IMPORTANCE, layout.BEST_SO_FAR)


@with_options(run_options(sweep=True), after="directory")
def tune(
    context: typer.Context,
    directory: Annotated[
        str | None,
        typer.Argument(metavar="[DIR]", help="The sweep's directory. Default: sweeps/DATASET-MODEL-ALGORITHM."),
    ] = None,
    hidden_size_per_layer: Annotated[
        bool | None, typer.Option("--hidden-size-per-layer", help="Choose the hidden size of each layer for itself.")
    ] = None,
    algorithm: Annotated[str | None, typer.Option(help=f"{', '.join(list_algorithms())}. Default: random.")] = None,
    max_trials: Annotated[
        int | None, typer.Option(help="Most trials. Default: 10, or all there are for grid and hyperband.")
    ] = None,
    objective: Annotated[str | None, typer.Option(help="What is to be best. Default: the task's.")] = None,
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
    **options,
):
    """Search depth, width and other hyperparameters; the same command again carries on where it stopped."""
    typed_options = {name: value for name, value in context.params.items() if value not in (None, ())}
    if report:
        _redraw(typed_options)
        return
    if directory is not None and out is not None:
        raise UsageError(f"DIR and --out are the same and exclude each other, got {directory} and {out}")
    if ray_address is not None and executor != "ray":
        raise UsageError(f"--ray-address takes --executor ray beside it, got --executor {executor or 'process'}")
    if directory is not None:
        typed_options["out"] = typed_options.pop("directory")
    for name in [option for option in searched_options() if option in typed_options]:
        typed_options[name] = parse_option(_typed_name(name), typed_options[name])
    quiet_tensorflow()  # the slot, too
    with early_slot(thread_environment(threads_per_worker(workers or 1))):
        import_tensorflow()
        import keras_rnn

        sweep = keras_rnn.tune(**typed_options)
    _print_outcome(sweep)


def _redraw(typed_options: dict[str, Any]) -> None:
    directory = typed_options.pop("directory", None)
    other_options = [_typed_name(name) for name in typed_options if name != "report"]
    if directory is None or other_options:
        typed_names = ", ".join(other_options) if other_options else "no DIR"
        raise UsageError(f"tune --report takes DIR alone, whose sweep it draws anew, got {typed_names}")
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
        print(complete_line(sweep.run))
    else:
        print(f"to train it into a run directory: {shlex.join(['keras-rnn', *sys.argv[1:], '--train-best'])}")


def _typed_name(option: str) -> str:
    return {"text_columns": "--text-column"}.get(option, f"--{option.replace('_', '-')}")

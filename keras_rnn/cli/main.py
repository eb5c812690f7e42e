"""The command `keras-rnn`: argument parsing and printing; every command calls one public function."""

import json
import os
import sys
import traceback
from dataclasses import asdict
from importlib.util import find_spec
from pathlib import Path
from typing import Annotated

import typer

from keras_rnn.cli.default_model import default_model
from keras_rnn.cli.next_command import complete_line
from keras_rnn.cli.options import RunDirectory, evaluation_options, hidden_size, run_options, with_options
from keras_rnn.cli.quiet import import_tensorflow
from keras_rnn.cli.tune import tune
from keras_rnn.cli.writing import generate, score
from keras_rnn.errors import UsageError
from keras_rnn.quiet import quiet_stderr
from keras_rnn.serving.server.settings import ServerSettings

app = typer.Typer(
    name="keras-rnn",
    help="Recurrent networks in Keras: train, tune, evaluate, predict, generate, export, serve.",
    no_args_is_help=True,
    add_completion=False,
    pretty_exceptions_enable=False,
)


@app.callback()
def _common(
    debug: Annotated[bool, typer.Option("--debug", help="Show the traceback of an error (on any command).")] = False,
):
    """`--debug` is here for the help only: `main` removes it from the arguments."""


@app.command()
@with_options(run_options(), after="context")
def train(
    context: typer.Context,
    out: Annotated[str | None, typer.Option(help="Run directory. [runs/DATASET-MODEL-NUMBER]")] = None,
    resume: Annotated[bool, typer.Option("--resume", help="Go on with a run of the same options.")] = False,
    export: Annotated[bool, typer.Option("--export/--no-export", help="Leave a SavedModel in the run.")] = True,
    **options,
):
    """Train a network; leave a run directory with the model, its metrics and a SavedModel."""
    options = {name: value for name, value in options.items() if value is not None}
    if "hidden_size" in options:
        options["hidden_size"] = hidden_size(options["hidden_size"])
    import_tensorflow()
    import keras_rnn
    from keras_rnn.serving.layout import versions

    run = keras_rnn.train(out=out, resume=resume, **options)
    saved_model = run.directory / "saved_model"
    if export and not versions(saved_model):
        keras_rnn.export(run, saved_model)
    print(complete_line(run))


app.command()(tune)
app.command()(generate)
app.command()(score)


@app.command()
@with_options(evaluation_options(), after="run")
def evaluate(
    run: RunDirectory,
    baseline: Annotated[
        bool, typer.Option("--baseline", help="Simpler systems, too, such as TF-IDF + logistic regression.")
    ] = False,
    **options,
):
    """Evaluate a run on its test data, or on a labelled file: figures, tables and a picture."""
    import_tensorflow()
    import keras_rnn
    from keras_rnn.cli.tables import print_evaluation

    options["text_columns"] = options["text_columns"] or ()
    for split, evaluation in keras_rnn.evaluate(run, baseline=baseline, **options).items():
        print_evaluation(Path(run), split, evaluation)


@app.command()
def predict(
    model: Annotated[
        str | None,
        typer.Argument(
            metavar="[RUN]", help="A run directory, .keras file or SavedModel. Default: saved_models/negated_reviews."
        ),
    ] = None,
    texts: Annotated[
        list[str] | None, typer.Argument(metavar="[TEXT]... | -", help="Without any: standard input.")
    ] = None,
):
    """Print a JSON line with the answer to each text, or to each line of standard input."""
    import_tensorflow()
    from keras_rnn.cli.lines import decoded, standard_input
    from keras_rnn.serving.predictor import BATCH, load_predictor
    from keras_rnn.serving.predictor import predict as predict_texts

    if model == "-" and not texts:
        model = None
    predictor = load_predictor(model or default_model())
    from_input = not texts or texts == ["-"]
    if from_input and sys.stdin is None:
        raise UsageError("predict takes texts as arguments or on standard input, which is closed")
    sys.stdout.reconfigure(encoding="utf-8")
    is_typed = from_input and sys.stdin.isatty()
    if is_typed:
        print("one text a line, Ctrl-D to end", file=sys.stderr)
    batch = 1 if is_typed else BATCH
    lines = standard_input() if from_input else map(decoded, map(os.fsencode, texts))
    for prediction in predict_texts(predictor, lines, batch):
        print(json.dumps(asdict(prediction), ensure_ascii=False), flush=is_typed)


@app.command()
def export(
    run: Annotated[
        str | None, typer.Argument(metavar="[RUN]", help="A run directory that `keras-rnn train` made.")
    ] = None,
    to: Annotated[
        str | None, typer.Option(help="The model's folder; the SavedModel goes into its next version.")
    ] = None,
    version: Annotated[int | None, typer.Option(help="Version number. [one after the highest there]")] = None,
    format: Annotated[str | None, typer.Option(metavar="NAME", help="A registered format. [saved_model]")] = None,
    check: Annotated[
        str | None, typer.Option(metavar="DIR", help="Instead: check a version, or the latest one of a model's folder.")
    ] = None,
):
    """Write a run's model in TensorFlow Serving's layout, as a SavedModel by default, and check it."""
    import keras_rnn

    if check is not None:
        if (run, to, version, format) != (None, None, None, None):
            raise UsageError("export --check DIR takes neither RUN nor --to nor --version nor --format beside it")
        check_result = keras_rnn.check_export(check)
        print(
            f"{check_result.version}: {check_result.signatures} signatures, {check_result.texts} texts, "
            f"largest difference {check_result.largest_difference:.1e}"
        )
        return
    if run is None or to is None:
        raise UsageError("export takes RUN and --to, or --check DIR alone")
    import_tensorflow()
    print(keras_rnn.export(run, to, version=version, format=format or "saved_model"))


@app.command()
def serve(
    models: Annotated[str, typer.Argument(metavar="DIR", help="A folder of models, NAME/VERSION/, or one model's.")],
    host: Annotated[str, typer.Option(help="Address to listen on.")] = ServerSettings.host,
    rest_port: Annotated[int, typer.Option(help="0 takes a free one.")] = ServerSettings.rest_port,
    grpc_port: Annotated[int, typer.Option(help="0 takes a free one.")] = ServerSettings.grpc_port,
    batching: Annotated[
        bool, typer.Option("--batching/--no-batching", help="Answer several requests by one call of the model.")
    ] = ServerSettings.batching,
    max_batch_size: Annotated[int, typer.Option(help="Texts a call.")] = ServerSettings.max_batch_size,
    max_delay_ms: Annotated[
        float, typer.Option(help="Most milliseconds a text waits for as many as were last answered together.")
    ] = ServerSettings.max_delay_ms,
    model_threads: Annotated[int, typer.Option(help="Calls at the same time.")] = ServerSettings.model_threads,
    max_queue: Annotated[int, typer.Option(help="Texts that may wait; beyond: 503.")] = ServerSettings.max_queue,
    max_in_flight: Annotated[int, typer.Option(help="Requests at a time; beyond: 503.")] = ServerSettings.max_in_flight,
    max_body_bytes: Annotated[int, typer.Option(help="Bytes of a request; beyond: 413.")] = (
        ServerSettings.max_body_bytes
    ),
    max_texts: Annotated[int, typer.Option(help="Texts of a request; beyond: 413.")] = ServerSettings.max_texts,
    max_text_bytes: Annotated[int, typer.Option(help="Bytes of a text; beyond: 413.")] = ServerSettings.max_text_bytes,
    max_tokens: Annotated[
        int, typer.Option(help="Numbers of a request that takes no text; beyond: 413.")
    ] = ServerSettings.max_tokens,
    max_streams: Annotated[
        int, typer.Option(help="Texts that are being written at a time; beyond: 503.")
    ] = ServerSettings.max_streams,
    max_new_tokens: Annotated[
        int, typer.Option(help="Tokens of each text that is written; beyond: 400.")
    ] = ServerSettings.max_new_tokens,
    max_buffered_bytes: Annotated[
        int, typer.Option(help="Bytes of all REST requests at a time, half of them from one client; beyond: 503.")
    ] = ServerSettings.max_buffered_bytes,
    timeout_seconds: Annotated[float, typer.Option(help="For a request; then: 504.")] = ServerSettings.timeout_seconds,
    grace_seconds: Annotated[
        float, typer.Option(help="For requests in flight when the server is told to stop.")
    ] = ServerSettings.grace_seconds,
    poll_seconds: Annotated[float, typer.Option(help="Between looks for new versions.")] = ServerSettings.poll_seconds,
    label: Annotated[
        list[str] | None, typer.Option(help="MODEL:LABEL=VERSION, a version to keep loaded under a name; repeatable.")
    ] = None,
    token_file: Annotated[str | None, typer.Option(help="Bearer tokens, one a line; a request needs one.")] = None,
    tls_certificate: Annotated[str | None, typer.Option(help="PEM file of the certificate chain.")] = None,
    tls_key: Annotated[str | None, typer.Option(help="PEM file of its private key.")] = None,
    access_log: Annotated[bool, typer.Option("--access-log/--no-access-log", help="A JSON line a request.")] = True,
):
    """Serve exported models over TensorFlow Serving's REST and gRPC APIs, until SIGTERM or Ctrl-C."""
    settings = ServerSettings(
        models=models,
        host=host,
        rest_port=rest_port,
        grpc_port=grpc_port,
        batching=batching,
        max_batch_size=max_batch_size,
        max_delay_ms=max_delay_ms,
        model_threads=model_threads,
        max_queue=max_queue,
        max_in_flight=max_in_flight,
        max_body_bytes=max_body_bytes,
        max_texts=max_texts,
        max_text_bytes=max_text_bytes,
        max_tokens=max_tokens,
        max_streams=max_streams,
        max_new_tokens=max_new_tokens,
        max_buffered_bytes=max_buffered_bytes,
        timeout_seconds=timeout_seconds,
        grace_seconds=grace_seconds,
        poll_seconds=poll_seconds,
        labels=tuple(label or ()),
        token_file=token_file,
        tls_certificate=tls_certificate,
        tls_key=tls_key,
        access_log=access_log,
    )
    for package in ("starlette", "uvicorn", "httptools", "uvloop", "prometheus_client"):
        if find_spec(package) is None:
            raise UsageError(f'serve needs {package}; pip install "keras-rnn[serve]" brings it')
    sys.modules.setdefault("keras", None)  # TensorFlow would import it: seconds and 100 MB that serving does not need
    os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")
    os.environ.setdefault("GRPC_VERBOSITY", "NONE")  # else each bad handshake logs a line that is no JSON
    with quiet_stderr():
        from keras_rnn.serving.server.run import serve as run_server

    run_server(settings)


@app.command()
def models(
    pattern: Annotated[str, typer.Argument(help='A shell pattern such as "*lstm*".')] = "*",
    task: Annotated[str | None, typer.Option(help="Those of this task alone.")] = None,
):
    """List the registered models."""
    import_tensorflow()
    from keras_rnn.models import get_model_entry, list_models
    from keras_rnn.tasks import load_tasks

    load_tasks()
    names = list_models(pattern, task=task)
    for name in names:
        print(f"{name:34}{get_model_entry(name).description}")
    if not names:
        raise UsageError(f"no model matches {pattern!r}")


@app.command()
def datasets():
    """List the datasets known by name."""
    from keras_rnn.datasets import list_datasets
    from keras_rnn.tasks import list_tasks

    for name in dict.fromkeys(name for task in list_tasks() for name in list_datasets(task)):
        print(name)


@app.command()
def bench_serve(
    url: Annotated[str, typer.Argument(help="http(s)://HOST:PORT or grpc://HOST:PORT, or either + /v1/models/NAME.")],
    concurrency: Annotated[int, typer.Option(help="Clients, each of which waits for its answer.")],
    seconds: Annotated[float, typer.Option(help="How long to measure.")],
    texts: Annotated[str, typer.Option(help="A file with one text a line.")],
    model: Annotated[str | None, typer.Option(help="The model's name, where the URL does not tell it.")] = None,
    texts_per_request: Annotated[int, typer.Option(help="Texts a request.")] = 1,
    token_file: Annotated[str | None, typer.Option(help="A file whose first line is a bearer token.")] = None,
):
    """Measure latencies and throughput of a server: this one's, TensorFlow Serving or any with its API."""
    from keras_rnn.cli.bench_table import print_bench
    from keras_rnn.serving import bench

    if url.startswith("grpc:"):
        import_tensorflow()  # the messages import it
    result = bench.bench_serve(
        url,
        concurrency=concurrency,
        seconds=seconds,
        texts=bench.read_texts(texts),
        model=model,
        texts_per_request=texts_per_request,
        token=bench.read_token(token_file) if token_file else None,
    )
    print_bench(result)
    if result.failed:
        raise typer.Exit(1)


def main() -> None:
    """Runs the command line; exit status 2 for usage errors, 1 for other errors, each in one line."""
    arguments = sys.argv[1:]
    end = arguments.index("--") if "--" in arguments else len(arguments)  # what follows is text
    debug = "--debug" in arguments[:end]
    arguments = [argument for argument in arguments[:end] if argument != "--debug"] + arguments[end:]
    try:
        status = app(arguments, standalone_mode=False)
    except KeyboardInterrupt:
        status = 130
    except BrokenPipeError:
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())  # so that the exit flush finds a reader
        status = 1
    except Exception as error:
        if debug:
            traceback.print_exc()
        status = _report(error)
    sys.exit(status or 0)


def _report(error: Exception) -> int:
    """Prints one line and returns the exit status."""
    if hasattr(error, "format_message"):  # Typer's own, about the command line
        message, status = error.format_message(), error.exit_code
    elif isinstance(error, UsageError):
        message, status = str(error), 2
    else:
        message, status = str(error) or type(error).__name__, 1
        if not isinstance(error, (OSError, RuntimeError)):
            message = f"{type(error).__name__}: {message}"
    if message:  # no arguments at all: the help is shown
        print(f"keras-rnn: error: {' '.join(message.split())}", file=sys.stderr)
    return status


if __name__ == "__main__":
    main()

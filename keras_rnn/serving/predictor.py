"""Predictions of a trained model in a run directory, a `.keras` file or a SavedModel."""

import json
from collections.abc import Callable, Iterable, Iterator
from itertools import islice
from pathlib import Path
from typing import Any

from keras_rnn.errors import UsageError
from keras_rnn.serving.layout import MODEL_CARD, latest_version
from keras_rnn.serving.session import open_session
from keras_rnn.tasks import DEFAULT_TASK, Task, get_task, task_name_of
from keras_rnn.tasks.task import Predictor
from keras_rnn.training.run_directory import CONFIG, Run, load_text_model, open_run, read_facts

BATCH = 256


def load_predictor(path: str | Path) -> Predictor:
    """Loads a run directory, a `.keras` model, or a SavedModel (one version, or the folder of versions).

    A `.keras` file away from its run directory is a classifier, whose classes are named "0", "1", ...

    Raises:
        UsageError: `path` is none of these.
    """
    path = Path(path)
    if not path.exists():
        raise UsageError(f"no model {path}; it takes a run directory, a .keras file or a SavedModel")
    if path.is_file():
        return _file_predictor(path)
    if (path / CONFIG).is_file():
        run = open_run(path)
        return run.task.serving.keras_predictor(run.model, run.facts)
    task, function, card = saved_model_functions(path)
    try:
        return task.serving.saved_model_predictor(function, card)
    except (LookupError, TypeError) as error:  # a card that lacks what the task keeps
        raise UsageError(f"{path} is no SavedModel of keras_rnn: its model card lacks {error}") from error


def predict(model: Predictor | str | Path, texts: Iterable[str], batch_size: int = BATCH) -> Iterator[Any]:
    """Yields predictions in the order of `texts`, which may be endless: `batch_size` of them are read at a time.

    A prediction is a dataclass of the model's task: of a classifier, `text`, `label` and `probabilities`.
    """
    if isinstance(texts, str):
        raise UsageError(f"texts takes strings, not one string, got {texts[:40]!r}")
    predictor = load_predictor(model) if isinstance(model, (str, Path)) else model
    texts = iter(texts)
    while batch := list(islice(texts, batch_size)):
        yield from predictor.predict(batch)


def _file_predictor(path: Path) -> Predictor:
    model = load_text_model(path)
    run = Run(path.parent)
    task = run.task if (path.parent / CONFIG).is_file() else get_task(DEFAULT_TASK)
    facts = None
    if all((path.parent / file).is_file() for file in task.run_files.values()):
        facts = read_facts(path.parent, task)
    task.network.check_model(model, facts or {}, path)
    return task.serving.keras_predictor(model, facts)


def saved_model_functions(path: Path) -> tuple[Task, Callable[..., Callable], dict]:
    """A SavedModel (one version, or the folder of versions) in a session: its task, its signatures, its model card.

    One text takes half as long as in the function that tf.saved_model.load returns.

    Returns:
        The task; a function from the name of a signature and those of its inputs and outputs, a name or a tuple of
        names each, to a function from the inputs to the outputs; the model card.

    Raises:
        UsageError: `path` is no SavedModel of keras_rnn.
    """
    directory = latest_version(path)
    if directory is None:
        raise UsageError(f"{path} is no run directory, .keras file or SavedModel")
    try:
        session, signatures = open_session(directory)
        card = json.loads((directory / MODEL_CARD).read_text(encoding="utf-8"))
        task = get_task(task_name_of(card))
    except Exception as error:  # TensorFlow raises many types for a foreign directory
        raise UsageError(f"{directory} is no SavedModel of keras_rnn: {str(error).splitlines()[0]}") from error

    def function(signature: str, inputs: str | tuple[str, ...], outputs: str | tuple[str, ...]) -> Callable:
        if signature not in signatures:
            raise UsageError(f"{directory} is no SavedModel of keras_rnn: it has no signature {signature!r}")
        spec = signatures[signature]
        input_names = [spec.inputs[name].name for name in ((inputs,) if isinstance(inputs, str) else inputs)]
        output_names = [spec.outputs[name].name for name in ((outputs,) if isinstance(outputs, str) else outputs)]
        fetches = output_names[0] if isinstance(outputs, str) else output_names
        return session.make_callable(fetches, input_names)

    return task, function, card

"""Texts that a trained model writes: of a run directory or a SavedModel."""

from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path
from typing import Any

from keras_rnn.checks import whole_number
from keras_rnn.errors import UsageError
from keras_rnn.serving.predictor import saved_model_functions
from keras_rnn.tasks.task import Task, Writing
from keras_rnn.training.run_directory import CONFIG, open_run


def generate(
    model: str | Path, prompt: str = "", *, stop: Sequence[str] = (), samples: int = 1, **sampling
) -> Iterator[tuple[int, str]]:
    """Goes on with a text, as a language model writes it.

    `for _, part in generate("runs/topics", "The import statement", temperature=0.8, seed=1): print(part, end="")`

    Args:
        model: a run directory, or a SavedModel (one version, or the folder of versions).
        prompt: the text to go on with; it is not part of what comes.
        stop: strings that end a text; they are not part of it.
        samples: how many texts, one after the other, with seeds `seed`, `seed + 1`, ...
        sampling: `length` (most tokens), `temperature`, `top_k`, `top_p` and `seed`, see `Sampling`.

    Yields:
        The number of the text, from 0 on, and its next part.

    Raises:
        UsageError: no such model, a model that writes no texts, or an option out of its range.
        RuntimeError: the network's logits are not finite.
    """
    task, writer = load_writer(model)
    writing = _writing(task, model)
    stops = (stop,) if isinstance(stop, str) else tuple(stop)
    if not all(isinstance(text, str) and text for text in stops):
        raise UsageError(f"stop takes strings that are not empty, got {list(stops)!r}")
    seed = sampling.pop("seed", 0)
    count = whole_number("samples", samples)
    options = [writing.sampling(seed=seed + index, **sampling) for index in range(count)]
    return ((index, part) for index, one in enumerate(options) for part in writer.write(prompt, one, stops))


def score(model: str | Path, texts: Iterable[str]) -> Iterator[Any]:
    """What texts cost a language model, in nats.

    Args:
        model: a run directory, or a SavedModel (one version, or the folder of versions).
        texts: may be endless; each is read alone, behind a boundary and a state of zeros.

    Yields:
        A dataclass for each text: `text`, `tokens` (how many), `nats`, `perplexity`, exp(nats / tokens), and
        `token_nats`, pairs of a token and its nats.

    Raises:
        UsageError: no such model, or a model that predicts no tokens.
    """
    return _open(model, "scorer")[1].score(texts)


def load_writer(path: str | Path) -> tuple[Task, Any]:
    """The task of a run directory or a SavedModel, and its writer.

    Raises:
        UsageError: `path` is neither, or the task's models write no texts.
    """
    return _open(path, "writer")


def _open(path: str | Path, part: str) -> tuple[Task, Any]:
    """The task of a run directory or a SavedModel, and its "writer" or "scorer"."""
    path = Path(path)
    if (path / CONFIG).is_file():
        run = open_run(path)
        return run.task, getattr(_writing(run.task, path), f"keras_{part}")(run.model, run.facts)
    task, function, card = saved_model_functions(path)
    return task, getattr(_writing(task, path), f"saved_model_{part}")(function, card)


def _writing(task: Task, path: str | Path) -> Writing:
    if task.writing is None:
        raise UsageError(f"{path}: a model of the task {task.name!r} writes no texts")
    return task.writing

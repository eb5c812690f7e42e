"""Predictions of a trained text classifier in a run directory, a `.keras` file or a SavedModel."""

import itertools
import json
import os
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from itertools import islice
from pathlib import Path

import keras
import numpy as np

from keras_rnn.errors import UsageError
from keras_rnn.serving.layout import MODEL_CARD, latest_version
from keras_rnn.serving.session import open_session
from keras_rnn.text.encoded import in_length_batches
from keras_rnn.training.logits import TEXT_CHARACTERS, softmax, text_logits_function
from keras_rnn.training.run_directory import CLASSES, CONFIG, Run, load_text_model, open_run

BATCH = 256
MIN_TEXTS_PER_CALL = 16  # a step of the network costs hardly less for fewer texts


@dataclass(frozen=True)
class Predictor:
    """`probabilities` takes a list of strings and returns float32 `(texts, classes)`."""

    class_names: tuple[str, ...]
    probabilities: Callable[[list[str]], np.ndarray]


@dataclass(frozen=True)
class Prediction:
    """The likeliest class of a text, and the probability of each class by name."""

    text: str
    label: str
    probabilities: dict[str, float]


def load_predictor(path: str | Path) -> Predictor:
    """Loads a run directory, a `.keras` text model, or a SavedModel (one version, or the folder of versions).

    A `.keras` file away from its run directory names its classes "0", "1", ...

    Raises:
        UsageError: `path` is none of these.
    """
    path = Path(path)
    if not path.exists():
        raise UsageError(f"no model {path}; it takes a run directory, a .keras file or a SavedModel")
    if path.is_file():
        model = load_text_model(path)
        if (path.parent / CLASSES).is_file():
            run = Run(path.parent)
            run.check_classes(model)
            return _keras_predictor(model, run.class_names)
        return _keras_predictor(model, tuple(map(str, range(model.output_shape[-1]))))
    if (path / CONFIG).is_file():
        run = open_run(path)
        return _keras_predictor(run.model, run.class_names)
    version = latest_version(path)
    if version is None:
        raise UsageError(f"{path} is no run directory, .keras file or SavedModel")
    return _saved_model_predictor(version)


def predict(model: Predictor | str | Path, texts: Iterable[str], batch_size: int = BATCH) -> Iterator[Prediction]:
    """Yields predictions in the order of `texts`, which may be endless: `batch_size` of them are read at a time."""
    if isinstance(texts, str):
        raise UsageError(f"texts takes strings, not one string, got {texts[:40]!r}")
    predictor = model if isinstance(model, Predictor) else load_predictor(model)
    texts = iter(texts)
    while batch := list(islice(texts, batch_size)):
        for text, row in zip(batch, predictor.probabilities(batch), strict=True):
            yield Prediction(
                text,
                predictor.class_names[int(row.argmax())],
                dict(zip(predictor.class_names, map(float, row), strict=True)),
            )


def _keras_predictor(model: keras.Model, class_names: tuple[str, ...]) -> Predictor:
    logits = text_logits_function(model)
    return Predictor(class_names, lambda texts: softmax(logits(texts)))


def _saved_model_predictor(directory: Path) -> Predictor:
    """Runs the SavedModel in a session, on all cores for a batch.

    One text takes half as long as in the function that tf.saved_model.load returns.
    """
    try:
        session, signatures = open_session(directory)
        serve = signatures["serving_default"]
        call = session.make_callable(serve.outputs["probabilities"].name, [serve.inputs["text"].name])
        names = json.loads((directory / MODEL_CARD).read_text(encoding="utf-8"))["class_names"]
    except Exception as error:  # TensorFlow raises many types for a foreign directory
        raise UsageError(f"{directory} is no SavedModel of keras_rnn: {str(error).splitlines()[0]}") from error
    cores = os.cpu_count() or 1
    pool = ThreadPoolExecutor(cores, thread_name_prefix="predictor")

    def probabilities(batch: list[str]) -> np.ndarray:
        calls = min(cores, len(batch) // MIN_TEXTS_PER_CALL)
        if calls < 2:
            return call(batch)
        sizes = np.linspace(0, len(batch), calls + 1).astype(int)
        return np.concatenate(list(pool.map(call, (batch[a:b] for a, b in itertools.pairwise(sizes)))))

    return Predictor(tuple(names), lambda texts: in_length_batches(probabilities, texts, TEXT_CHARACTERS))

"""A trained run as a SavedModel: strings in, probabilities and class names out, on any machine."""

import os
import re
import shutil
from pathlib import Path

import keras
import numpy as np
import tensorflow as tf

from keras_rnn.errors import UsageError
from keras_rnn.files import make_folder, write_json
from keras_rnn.models import vectorizer_of
from keras_rnn.serving.card import model_card, model_card_markdown
from keras_rnn.serving.layout import MODEL_CARD, SAVED_MODEL, versions
from keras_rnn.training.device import recurrent_layers
from keras_rnn.training.run_directory import MODEL, Run, load_text_model, open_run

TOLERANCE = 1e-5  # largest difference of a probability between the model and its SavedModel


class ExportError(RuntimeError):
    """The SavedModel that was written does not do what the model does; nothing was published."""


def export(run: Run | str | Path, to: str | Path, *, version: int | None = None) -> Path:
    """Writes a run's text model to `to/VERSION` in TensorFlow Serving's layout, checked before it appears there.

    Its signature `serving_default` takes `text`, strings `(batch,)`, and returns `probabilities`, float32
    `(batch, classes)`, and `label`, strings `(batch,)`. All class names stand in the model card. Recurrent layers
    are exported with `use_cudnn=False`: a graph with cuDNN ops does not run without a GPU.

    Args:
        run: a complete run, or its directory.
        to: the model's folder, for example saved_models/NAME.
        version: a positive integer; by default the one after the highest there.

    Returns:
        The folder of the new version.

    Raises:
        UsageError: no complete run, or the version is there already.
        ExportError: the SavedModel is not what the model is.
    """
    run = run if isinstance(run, Run) else open_run(run)
    to = Path(to)
    if to.is_file():
        raise UsageError(f"{to} takes a folder, but is a file")
    if any(character in str(to.resolve()) for character in "[]*?"):
        raise UsageError(f"{to}: TensorFlow saves to no path with any of [ ] * ? in it")
    if version is None:
        version = max(versions(to), default=0) + 1
    if not isinstance(version, int) or version < 1:
        raise UsageError(f"version takes a whole number of at least 1, got {version!r}")
    published = to / str(version)
    if published.exists():
        raise UsageError(f"{published} exists already; give another version")

    model = load_text_model(run.directory / MODEL)  # a copy of our own
    for layer in recurrent_layers(model):
        layer.use_cudnn = False
    beside = to / f".{version}.{os.getpid()}.tmp"
    make_folder(to, "folder")
    for entry in to.iterdir():
        if re.fullmatch(r"\.\d+\.\d+\.tmp", entry.name):  # of an export that was killed
            shutil.rmtree(entry)
    try:
        write_saved_model(model, run.class_names, beside)
        check_saved_model(beside, model, run.class_names)
        _write_card(model_card(run, model), beside / MODEL_CARD)
        beside.rename(published)
    finally:
        shutil.rmtree(beside, ignore_errors=True)
    return published


def write_saved_model(model: keras.Model, class_names: tuple[str, ...], folder: Path) -> None:
    """Writes a text model with the signature that `export` describes; its layers stay as they are."""
    names = tf.constant(class_names)

    def serve(text):
        logits = model(text, training=False)
        return {"probabilities": tf.nn.softmax(logits), "label": tf.gather(names, tf.argmax(logits, axis=-1))}

    archive = keras.export.ExportArchive()
    archive.track(vectorizer_of(model))  # its lookup table; to track the model would save each variable twice
    archive.add_endpoint("serve", serve, input_signature=[tf.TensorSpec((None,), tf.string, name="text")])
    archive.write_out(str(folder), verbose=False)


def check_saved_model(folder: Path, model: keras.Model, class_names: tuple[str, ...]) -> None:
    """Reloads a SavedModel and compares it with the model it was written from.

    Raises:
        ExportError: a cuDNN op in the graph, another signature, or other probabilities.
    """
    if cudnn := sorted(op for op in graph_ops(folder) if "Cudnn" in op):
        raise ExportError(f"the exported graph holds cuDNN ops: {', '.join(cudnn)}")
    serve = tf.saved_model.load(str(folder)).signatures["serving_default"]
    _, inputs = serve.structured_input_signature
    if inputs != {"text": tf.TensorSpec((None,), tf.string, name="text")}:
        raise ExportError(f"the exported signature takes {inputs}, not text: strings (None,)")
    texts = _probe_texts(model)
    expected = tf.nn.softmax(model(tf.constant(texts), training=False)).numpy()
    served = serve(text=tf.constant(texts))
    difference = float(np.abs(served["probabilities"].numpy() - expected).max())
    if not difference <= TOLERANCE:
        raise ExportError(f"the exported probabilities differ by up to {difference:.2e}, above {TOLERANCE:.0e}")
    labels = [label.decode() for label in served["label"].numpy()]
    if labels != [class_names[index] for index in expected.argmax(axis=-1)]:
        raise ExportError("the exported labels are not those of the likeliest classes")


def _probe_texts(model: keras.Model) -> list[str]:
    """The empty string, unknown words, and texts of the model's own words, from one word to a very long one."""
    rng = np.random.default_rng(0)
    vocabulary = [str(token) for token in vectorizer_of(model).get_vocabulary()[2:]]
    lengths = [1, 2, 5, 20, 60, 1000]
    return ["", "qqqxzj zzzvqk", *(" ".join(rng.choice(vocabulary, length)) for length in lengths)]


def graph_ops(folder: Path) -> set[str]:
    """The names of all ops in a SavedModel, those inside its functions included."""
    from tensorflow.core.protobuf import saved_model_pb2

    saved = saved_model_pb2.SavedModel.FromString((folder / SAVED_MODEL).read_bytes())
    graphs = [meta.graph_def for meta in saved.meta_graphs]
    nodes = [node.op for graph in graphs for node in graph.node]
    inside = [node.op for graph in graphs for function in graph.library.function for node in function.node_def]
    return {*nodes, *inside}


def _write_card(card: dict, path: Path) -> None:
    path.parent.mkdir(exist_ok=True)
    write_json(path, card)
    path.with_suffix(".md").write_text(model_card_markdown(card), encoding="utf-8")

import json

import pytest

from keras_rnn import text_classifier
from keras_rnn.serving.saved_model import write_saved_model
from keras_rnn.tasks.classification import serving as classification_serving
from keras_rnn.text.vectorizer import adapt_vectorizer
from tests.support.echo import write_echo_model
from tests.support.serving import serving
from tests.support.writers import write_writer

CLASSES = ("negative", "neutral", "positive")


@pytest.fixture(scope="package")
def classifier():
    """A text model. Its answers need not be good, only differ from text to text."""
    vectorizer = adapt_vectorizer(["a good film but a bad one"])
    return text_classifier(num_classes=3, vectorizer=vectorizer, embedding_size=4, hidden_size=4)


@pytest.fixture(scope="package")
def models(classifier, tmp_path_factory):
    """The folder that `server` serves.

    It has the models `classifier` (version 1), `echo` (1 and 2), `broken` (1 and 2, which does not load) and `labelled`
    (1). Tests may add models of other names.
    """
    folder = tmp_path_factory.mktemp("models")
    write_saved_model(classification_serving, classifier, {"class_names": CLASSES}, folder / "classifier" / "1")
    card = folder / "classifier" / "1" / "assets.extra" / "model_card.json"
    card.parent.mkdir()
    card.write_text(json.dumps({"rows_independent": True}))
    write_echo_model(folder / "echo", 1)
    write_echo_model(folder / "echo", 2)
    write_echo_model(folder / "broken", 1)
    write_echo_model(folder / "labelled", 1)
    (folder / "broken" / "2").mkdir()
    (folder / "broken" / "2" / "saved_model.pb").write_bytes(b"not a protobuf")
    return folder


@pytest.fixture(scope="package")
def server(models, tmp_path_factory):
    """Serves `models` with the default limits. Labels: `old` is version 1 of `echo`, `stable` is 1 of `labelled`."""
    log = tmp_path_factory.mktemp("server") / "log"
    labels = ["--label", "echo:old=1", "--label", "labelled:stable=1"]
    with serving(models, log, "--poll-seconds", 0.05, *labels) as running:
        yield running


@pytest.fixture(scope="package")
def writers(tmp_path_factory):
    """A folder of the models `subword` and `word` (version 1), which write texts, and `echo` (1), which does not."""
    folder = tmp_path_factory.mktemp("writers")
    for tokens in ("subword", "word"):
        write_writer(folder / tokens / "1", tokens)
    write_echo_model(folder / "echo", 1)
    return folder

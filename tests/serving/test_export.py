import json

import numpy as np
import pytest
import tensorflow as tf

from keras_rnn import UsageError, export, text_classifier
from keras_rnn.serving import export as export_module
from keras_rnn.serving.export import ExportError, check_saved_model, write_saved_model
from keras_rnn.text.vectorizer import adapt_vectorizer

TEXTS = ["good film and bad", "bad film and good", "", "wholly unknown"]


def test_the_signature_takes_strings_and_gives_probabilities_and_class_names(run, tmp_path):
    folder = export(run, tmp_path / "tiny")
    assert folder == tmp_path / "tiny" / "1"
    serve = tf.saved_model.load(str(folder)).signatures["serving_default"]
    assert serve.structured_input_signature[1] == {"text": tf.TensorSpec((None,), tf.string, name="text")}
    served = serve(text=tf.constant(TEXTS))
    assert served["probabilities"].dtype == tf.float32
    expected = tf.nn.softmax(run.model(tf.constant(TEXTS))).numpy()
    np.testing.assert_allclose(served["probabilities"], expected, atol=1e-5)
    labels = [run.class_names[index] for index in expected.argmax(axis=-1)]
    assert [label.decode() for label in served["label"].numpy()] == labels


def test_each_weight_is_saved_once(run, tmp_path):
    saved = tf.train.list_variables(str(export(run, tmp_path / "m") / "variables" / "variables"))
    sizes = [int(np.prod(shape)) for name, shape in saved if name.endswith("VARIABLE_VALUE")]
    assert sum(sizes) == run.model.count_params()


def test_the_card_says_what_the_model_is(run, tmp_path):
    folder = export(run, tmp_path / "tiny")
    card = json.loads((folder / "assets.extra" / "model_card.json").read_text())
    assert card["class_names"] == list(run.class_names)
    assert card["metrics"] == run.metrics
    assert card["config"]["model"]["model"] == "gru_64"
    assert card["parameters"] == run.model.count_params()
    assert len(card["weights_sha256"]) == 64
    markdown = (folder / "assets.extra" / "model_card.md").read_text()
    assert markdown.startswith("# gru_64 on tiny\n")
    assert f"| test | {run.metrics['test']['accuracy']:.4f} |" in markdown


def test_versions_count_up_and_are_never_overwritten(run, tmp_path, monkeypatch):
    monkeypatch.setattr(export_module, "write_saved_model", lambda model, class_names, folder: folder.mkdir())
    monkeypatch.setattr(export_module, "check_saved_model", lambda *args: None)
    assert export(run, tmp_path / "m").name == "1"
    assert export(run, tmp_path / "m").name == "2"
    assert export(run, tmp_path / "m", version=7).name == "7"
    assert export(run, tmp_path / "m").name == "8"
    with pytest.raises(UsageError, match="7 exists already"):
        export(run, tmp_path / "m", version=7)
    with pytest.raises(UsageError, match="version takes a whole number of at least 1, got 0"):
        export(run, tmp_path / "m", version=0)


def test_a_failed_check_publishes_nothing(run, tmp_path, monkeypatch):
    monkeypatch.setattr(export_module, "TOLERANCE", -1.0)
    with pytest.raises(ExportError, match="differ by up to .*, above -1e"):
        export(run, tmp_path / "m")
    assert list((tmp_path / "m").iterdir()) == []


def test_the_check_tells_another_model(tmp_path):
    vectorizer = adapt_vectorizer(["a b c"])
    one, other = (text_classifier(num_classes=2, vectorizer=vectorizer, hidden_size=3) for _ in range(2))
    write_saved_model(one, ("no", "yes"), tmp_path / "one")
    check_saved_model(tmp_path / "one", one, ("no", "yes"))
    with pytest.raises(ExportError, match="probabilities differ"):
        check_saved_model(tmp_path / "one", other, ("no", "yes"))
    with pytest.raises(ExportError, match="labels are not those"):
        check_saved_model(tmp_path / "one", one, ("yes", "no"))


def test_a_cudnn_op_in_the_graph_is_refused(tmp_path, monkeypatch):
    model = text_classifier(num_classes=2, vectorizer=adapt_vectorizer(["a b"]), hidden_size=3)
    monkeypatch.setattr(export_module, "graph_ops", lambda folder: {"MatMul", "CudnnRNNV3"})
    with pytest.raises(ExportError, match="holds cuDNN ops: CudnnRNNV3"):
        check_saved_model(tmp_path, model, ("no", "yes"))


def test_the_layers_of_an_export_do_not_take_cudnn_even_with_a_gpu(run, tmp_path, monkeypatch):
    seen = []
    real = export_module.write_saved_model

    def look(model, *args):
        seen.extend(layer.use_cudnn for layer in export_module.recurrent_layers(model))
        return real(model, *args)

    monkeypatch.setattr(export_module, "write_saved_model", look)
    export(run, tmp_path / "m")
    assert seen == [False, False]


def test_debris_of_a_killed_export_goes_and_odd_paths_are_refused(run, tmp_path):
    (tmp_path / "m" / ".1.99.tmp").mkdir(parents=True)
    export(run, tmp_path / "m")
    assert [entry.name for entry in (tmp_path / "m").iterdir()] == ["1"]
    with pytest.raises(UsageError, match=r"TensorFlow saves to no path with any of"):
        export(run, tmp_path / "m[1]")
    (tmp_path / "file").write_text("x")
    for place in ("file", "file/m"):
        with pytest.raises(UsageError, match="file"):
            export(run, tmp_path / place)


def test_what_is_no_run_is_named(tmp_path):
    with pytest.raises(UsageError, match="no run directory"):
        export(tmp_path / "none", tmp_path / "m")
    with pytest.raises(UsageError, match=r"is no run directory: it has no config.json"):
        export(tmp_path, tmp_path / "m")
    assert not (tmp_path / "m").exists()

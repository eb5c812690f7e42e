import hashlib
import json
import os
import re
import shutil
import signal
import socket
import subprocess
import sys
import time
from pathlib import Path

import keras
import numpy as np
import pytest
import tensorflow as tf
from tensorflow_serving.apis.prediction_log_pb2 import PredictionLog

from keras_rnn import TokenEmbedding, UsageError, create_model, export, text_model
from keras_rnn.serving import export as export_module
from keras_rnn.serving import saved_model_version
from keras_rnn.serving.card import model_card_markdown
from keras_rnn.serving.check import check_version
from keras_rnn.serving.integrity import ExportError
from keras_rnn.tasks.classification.serving import answers, check_texts, rows_independent
from keras_rnn.text.vectorizer import adapt_vectorizer
from keras_rnn.training.device import recurrent_layers
from tests.support import tiny

ROOT = Path(__file__).parents[2]
EXTRA = "assets.extra"
HOST = socket.gethostname()
FACTS = {"class_names": ("no", "yes")}


@pytest.fixture
def publish_only(monkeypatch):
    """Replaces the exporter by one that writes a small file and checks nothing."""

    def write(run, folder, name):
        folder.mkdir()
        (folder / "saved_model.pb").write_text(f"{folder.name} of {name}")

    monkeypatch.setattr(export_module, "get_exporter", lambda format: write)
    return write


def test_the_folder_holds_what_servers_look_for(saved_model):
    assert [entry.name for entry in saved_model.iterdir()] == ["1"]
    files = {path.relative_to(saved_model / "1").as_posix() for path in saved_model.rglob("*") if path.is_file()}
    assert files == {
        "assets.extra/check.json",
        "assets.extra/model_card.json",
        "assets.extra/model_card.md",
        "assets.extra/tf_serving_warmup_requests",
        "fingerprint.pb",
        "saved_model.pb",
        "variables/variables.data-00000-of-00001",
        "variables/variables.index",
    }


def test_the_card_says_what_the_model_is(run, saved_model):
    card = json.loads((saved_model / "1" / EXTRA / "model_card.json").read_text())
    assert card["class_names"] == ["negative", "positive"]
    assert card["metrics"] == run.metrics
    assert card["config"]["model"]["model"] == "gru_64"
    assert card["parameters"] == run.model.count_params()
    assert card["rows_independent"] is True
    names = ["saved_model.pb", "variables/variables.data-00000-of-00001", "variables/variables.index"]
    assert card["sha256"] == {
        name: hashlib.sha256((saved_model / "1" / name).read_bytes()).hexdigest() for name in names
    }
    markdown = (saved_model / "1" / EXTRA / "model_card.md").read_text()
    assert markdown.startswith("# gru_64 on tiny\n")
    assert f"| test | {run.metrics['test']['accuracy']:.4f} |" in markdown
    for name in names[:2]:
        assert f"sha256 of {name}: `{card['sha256'][name]}`" in markdown
    assert "batching off" not in markdown
    assert "leave TensorFlow Serving's batching off" in model_card_markdown({**card, "rows_independent": False})


@pytest.mark.parametrize(("name", "independent"), [("bilstm_64", True), ("lesson_tf3_lstm_8", False)])
def test_a_model_that_reads_padding_is_told(name, independent):
    vectorizer = adapt_vectorizer(["a b c"])
    model = create_model(name, num_classes=2, vectorizer=vectorizer)
    assert rows_independent(model, answers(model, FACTS, ["a", "b c " * 9])) is independent
    batch_logits, single_logits = model(tf.constant(["a", "b c " * 9])), model(tf.constant(["a"]))
    assert bool(np.abs(batch_logits[0] - single_logits[0]).max() < 1e-6) is independent


@pytest.mark.filterwarnings("ignore:Layer .conv1d.")
def test_a_layer_that_drops_the_mask_is_told():
    """Conv1D drops the mask. The embedding alone says that padding is masked."""
    keras.utils.set_random_seed(2)  # with some weights padding changes less than the tolerance
    token_ids = keras.Input((None,), dtype="int32")
    x = TokenEmbedding(5, 4, mask_zero=True)(token_ids)
    x = keras.layers.GRU(4)(keras.layers.Conv1D(4, 3, padding="same", use_bias=True)(x))
    model = text_model(keras.Model(token_ids, keras.layers.Dense(2)(x)), adapt_vectorizer(["a b c"]))
    assert not rows_independent(model, answers(model, FACTS, ["a", "b c " * 9]))


def test_the_answers_are_those_of_the_run_to_its_sample_texts(run, saved_model):
    rows = json.loads((saved_model / "1" / EXTRA / "check.json").read_text())
    texts = [row["text"] for row in rows]
    assert texts == [*run.sample_texts, "", "qqqxzj zzzvqk"]
    longest = max(tiny.dataset().test.texts, key=len)
    assert longest in texts
    logits = run.model(tf.constant(texts)).numpy()
    np.testing.assert_allclose([row["logits"] for row in rows], logits, atol=1e-5)
    exponentials = np.exp(logits)
    probabilities = exponentials / exponentials.sum(axis=-1, keepdims=True)
    np.testing.assert_allclose([row["probabilities"] for row in rows], probabilities, atol=1e-5)
    assert [row["label"] for row in rows] == [("negative", "positive")[index] for index in logits.argmax(axis=-1)]
    vocabulary = run.model.get_layer("vectorizer").get_vocabulary()
    assert [vocabulary[i] for i in rows[0]["token_ids"]] == texts[0].split()


def test_without_sample_texts_the_models_own_words_are_asked_for(run):
    texts = check_texts(run.model)
    assert [len(text.split()) for text in texts] == [1, 2, 5, 20, 60, 1000, 0, 2]
    assert set(" ".join(texts[:6]).split()) == {"good", "bad", *tiny.FILLERS}
    assert check_texts(run.model) == texts
    assert check_texts(run.model, ["a", "", "a"]) == ["a", "", "qqqxzj zzzvqk"]


def test_the_warm_up_requests_run_through_every_signature(run, saved_model):
    records = tf.data.TFRecordDataset(str(saved_model / "1" / EXTRA / "tf_serving_warmup_requests"))
    logs = [PredictionLog.FromString(record) for record in records.as_numpy_iterator()]
    assert [log.WhichOneof("log_type") for log in logs] == ["predict_log"] * 4 + ["classify_log"]
    loaded = tf.saved_model.load(str(saved_model / "1"))
    shapes = []
    for log in logs[:4]:
        request = log.predict_log.request
        assert request.model_spec.name == "tiny"
        inputs = {name: tf.constant(tf.make_ndarray(proto)) for name, proto in request.inputs.items()}
        shapes += [(request.model_spec.signature_name, name, *value.shape) for name, value in inputs.items()]
        loaded.signatures[request.model_spec.signature_name](**inputs)
    words = max(len(text.split()) for text in run.sample_texts[:8])
    assert shapes == [
        ("serving_default", "text", 1),
        ("serving_default", "text", 8),
        ("serving_default", "text", 1),
        ("tokens", "token_ids", 8, words),
    ]
    longest = tf.make_ndarray(logs[2].predict_log.request.inputs["text"])[0].decode()
    assert len(longest.split()) == max(len(text.split()) for text in run.sample_texts)
    request = logs[4].classify_log.request
    assert (request.model_spec.name, request.model_spec.signature_name) == ("tiny", "classify")
    examples = request.input.example_list.examples
    assert [e.features.feature["text"].bytes_list.value[0].decode() for e in examples] == run.sample_texts[:8]
    loaded.signatures["classify"](inputs=tf.constant([example.SerializeToString() for example in examples]))


def test_versions_count_up_and_are_never_overwritten(run, tmp_path, publish_only):
    assert export(run, tmp_path / "m").name == "1"
    assert export(run, tmp_path / "m").name == "2"
    assert export(run, tmp_path / "m", version=7).name == "7"
    assert export(run.directory, str(tmp_path / "m")).name == "8"
    with pytest.raises(UsageError, match="7 exists already"):
        export(run, tmp_path / "m", version=7)
    for version in (0, "3", 2.5):
        with pytest.raises(UsageError, match=f"version takes a whole number of at least 1, got {version!r}"):
            export(run, tmp_path / "m", version=version)
    graph_text = (tmp_path / "m" / "7" / "saved_model.pb").read_text()
    assert re.fullmatch(rf"\.7\.{re.escape(HOST)}\.{os.getpid()}\.[0-9a-f]{{8}}\.tmp of m", graph_text)


def test_of_two_exports_of_one_version_the_later_takes_the_next_free_one(run, tmp_path, publish_only, monkeypatch):
    def write_while_others_publish(run, folder, name):
        publish_only(run, folder, name)
        for number in ("1", "2", "9"):
            (folder.parent / number).mkdir(exist_ok=True)
            (folder.parent / number / "saved_model.pb").write_text("the other's")
        (folder.parent / "3").write_text("a file")

    monkeypatch.setattr(export_module, "get_exporter", lambda format: write_while_others_publish)
    assert export(run, tmp_path / "m") == tmp_path / "m" / "4"
    assert (tmp_path / "m" / "1" / "saved_model.pb").read_text() == "the other's"
    with pytest.raises(UsageError, match="n/9 exists already; give another version"):
        export(run, tmp_path / "n", version=9)
    assert sorted(entry.name for entry in (tmp_path / "n").iterdir()) == ["1", "2", "3", "9"]


def test_a_failed_check_publishes_nothing(run, saved_model, tmp_path, monkeypatch):
    def write_other_variables(run, folder, name):
        shutil.copytree(saved_model / "1", folder)
        (folder / "variables" / "variables.index").write_bytes(b"")

    monkeypatch.setattr(saved_model_version, "_write_version", write_other_variables)
    with pytest.raises(ExportError, match=r"\.1\..*variables.index is not the file that was exported"):
        export(run, tmp_path / "m")
    assert list((tmp_path / "m").iterdir()) == []


def test_the_layers_of_an_export_do_not_take_cudnn_even_with_a_gpu(run, tmp_path, monkeypatch):
    class SeenError(Exception):
        pass

    def look(serving, model, *args, **options):
        assert [layer.use_cudnn for layer in recurrent_layers(model)] == [False, False]
        raise SeenError

    monkeypatch.setattr(saved_model_version, "write_saved_model", look)
    with pytest.raises(SeenError):
        export(run, tmp_path / "m")


def test_debris_of_dead_exports_goes_and_a_live_one_keeps_its_folder(run, tmp_path, publish_only, monkeypatch):
    dead_process = subprocess.run(
        [sys.executable, "-c", "import os; print(os.getpid())"], capture_output=True, check=True
    )
    debris = [f".1.{HOST}.{pid}.0a.tmp" for pid in (int(dead_process.stdout), os.getpid(), 10**30)]
    old = ".1.another-host.1.0a.tmp"
    monkeypatch.setattr(export_module, "_active_folders", {f".2.{HOST}.{os.getpid()}.0b.tmp"})  # another thread's
    live_folders = {
        f".1.{HOST}.{os.getppid()}.0a.tmp",
        ".1.another-host.99.0a.tmp",
        ".thumbnails",
        *export_module._active_folders,
    }
    for name in [*debris, old, *live_folders]:
        (tmp_path / "m" / name).mkdir(parents=True)
        (tmp_path / "m" / name / "saved_model.pb").write_text("half")
    os.utime(tmp_path / "m" / old, (time.time() - 100_000,) * 2)
    export(run, tmp_path / "m")
    assert sorted(entry.name for entry in (tmp_path / "m").iterdir()) == sorted(["1", *live_folders])


def test_places_that_take_no_model_are_refused(run, tmp_path):
    with pytest.raises(UsageError, match=r"TensorFlow saves to no path with any of"):
        export(run, tmp_path / "m[1]")
    (tmp_path / "file").write_text("x")
    for path in ("file", "file/m"):
        with pytest.raises(UsageError, match="file"):
            export(run, tmp_path / path)


def test_a_killed_export_leaves_no_version_that_is_broken(run, tmp_path, publish_only):
    """The export is killed at a random moment after it began to write."""
    command = [sys.executable, "-c", "import sys, keras_rnn; keras_rnn.export(*sys.argv[1:])", run.directory, "m"]
    folder = tmp_path / "m"
    with subprocess.Popen(command, cwd=tmp_path, env={**os.environ, "PYTHONPATH": str(ROOT)}) as exporter:
        while not (folder.is_dir() and list(folder.iterdir())):
            assert exporter.poll() is None
            time.sleep(0.01)
        time.sleep(np.random.default_rng().uniform(0, 3))
        exporter.send_signal(signal.SIGKILL)
    visible_entries = [entry for entry in folder.iterdir() if not entry.name.startswith(".")]
    assert [entry.name for entry in visible_entries] in ([], ["1"])
    for version in visible_entries:
        check_version(version)
    version_folder = export(run, folder)
    assert {entry.name for entry in folder.iterdir()} == {
        version_folder.name,
        *(entry.name for entry in visible_entries),
    }


def test_what_is_no_run_is_named(tmp_path):
    with pytest.raises(UsageError, match="no run directory"):
        export(tmp_path / "none", tmp_path / "m")
    with pytest.raises(UsageError, match=r"is no run directory: it has no config.json"):
        export(tmp_path, tmp_path / "m")
    assert not (tmp_path / "m").exists()

import itertools
import os
import pickle
import shutil
import zipfile
from concurrent.futures import ThreadPoolExecutor

import keras
import numpy as np
import pytest

from keras_rnn import UsageError, load_predictor, predict

TEXTS = ["good film and bad", "bad film and good", "", "wholly unknown"]


def test_run_keras_file_and_saved_model_predict_the_same(run, saved_model, tmp_path):
    shutil.copy(run.directory / "model.keras", tmp_path / "alone.keras")
    paths = [run.directory, run.directory / "model.keras", saved_model, saved_model / "1", tmp_path / "alone.keras"]
    rows = [list(predict(path, TEXTS)) for path in paths]
    for other in rows[1:]:
        for expected, actual in zip(rows[0], other, strict=True):
            expected_values, actual_values = list(expected.probabilities.values()), list(actual.probabilities.values())
            np.testing.assert_allclose(expected_values, actual_values, atol=1e-5)
    assert [row.label for row in rows[0]] == [row.label for row in rows[2]]
    assert list(rows[0][0].probabilities) == ["negative", "positive"]
    assert list(rows[4][0].probabilities) == ["0", "1"]


def test_a_prediction_is_the_likeliest_class(run):
    for prediction in predict(run.directory, TEXTS):
        assert sum(prediction.probabilities.values()) == pytest.approx(1, abs=1e-6)
        assert prediction.probabilities[prediction.label] == max(prediction.probabilities.values())


def test_an_endless_stream_is_read_a_batch_at_a_time(run):
    read = itertools.count()
    stream = (f"text {next(read)}" for _ in itertools.count())
    predictions = predict(load_predictor(run.directory), stream, batch_size=4)
    assert [row.text for row in itertools.islice(predictions, 6)] == [f"text {i}" for i in range(6)]
    assert next(read) == 8


def test_the_highest_version_is_taken_and_half_made_ones_are_not(run, saved_model, tmp_path):
    folder = tmp_path / "m"
    for version in ("2", "10"):
        shutil.copytree(saved_model / "1", folder / version)
    (folder / "11").mkdir()
    (folder / ".12.99.tmp").mkdir()
    from keras_rnn.serving.layout import latest_version

    assert latest_version(folder) == folder / "10"


def test_one_string_is_not_taken_for_its_characters(run):
    with pytest.raises(UsageError, match="texts takes strings, not one string, got 'good film'"):
        next(predict(run.directory, "good film"))


@pytest.mark.parametrize("path", ["run", "run/model.keras"])
def test_other_classes_than_the_model_has_are_named(path, run, tmp_path):
    shutil.copytree(run.directory, tmp_path / "run")
    (tmp_path / "run" / "classes.json").write_text('["a", "b", "c"]')
    with pytest.raises(UsageError, match=r"classes.json names 3 classes, but the model has 2"):
        load_predictor(tmp_path / path)


def test_what_is_no_model_is_named(tmp_path):
    with pytest.raises(UsageError, match="no model .*none; it takes a run directory"):
        load_predictor(tmp_path / "none")
    with pytest.raises(UsageError, match=r"is no run directory, \.keras file or SavedModel"):
        load_predictor(tmp_path)
    (tmp_path / "1").mkdir()
    (tmp_path / "1" / "saved_model.pb").write_bytes(b"not a protobuf")
    with pytest.raises(UsageError, match="is no SavedModel of keras_rnn"):
        load_predictor(tmp_path)
    text = tmp_path / "notes.keras"
    text.write_text("these are notes")
    with pytest.raises(UsageError, match=r"notes.keras is no model file of keras_rnn"):
        load_predictor(text)


def test_another_keras_model_is_named(tmp_path):
    x = keras.Input((3,))
    keras.Model(x, keras.layers.Dense(2)(x)).save(tmp_path / "other.keras")
    with pytest.raises(UsageError, match=r"is no text model of keras_rnn: it takes \['float32'\]"):
        load_predictor(tmp_path / "other.keras")


def test_a_model_file_that_would_run_code_is_refused(tmp_path):
    x = keras.Input((), dtype="string")
    keras.Model(x, keras.layers.Lambda(lambda t: t)(x)).save(tmp_path / "lambda.keras")
    with pytest.raises(UsageError, match=r"lambda.keras is no model file of keras_rnn"):
        load_predictor(tmp_path / "lambda.keras")

    class Exploit:
        def __reduce__(self):
            return os.mkdir, (str(tmp_path / "owned"),)

    with zipfile.ZipFile(tmp_path / "pickle.keras", "w") as archive:
        archive.writestr("config.json", pickle.dumps(Exploit()))
    with pytest.raises(UsageError, match=r"pickle.keras is no model file of keras_rnn"):
        load_predictor(tmp_path / "pickle.keras")
    assert not (tmp_path / "owned").exists()


def test_a_batch_shared_out_among_cores_keeps_its_order(saved_model, monkeypatch):
    monkeypatch.setattr(os, "cpu_count", lambda: 3)
    predictor = load_predictor(saved_model)
    texts = [" ".join(["good film", "bad"][: 1 + row % 2] * (1 + row % 7)) for row in range(101)]
    single_results = np.concatenate([predictor.probabilities([text]) for text in texts])
    np.testing.assert_allclose(predictor.probabilities(texts), single_results, atol=1e-6)
    assert np.ptp(single_results[:, 0]) > 1e-3


def test_callers_do_not_get_in_each_others_way(saved_model):
    predictor = load_predictor(saved_model)
    single_results = [predictor.probabilities([text]) for text in TEXTS]
    with ThreadPoolExecutor(4) as pool:
        thread_results = list(pool.map(lambda text: predictor.probabilities([text]), TEXTS * 50))
    np.testing.assert_allclose(thread_results, single_results * 50, atol=1e-6)

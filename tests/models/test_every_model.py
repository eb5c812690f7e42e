"""What every registered model must do; a new entry inherits all of it."""

import json
import subprocess
import sys
from pathlib import Path

import keras
import numpy as np
import pytest
import tensorflow as tf

from keras_rnn.models import create_model, get_model_entry, list_models, token_model_of
from keras_rnn.serving.check import graph_ops
from keras_rnn.text.vectorizer import adapt_vectorizer
from tests.support.exported import write_version

ROOT = Path(__file__).parents[2]
NAMES = [name for name in list_models() if not name.startswith("test_")]
CLASSES = ("no", "yes", "perhaps")
TEXTS = ["not good, but cheap", "good, but not cheap", "", "wholly unknown words here", "good " * 40]
VOCABULARY = 12


@pytest.fixture(scope="module")
def vectorizer():
    return adapt_vectorizer(["good, but not cheap", "it was cheap and it was good!"], vocabulary_size=VOCABULARY)


def token_model(name, **overrides):
    keras.utils.set_random_seed(7)
    return create_model(name, num_classes=len(CLASSES), vocabulary_size=VOCABULARY, **overrides)


def text_model(name, vectorizer):
    keras.utils.set_random_seed(7)
    return create_model(name, num_classes=len(CLASSES), vectorizer=vectorizer, max_length=30)


@pytest.fixture(params=NAMES)
def name(request):
    return request.param


def test_shapes_and_dtypes_for_any_length(name):
    model = token_model(name)
    assert [tensor.dtype for tensor in model.inputs] == ["int32"]
    for batch, time in [(1, 1), (3, 5), (2, 50)]:
        logits = model(np.random.default_rng(0).integers(1, VOCABULARY, (batch, time)).astype("int32"))
        assert logits.shape == (batch, len(CLASSES))
        assert logits.dtype == tf.float32
        assert np.isfinite(logits).all()


def test_padding_changes_nothing_unless_the_model_reads_it(name):
    model = token_model(name)
    token_ids = np.array([[3, 4, 5, 6], [7, 8, 0, 0]], "int32")
    padded = np.pad(token_ids, ((0, 0), (0, 9)))
    difference = np.abs(np.asarray(model(token_ids)) - np.asarray(model(padded))).max()
    if get_model_entry(name).hyperparameters.get("mask_padding", True):
        assert difference < 1e-6
    else:
        assert difference > 1e-4


def test_rows_do_not_touch_each_other(name):
    model = token_model(name)
    token_ids = np.array([[3, 4, 5, 6], [7, 8, 9, 10]], "int32")
    together = np.asarray(model(token_ids))
    alone = np.concatenate([model(token_ids[:1]), model(token_ids[1:])])
    np.testing.assert_allclose(together, alone, atol=1e-6)


def test_rows_of_padding_only_give_a_valid_output(name):
    logits = token_model(name)(np.array([[0, 0, 0], [3, 0, 0]], "int32"))
    assert np.isfinite(logits).all()


def test_empty_and_unknown_texts_give_a_valid_prediction(name, vectorizer):
    model = text_model(name, vectorizer)
    for texts in (TEXTS, [""], ["", "", "  "], ["zzz qqq"]):
        logits = np.asarray(model(tf.constant(texts)))
        assert logits.shape == (len(texts), len(CLASSES))
        assert np.isfinite(logits).all()


def test_gradient_reaches_every_weight_and_a_small_step_along_it_lowers_the_loss(name):
    model = token_model(name)
    token_ids = np.random.default_rng(0).integers(1, VOCABULARY, (16, 6)).astype("int32")
    labels = np.arange(16) % len(CLASSES)

    def loss():
        losses = keras.losses.sparse_categorical_crossentropy(labels, model(token_ids), from_logits=True)
        return tf.reduce_mean(losses)

    with tf.GradientTape() as tape:
        before = loss()
    gradients = tape.gradient(before, model.trainable_variables)
    for weight, gradient in zip(model.trainable_variables, gradients, strict=True):
        assert gradient is not None, weight.path
        assert np.abs(tf.convert_to_tensor(gradient)).max() > 0, weight.path
    squares = sum(np.square(tf.convert_to_tensor(gradient)).sum() for gradient in gradients)
    step = 1e-2 / squares  # to first order, the loss falls by 1e-2
    for weight, gradient in zip(model.trainable_variables, gradients, strict=True):
        weight.assign_sub(step * tf.convert_to_tensor(gradient))
    assert 0.5e-2 < before - loss() < 1.5e-2


def test_save_and_load_give_the_same_model(name, vectorizer, tmp_path):
    model = text_model(name, vectorizer)
    model.save(tmp_path / "model.keras")
    loaded = keras.saving.load_model(tmp_path / "model.keras", safe_mode=True)
    np.testing.assert_array_equal(loaded(tf.constant(TEXTS)), model(tf.constant(TEXTS)))
    assert token_model_of(loaded).count_params() == token_model_of(model).count_params()


def test_mixed_precision_computes_in_float16_and_gives_float32_logits(name):
    keras.config.set_dtype_policy("mixed_float16")
    try:
        model = token_model(name, dropout=0.0)
    finally:
        keras.config.set_dtype_policy("float32")
    assert model.get_layer("embedding").compute_dtype == "float16"
    token_ids = np.array([[3, 4, 5, 6], [7, 8, 0, 0], [0, 0, 0, 0]], "int32")
    logits = model(token_ids)
    assert logits.dtype == tf.float32
    reference = token_model(name, dropout=0.0)
    reference.set_weights(model.get_weights())
    np.testing.assert_allclose(logits, reference(token_ids), atol=2e-2)


@pytest.fixture(scope="module")
def exported(vectorizer, tmp_path_factory):
    """Every model as a SavedModel, and how far off its answers are in a fresh process without Keras or the models."""
    folder = tmp_path_factory.mktemp("exported")
    expected = {}
    for name in NAMES:
        model = text_model(name, vectorizer)
        write_version(model, CLASSES, TEXTS, folder / name)
        expected[name] = tf.nn.softmax(model(tf.constant(TEXTS))).numpy()
    script = (
        "import json, pathlib, sys\n"
        "sys.modules['keras'] = None\n"
        "from keras_rnn.serving.check import check_version\n"
        "checks = {path.name: check_version(path) for path in sorted(pathlib.Path(sys.argv[1]).iterdir())}\n"
        "assert 'keras_rnn.models' not in sys.modules\n"
        "print(json.dumps({name: [c.signatures, c.texts, c.largest_difference] for name, c in checks.items()}))\n"
    )
    fresh = subprocess.run([sys.executable, "-c", script, folder], capture_output=True, text=True, cwd=ROOT)
    assert fresh.returncode == 0, fresh.stderr[-2000:]
    return folder, expected, json.loads(fresh.stdout.splitlines()[-1])


def test_exported_model_gives_the_same_answers_in_a_fresh_process(name, exported):
    folder, expected, checked = exported
    signatures, texts, largest_difference = checked[name]
    assert (signatures, texts) == (3, len(TEXTS))
    assert largest_difference <= 1e-5
    rows = json.loads((folder / name / "assets.extra" / "check.json").read_text())
    np.testing.assert_allclose([row["probabilities"] for row in rows], expected[name], atol=1e-6)
    assert [row["label"] for row in rows] == [CLASSES[index] for index in expected[name].argmax(axis=-1)]


def test_exported_graph_holds_no_cudnn_op(name, exported):
    ops = graph_ops(exported[0] / name)
    assert "MatMul" in ops
    assert not [op for op in ops if "Cudnn" in op]

"""What every registered model must do; a new entry inherits all of it.

Each model is built once, which takes longer than most of what is asked of it; a test leaves it as it was.
"""

import functools
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
from keras_rnn.training.run_directory import load_text_model
from tests.support.exported import write_version

ROOT = Path(__file__).parents[2]
NAMES = [name for name in list_models(task="classification") if not name.startswith("test_")]
CLASSES = ("no", "yes", "perhaps")
TEXTS = ["not good, but cheap", "good, but not cheap", "", "wholly unknown words here", "good " * 8]
VOCABULARY = 12
MAX_LENGTH = 6  # tokens, fewer than the last text has


@pytest.fixture(scope="module")
def vectorizer():
    texts = ["good, but not cheap", "it was cheap and it was good!", "so they say"]
    vectorizer = adapt_vectorizer(texts, vocabulary_size=VOCABULARY)
    assert vectorizer.vocabulary_size() == VOCABULARY  # or the models would not take all of the token ids below
    return vectorizer


@pytest.fixture(scope="module")
def text_models(vectorizer):
    """A function that gives the text model of a name, the same one each time."""

    @functools.cache
    def text_model(name):
        keras.utils.set_random_seed(7)
        return create_model(name, num_classes=len(CLASSES), vectorizer=vectorizer, max_length=MAX_LENGTH)

    return text_model


@pytest.fixture(params=NAMES)
def name(request):
    return request.param


@pytest.fixture
def text_model(name, text_models):
    return text_models(name)


@pytest.fixture
def token_model(text_model):
    return token_model_of(text_model)


def test_shapes_and_dtypes_for_any_length(token_model):
    assert [tensor.dtype for tensor in token_model.inputs] == ["int32"]
    for batch, time in [(1, 1), (3, 5), (2, 9)]:
        logits = token_model(np.random.default_rng(0).integers(1, VOCABULARY, (batch, time)).astype("int32"))
        assert logits.shape == (batch, len(CLASSES))
        assert logits.dtype == tf.float32
        assert np.isfinite(logits).all()


def test_padding_changes_nothing_unless_the_model_reads_it(name, token_model):
    token_ids = np.array([[3, 4, 5, 6], [7, 8, 0, 0]], "int32")
    padded_ids = np.pad(token_ids, ((0, 0), (0, 4)))
    difference = np.abs(np.asarray(token_model(token_ids)) - np.asarray(token_model(padded_ids))).max()
    if get_model_entry(name).hyperparameters.get("mask_padding", True):
        assert difference < 1e-6
    else:
        assert difference > 1e-4


def test_rows_do_not_touch_each_other(token_model):
    token_ids = np.array([[3, 4, 5, 6], [7, 8, 9, 10]], "int32")
    batch_logits = np.asarray(token_model(token_ids))
    single_logits = np.concatenate([token_model(token_ids[:1]), token_model(token_ids[1:])])
    np.testing.assert_allclose(batch_logits, single_logits, atol=1e-6)


def test_rows_of_padding_only_give_a_valid_output(token_model):
    logits = token_model(np.array([[0, 0, 0], [3, 0, 0]], "int32"))
    assert np.isfinite(logits).all()


def test_empty_and_unknown_texts_give_a_valid_prediction(text_model):
    for texts in (TEXTS, [""], ["", "", "  "], ["zzz qqq"]):
        logits = np.asarray(text_model(tf.constant(texts)))
        assert logits.shape == (len(texts), len(CLASSES))
        assert np.isfinite(logits).all()


@pytest.fixture
def keep_weights(token_model):
    weights = token_model.get_weights()
    yield
    token_model.set_weights(weights)


def test_gradient_reaches_every_weight_and_a_small_step_along_it_lowers_the_loss(token_model, keep_weights):
    token_ids = np.random.default_rng(0).integers(1, VOCABULARY, (16, 6)).astype("int32")
    labels = np.arange(16) % len(CLASSES)

    def loss():
        losses = keras.losses.sparse_categorical_crossentropy(labels, token_model(token_ids), from_logits=True)
        return tf.reduce_mean(losses)

    with tf.GradientTape() as tape:
        loss_before = loss()
    gradients = tape.gradient(loss_before, token_model.trainable_variables)
    for weight, gradient in zip(token_model.trainable_variables, gradients, strict=True):
        assert gradient is not None, weight.path
        assert np.abs(tf.convert_to_tensor(gradient)).max() > 0, weight.path
    squares = sum(np.square(tf.convert_to_tensor(gradient)).sum() for gradient in gradients)
    step = 1e-2 / squares  # to first order, the loss falls by 1e-2
    for weight, gradient in zip(token_model.trainable_variables, gradients, strict=True):
        weight.assign_sub(step * tf.convert_to_tensor(gradient))
    assert 0.5e-2 < loss_before - loss() < 1.5e-2


def test_save_and_load_give_the_same_model(text_model, token_model, tmp_path):
    text_model.save(tmp_path / "model.keras")
    expected = text_model(tf.constant(TEXTS))
    loaded_model = load_text_model(tmp_path / "model.keras")
    np.testing.assert_array_equal(loaded_model(tf.constant(TEXTS)), expected)
    assert token_model_of(loaded_model).count_params() == token_model.count_params()
    with_layers_of_keras = keras.saving.load_model(tmp_path / "model.keras", safe_mode=True)
    np.testing.assert_allclose(with_layers_of_keras(tf.constant(TEXTS)), expected, rtol=1e-4, atol=1e-6)


def test_mixed_precision_computes_in_float16_and_gives_float32_logits(name, token_model):
    keras.config.set_dtype_policy("mixed_float16")
    try:
        model = create_model(name, num_classes=len(CLASSES), vocabulary_size=VOCABULARY)
    finally:
        keras.config.set_dtype_policy("float32")
    assert model.get_layer("embedding").compute_dtype == "float16"
    token_ids = np.array([[3, 4, 5, 6], [7, 8, 0, 0], [0, 0, 0, 0]], "int32")
    model.set_weights(token_model.get_weights())
    logits, expected = model(token_ids), np.asarray(token_model(token_ids))
    assert logits.dtype == tf.float32
    difference = np.abs(np.asarray(logits) - expected).max()
    assert 0 < difference < 5e-3 * np.abs(expected).max()  # new models' logits are small: a bound of its own for each


@pytest.fixture(scope="module")
def exported(text_models, tmp_path_factory):
    """Every model as a SavedModel, and how far off its answers are in a fresh process without Keras or the models."""
    folder = tmp_path_factory.mktemp("exported")
    expected = {}
    for name in NAMES:
        model = text_models(name)
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
    process = subprocess.run([sys.executable, "-c", script, folder], capture_output=True, text=True, cwd=ROOT)
    assert process.returncode == 0, process.stderr[-2000:]
    return folder, expected, json.loads(process.stdout.splitlines()[-1])


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

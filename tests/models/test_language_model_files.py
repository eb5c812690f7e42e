"""Language models in files, SavedModels, clones, and under a mixed policy."""

import json
import subprocess
import sys
from pathlib import Path

import keras
import numpy as np
import pytest
import tensorflow as tf

import keras_rnn
from keras_rnn import UsageError
from keras_rnn.layers import FUSED
from keras_rnn.models import create_model, hidden_model, initial_states, language_model, state_names, token_nats
from keras_rnn.models.language_model_catalog import DEFAULT_LANGUAGE_MODEL, LANGUAGE_MODELS
from tests.models.language_models import SIZES, TARGETS, TOKEN_IDS, VARIANTS, VOCABULARY, build, random_states

FRESH = ["dropped_lstm", "projected_gru", "adaptive_lstm"]
ROOT = Path(keras_rnn.__file__).parents[1]
# What a fresh process says of each file: the sum of the logits there and in a SavedModel, the number of weights,
# and how many variables are matrices of a vector a token.
SCRIPT = """
import json, sys
import keras, numpy as np, tensorflow as tf
from keras_rnn.models import state_names
from keras_rnn.layers import FUSED
token_ids = tf.constant(json.loads(sys.argv[1]))
for path in sys.argv[2:]:
    model = keras.saving.load_model(path, custom_objects=FUSED, safe_mode=True)
    states = {name: tf.ones((len(token_ids), model.input[name].shape[1])) for name in state_names(model)}
    logits = model({"token_ids": token_ids, **states})["logits"]
    model.export(path + ".saved", verbose=False)
    saved = tf.saved_model.load(path + ".saved")
    served = saved.serve({"token_ids": token_ids, **states})["logits"]
    matrices = [v.shape for v in saved.variables if 23 in v.shape and len(v.shape) == 2]
    sums = [float(np.sum(np.abs(values))) for values in (logits, served)]
    print(json.dumps([*sums, model.count_params(), len(matrices)]))
"""


@pytest.fixture(scope="module")
def fresh(tmp_path_factory):
    """For each variant the model, and what a fresh process says of its file."""
    folder = tmp_path_factory.mktemp("files")
    models = {variant: build(variant) for variant in FRESH}
    for variant, model in models.items():
        model.save(folder / f"{variant}.keras")
    paths = [str(folder / f"{variant}.keras") for variant in models]
    process = subprocess.run(
        [sys.executable, "-c", SCRIPT, json.dumps(TOKEN_IDS.tolist()), *paths],
        capture_output=True,
        text=True,
        cwd=ROOT,
    )
    assert process.returncode == 0, process.stderr[-2000:]
    lines = [json.loads(line) for line in process.stdout.splitlines() if line.startswith("[")]
    return {variant: (models[variant], line) for variant, line in zip(models, lines, strict=True)}


@pytest.mark.parametrize("variant", FRESH)
def test_a_fresh_process_loads_and_exports_the_same_model(variant, fresh):
    model, (total, served, parameters, matrices) = fresh[variant]
    states = {name: tf.ones((3, model.input[name].shape[1])) for name in state_names(model)}
    expected = np.sum(np.abs(model({"token_ids": tf.constant(TOKEN_IDS), **states})["logits"]), dtype="float64")
    np.testing.assert_allclose([total, served], expected, rtol=1e-5)
    assert parameters == model.count_params()
    options = VARIANTS[variant]
    if "adaptive_cutoffs" not in options:
        assert matrices == (1 if options.get("tie_embeddings", True) else 2)  # tied weights are one variable


@pytest.mark.parametrize("variant", VARIANTS)
def test_copies_share_nothing_with_the_model_and_tie_their_own_weights(variant, tmp_path):
    model = build(variant)
    model.save(tmp_path / "model.keras")
    copies = [
        keras.Model.from_config(model.get_config()),
        keras.models.clone_model(model),
        keras.saving.load_model(tmp_path / "model.keras", custom_objects=FUSED, safe_mode=True),
    ]
    inputs = {"token_ids": tf.constant(TOKEN_IDS), **random_states(model)}
    expected = model(inputs)
    for copy in copies:
        copy.set_weights(model.get_weights())
        assert copy.count_params() == model.count_params()
        for name, value in copy(inputs).items():
            np.testing.assert_allclose(value, expected[name], atol=1e-6)
        nats = token_nats(copy, hidden_model(copy)(inputs)["hidden"], tf.constant(TARGETS))
        expected_nats = token_nats(model, hidden_model(model)(inputs)["hidden"], tf.constant(TARGETS))
        np.testing.assert_allclose(nats, expected_nats, atol=1e-5)
        copy.trainable_variables[0].assign_add(tf.ones_like(copy.trainable_variables[0].value))
        np.testing.assert_array_equal(model(inputs)["logits"], expected["logits"])
        assert np.abs(copy(inputs)["logits"] - expected["logits"]).max() > 1e-3


def test_tied_weights_are_counted_once():
    model = language_model(VOCABULARY, **SIZES)
    lstm = 4 * (6 * 6 + 6 * 6 + 6)
    assert model.count_params() == VOCABULARY * 6 + VOCABULARY + 2 * lstm
    untied = language_model(VOCABULARY, **SIZES, tie_embeddings=False)
    assert untied.count_params() == model.count_params() + VOCABULARY * 6
    projected = language_model(VOCABULARY, **{**SIZES, "hidden_size": (6, 5)})
    assert [layer.name for layer in projected.layers if "projection" in layer.name] == ["projection"]
    assert projected.get_layer("projection").count_params() == 5 * 6 + 6


@pytest.mark.parametrize("variant", VARIANTS)
def test_mixed_precision_computes_in_float16_and_gives_float32(variant):
    model = build(variant)
    policy = keras.config.dtype_policy()
    keras.config.set_dtype_policy("mixed_float16")
    try:
        mixed = language_model(VOCABULARY, **{**SIZES, **VARIANTS[variant]})
    finally:
        keras.config.set_dtype_policy(policy)
    mixed.set_weights(model.get_weights())
    inputs = {"token_ids": tf.constant(TOKEN_IDS), **random_states(model)}
    expected, outputs = model(inputs), mixed(inputs)
    hidden = hidden_model(mixed)(inputs)
    assert hidden["hidden"].dtype == "float16"
    nats = token_nats(mixed, hidden["hidden"], tf.constant(TARGETS))
    assert {value.dtype.name for value in [*outputs.values(), nats]} == {"float32"}
    for name, value in outputs.items():
        np.testing.assert_allclose(value[:2], expected[name][:2], atol=0.03)
    np.testing.assert_allclose(
        nats[0], -tf.gather(tf.nn.log_softmax(outputs["logits"]), TARGETS, batch_dims=2)[0], atol=1e-5
    )


@pytest.mark.parametrize("name", LANGUAGE_MODELS)
def test_named_models_give_logits_for_the_smallest_vocabulary(name):
    model = create_model(name, vocabulary_size=3)
    outputs = model({"token_ids": tf.constant([[2, 1, 0]]), **initial_states(model, 1)})
    assert outputs["logits"].shape == (1, 3, 3)
    assert np.isfinite(outputs["logits"]).all()
    assert DEFAULT_LANGUAGE_MODEL in LANGUAGE_MODELS


def test_cutoffs_beyond_the_vocabulary_do_not_count():
    options = {**SIZES, "tie_embeddings": False, "adaptive_cutoffs": [10, 2000]}
    assert language_model(VOCABULARY, **options).get_layer("logits").cutoffs == (10,)
    assert isinstance(language_model(10, **options).get_layer("logits"), keras.layers.Dense)
    with pytest.raises(UsageError, match="adaptive_cutoffs takes ids that increase"):
        language_model(10, **options | {"adaptive_cutoffs": [2000, 10]})

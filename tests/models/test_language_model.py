"""Language models against an independent loop, and what they promise of states and padding."""

import numpy as np
import pytest
import tensorflow as tf

from keras_rnn import UsageError
from keras_rnn.models import (
    hidden_logits,
    hidden_model,
    initial_states,
    language_model,
    state_names,
    token_nats,
)
from keras_rnn.models.language_model_step import step_logits
from tests.models.language_models import (
    SIZES,
    TARGETS,
    TOKEN_IDS,
    VARIANTS,
    VOCABULARY,
    build,
    random_states,
    reference,
)


@pytest.fixture(params=VARIANTS)
def model(request):
    return build(request.param)


@pytest.mark.parametrize("variant", VARIANTS)
def test_nats_and_states_are_those_of_a_loop_over_the_tokens(variant):
    model = build(variant)
    states = random_states(model)
    expected, expected_states = reference(model, VARIANTS[variant], TOKEN_IDS, states)
    hidden = hidden_model(model)({"token_ids": tf.constant(TOKEN_IDS), **states})
    nats = token_nats(model, hidden["hidden"], TARGETS)
    expected_nats = -np.take_along_axis(expected, TARGETS[:, :, None], 2)[:, :, 0] * (TARGETS > 0)
    assert nats.dtype == "float32"
    np.testing.assert_allclose(nats, expected_nats, atol=1e-5)
    outputs = model({"token_ids": tf.constant(TOKEN_IDS), **states})
    actual = tf.nn.log_softmax(outputs["logits"]).numpy()[TOKEN_IDS > 0]
    np.testing.assert_allclose(actual, expected[TOKEN_IDS > 0], atol=1e-5)
    np.testing.assert_allclose(hidden_logits(model, hidden["hidden"]), outputs["logits"], atol=1e-5)
    for name in state_names(model):
        for value in (outputs[name], hidden[name]):
            np.testing.assert_allclose(value, expected_states[name], atol=1e-5)


def test_shapes_dtypes_and_names(model):
    names = state_names(model)
    assert set(model.output) == {"logits", *names}
    assert set(model.input) == {"token_ids", *names}
    outputs = model({"token_ids": tf.constant(TOKEN_IDS), **initial_states(model, 3)})
    assert outputs["logits"].shape == (3, 5, VOCABULARY)
    assert {value.dtype.name for value in outputs.values()} == {"float32"}


def test_initial_states_are_zeros_in_a_graph_too(model):
    @tf.function
    def states(token_ids):
        return initial_states(model, tf.shape(token_ids)[0])

    for name, value in states(TOKEN_IDS).items():
        np.testing.assert_array_equal(value, np.zeros((3, model.input[name].shape[1]), "float32"))


def test_chunks_that_hand_the_state_on_are_the_whole_text(model):
    states = random_states(model)
    token_ids = np.random.default_rng(3).integers(1, VOCABULARY, (3, 11)).astype("int32")
    whole = model({"token_ids": tf.constant(token_ids), **states})
    logits = []
    for chunk in np.split(token_ids, [4, 5, 9], axis=1):
        outputs = model({"token_ids": tf.constant(chunk), **states})
        logits.append(outputs.pop("logits"))
        states = outputs
    np.testing.assert_allclose(np.concatenate(logits, axis=1), whole["logits"], atol=1e-5)
    for name in state_names(model):
        np.testing.assert_allclose(states[name], whole[name], atol=1e-5)


def test_padding_changes_nothing(model):
    states = random_states(model)
    expected = model({"token_ids": tf.constant(TOKEN_IDS), **states})
    padded = model({"token_ids": tf.pad(TOKEN_IDS, [[0, 0], [0, 3]]), **states})
    np.testing.assert_allclose(padded["logits"][:, :5], expected["logits"], atol=1e-6)
    for name in state_names(model):
        np.testing.assert_allclose(padded[name], expected[name], atol=1e-6)
        np.testing.assert_array_equal(expected[name][2], states[name][2])  # a row of padding


@pytest.mark.parametrize("run", [lambda f: f, tf.function])
def test_steps_are_the_whole_text(model, run):
    states, logits = random_states(model), []
    expected = model({"token_ids": tf.constant(TOKEN_IDS), **states})
    step = run(lambda token_ids, states: step_logits(model, token_ids, states))
    for token_ids in TOKEN_IDS.T:
        step_outputs, states = step(tf.constant(token_ids), states)
        logits.append(step_outputs)
    actual = np.stack(logits, axis=1)[TOKEN_IDS > 0]
    np.testing.assert_allclose(actual, expected["logits"].numpy()[TOKEN_IDS > 0], atol=1e-5)
    for name in state_names(model):
        np.testing.assert_allclose(states[name], expected[name], atol=1e-5)


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"vocabulary_size": 2}, "vocabulary_size takes at least 3"),
        ({"embedding_size": 0}, "embedding_size takes a whole number of at least 1, got 0"),
        ({"cell": "lsmt"}, "unknown cell 'lsmt'; did you mean 'lstm'"),
        ({"num_layers": 0}, "num_layers takes a whole number of at least 1, got 0"),
        ({"hidden_size": (4, 4, 4)}, r"hidden_size takes one whole number, or one a layer \(2 here\), got \[4, 4, 4\]"),
        ({"tie_embeddings": 1}, "tie_embeddings takes True or False, got 1"),
        *(
            ({name: 1.0}, f"{name} takes a number from 0 up to, but not including, 1, got 1.0")
            for name in ["embedding_dropout", "input_dropout", "dropout", "output_dropout", "weight_dropout"]
        ),
        ({"adaptive_cutoffs": [4]}, "adaptive_cutoffs takes tie_embeddings False beside it, got True"),
        (
            {"adaptive_cutoffs": [9, 4], "tie_embeddings": False},
            r"adaptive_cutoffs takes ids that increase, got \[9, 4\]",
        ),
        (
            {"adaptive_cutoffs": [0, 4], "tie_embeddings": False},
            "adaptive_cutoffs takes a whole number of at least 1, got 0",
        ),
    ],
)
def test_bad_values_are_named(options, message):
    with pytest.raises(UsageError, match=message):
        language_model(**{"vocabulary_size": VOCABULARY, **SIZES, **options})

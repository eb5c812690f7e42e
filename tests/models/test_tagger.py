import keras
import numpy as np
import pytest
import tensorflow as tf

from keras_rnn import UsageError
from keras_rnn.layers.character_encoder import CharacterEncoder
from keras_rnn.layers.crf import split_chain_scores
from keras_rnn.layers.crf_functions import log_likelihood, viterbi_decode
from keras_rnn.models.tag_objectives import CRFLoss, TagAccuracy, tag_loss
from keras_rnn.models.tagger import decoded_tagger, sequence_tagger, tagger_head
from keras_rnn.models.tagger_catalog import TAGGERS

NAMES = ["O", "B-X", "I-X"]
SIZES = {
    "num_tags": 3,
    "vocabulary_size": 12,
    "embedding_size": 6,
    "hidden_size": 5,
    "tag_names": NAMES,
}
CHARACTERS = {"character_vocabulary_size": 9, "character_embedding_size": 4, "character_hidden_size": 3}
VARIANTS = {
    "crf": {},
    "softmax": {"head": "softmax", "num_layers": 2, "cell": "gru"},
    "crf_cnn": {"characters": "cnn", **CHARACTERS, "dropout": 0.1, "embedding_dropout": 0.1, "token_dropout": 0.05},
    "crf_lstm": {"characters": "lstm", **CHARACTERS, "bidirectional": False},
}
TAGS = np.array([[0, 1, 2, 0, 1], [1, 2, -1, -1, -1], [0, -1, -1, -1, -1]], "int32")


@pytest.fixture(params=VARIANTS)
def model(request):
    keras.utils.set_random_seed(3)
    return sequence_tagger(**SIZES, **VARIANTS[request.param])


def inputs_for(model, rows=3, time=5, characters=4, seed=0):
    """Ids of rows of 5, 2 and 1 tokens, or of `time` tokens each where there are more rows."""
    rng = np.random.default_rng(seed)
    token_ids = rng.integers(1, 12, (rows, time)).astype("int32")
    character_ids = rng.integers(1, 9, (rows, time, characters)).astype("int32")
    character_ids[:, :, 2:] *= rng.integers(0, 2, (rows, time, 1), "int32")
    if rows == len(TAGS):
        token_ids[TAGS < 0] = character_ids[TAGS < 0] = 0
    if isinstance(model.input, dict):
        return {"token_ids": token_ids, "character_ids": character_ids}
    return token_ids


def padded(inputs, rows_after=0, steps=2, characters=3):
    """The same ids with more padding."""
    widths = [(0, rows_after), (0, steps), (0, characters)]
    if isinstance(inputs, dict):
        return {name: np.pad(ids, widths[: ids.ndim]) for name, ids in inputs.items()}
    return np.pad(inputs, widths[:2])


def test_padding_changes_nothing(model):
    decoded, inputs = decoded_tagger(model), inputs_for(model)
    expected, padded_outputs = decoded(inputs), decoded(padded(inputs))
    np.testing.assert_array_equal(np.asarray(expected["tags"]) == -1, TAGS == -1)
    np.testing.assert_array_equal(padded_outputs["tags"][:, :5], expected["tags"])
    np.testing.assert_allclose(padded_outputs["marginals"][:, :5], expected["marginals"], atol=1e-6)
    assert (np.asarray(padded_outputs["tags"])[:, 5:] == -1).all()
    assert not np.asarray(padded_outputs["marginals"])[:, 5:].any()


def test_marginals_are_distributions_and_rows_of_padding_survive(model):
    decoded = decoded_tagger(model)(padded(inputs_for(model), rows_after=1))
    sums = np.asarray(decoded["marginals"]).sum(-1)
    assert (decoded["tags"].dtype, decoded["marginals"].dtype) == (tf.int32, tf.float32)
    np.testing.assert_allclose(sums[:3, :5], TAGS >= 0, atol=1e-6)
    assert np.isfinite(sums).all()


def test_the_loss_is_in_nats_a_token(model):
    scores = model(inputs_for(model))
    loss = tag_loss(tagger_head(model))(TAGS, scores)
    if tagger_head(model) == "crf":
        nats = -np.sum(log_likelihood(TAGS, *split_chain_scores(scores), TAGS >= 0))
    else:
        log_probabilities = np.log(keras.ops.softmax(scores))
        nats = -sum(log_probabilities[row, step, TAGS[row, step]] for row, step in np.argwhere(TAGS >= 0))
    np.testing.assert_allclose(loss, nats / 8, rtol=1e-5)


def test_gradients_reach_every_weight_at_shapes_unknown_at_trace_time(model):
    inputs, loss = inputs_for(model), tag_loss(tagger_head(model))
    specs = tf.nest.map_structure(lambda ids: tf.TensorSpec((None,) * ids.ndim, tf.int32), inputs)

    @tf.function(input_signature=[specs, tf.TensorSpec((None, None), tf.int32)])
    def gradients(inputs, tags):
        with tf.GradientTape() as tape:
            nats = loss(tags, model(inputs))
        return [tf.convert_to_tensor(gradient) for gradient in tape.gradient(nats, model.trainable_variables)]

    for variable, gradient in zip(model.trainable_variables, gradients(inputs, TAGS), strict=True):
        assert np.isfinite(gradient).all(), variable.path
        assert np.abs(gradient).max() > 0, variable.path


def test_accuracy_counts_real_tokens(model):
    inputs = inputs_for(model)
    tags = np.asarray(decoded_tagger(model)(inputs)["tags"])
    metric = TagAccuracy(tagger_head(model))
    metric.update_state(TAGS, model(inputs))
    np.testing.assert_allclose(metric.result(), np.mean((tags == TAGS)[TAGS >= 0]), rtol=1e-6)
    assert TagAccuracy.from_config(metric.get_config()).head == tagger_head(model)


def test_fit_learns_a_rule_that_takes_two_tokens(model):
    """Odd tokens begin a span, and an even token goes on with the span of the token before it."""
    inputs = inputs_for(model, rows=128, time=6)
    token_ids = inputs["token_ids"] if isinstance(inputs, dict) else inputs
    tags = token_ids % 2
    tags[:, 1:] += 2 * (tags[:, :-1] > tags[:, 1:]).astype("int32")
    model.compile(
        keras.optimizers.Adam(0.05),
        tag_loss(tagger_head(model)),
        metrics=[TagAccuracy(tagger_head(model))],
        steps_per_execution=4,
    )
    model.optimizer.build(model.trainable_variables)  # or the first step would be traced twice
    model.fit(inputs, tags, batch_size=32, epochs=15, verbose=0)
    loss, accuracy = model.evaluate(inputs, tags, verbose=0)  # dropout hides tokens in training
    assert accuracy > 0.97
    assert loss < 0.15


def test_keras_file_gives_the_same_model(model, tmp_path):
    model.compile("adam", tag_loss(tagger_head(model)), metrics=[TagAccuracy(tagger_head(model))])
    model.save(tmp_path / "tagger.keras")
    decoded_tagger(model).save(tmp_path / "decoded.keras")
    inputs, expected = inputs_for(model), decoded_tagger(model)(inputs_for(model))
    loaded_model = keras.saving.load_model(tmp_path / "tagger.keras")
    assert tagger_head(loaded_model) == tagger_head(model)
    expected_loss = tag_loss(tagger_head(model))(TAGS, model(inputs))
    np.testing.assert_allclose(loaded_model.evaluate(inputs, TAGS, verbose=0)[0], expected_loss, rtol=1e-5)
    for decoded in (decoded_tagger(loaded_model), keras.saving.load_model(tmp_path / "decoded.keras")):
        outputs = decoded(inputs)
        np.testing.assert_array_equal(outputs["tags"], expected["tags"])
        np.testing.assert_allclose(outputs["marginals"], expected["marginals"], atol=1e-6)


@pytest.mark.parametrize("variant", ["crf", "crf_cnn"])
def test_saved_model_decodes_any_shape(variant, tmp_path):
    model = sequence_tagger(**SIZES, **VARIANTS[variant])
    decoded = decoded_tagger(model)
    decoded.export(tmp_path / "saved", verbose=False)
    saved_model = tf.saved_model.load(tmp_path / "saved")
    for inputs in (inputs_for(model), padded(inputs_for(model)), inputs_for(model, rows=1, time=1, characters=1)):
        outputs, expected = saved_model.serve(tf.nest.map_structure(tf.constant, inputs)), decoded(inputs)
        np.testing.assert_array_equal(outputs["tags"], expected["tags"])
        np.testing.assert_allclose(outputs["marginals"], expected["marginals"], atol=1e-6)


@pytest.mark.parametrize("variant", ["softmax", "crf_cnn"])
def test_mixed_precision_gives_float32_scores(variant):
    policy = keras.config.dtype_policy()
    keras.config.set_dtype_policy("mixed_float16")
    try:
        model = sequence_tagger(**SIZES, **VARIANTS[variant])
        decoded = decoded_tagger(model)
    finally:
        keras.config.set_dtype_policy(policy)
    inputs = inputs_for(model)
    assert model(inputs).dtype == tf.float32
    model.compile(keras.optimizers.LossScaleOptimizer(keras.optimizers.Adam()), tag_loss(tagger_head(model)))
    model.optimizer.build(model.trainable_variables)
    assert np.isfinite(model.fit(inputs, TAGS, verbose=0).history["loss"][0])
    np.testing.assert_allclose(np.asarray(decoded(inputs)["marginals"]).sum(-1), TAGS >= 0, atol=1e-6)


def test_pretrained_embeddings_are_used_and_can_be_frozen():
    embeddings = np.random.default_rng(0).normal(size=(12, 7)).astype("float32")
    model = sequence_tagger(num_tags=3, vocabulary_size=12, embeddings=embeddings, trainable_embeddings=False)
    np.testing.assert_array_equal(model.get_layer("embedding").get_weights()[0], embeddings)
    assert not model.get_layer("embedding").trainable_weights


def test_tag_names_forbid_what_iob2_does():
    model = sequence_tagger(**SIZES)
    model.get_layer("logits").bias.assign([0, 0, 9])  # I-X everywhere
    tags = np.asarray(decoded_tagger(model)(inputs_for(model))["tags"])
    np.testing.assert_array_equal(tags[:2], [[1, 2, 2, 2, 2], [1, 2, -1, -1, -1]])
    assert tags[2, 0] in (0, 1)
    unconstrained_model = sequence_tagger(**SIZES | {"tag_names": None})
    unconstrained_model.set_weights(model.get_weights())
    assert (
        np.asarray(decoded_tagger(unconstrained_model)(inputs_for(unconstrained_model))["tags"])[TAGS >= 0] == 2
    ).all()


@pytest.mark.parametrize("name", TAGGERS)
def test_named_taggers_give_scores_of_their_head(name):
    _, hyperparameters, _ = TAGGERS[name]
    vocabulary = {"character_vocabulary_size": 9} if "characters" in hyperparameters else {}
    model = sequence_tagger(num_tags=3, vocabulary_size=12, tag_names=NAMES, **hyperparameters, **vocabulary)
    assert tagger_head(model) == hyperparameters["head"]
    assert model(inputs_for(model)).shape == ((3, 5 + 5, 3) if hyperparameters["head"] == "crf" else (3, 5, 3))


@pytest.mark.parametrize("kind", ["cnn", "lstm"])
def test_characters_of_a_word_do_not_touch_another_word(kind):
    encoder = CharacterEncoder(9, 4, 3, kind)
    ids = np.random.default_rng(0).integers(1, 9, (2, 3, 5)).astype("int32")
    ids[0, 1, 2:] = ids[1, 2] = 0
    vectors = np.asarray(encoder(ids))
    assert vectors.shape == (2, 3, encoder.features)
    np.testing.assert_allclose(vectors[0, 1], np.asarray(encoder(ids[:1, 1:2, :2]))[0, 0], atol=1e-6)
    np.testing.assert_array_equal(vectors[1, 2], np.zeros(encoder.features))
    assert np.abs(vectors[0]).sum(-1).all()


def test_cnn_is_the_maximum_over_three_characters_at_a_time():
    encoder = CharacterEncoder(9, 4, 3, "cnn")
    encoder.build((None, None, None))
    embedding, kernel, bias = (np.random.default_rng(0).normal(size=w.shape) for w in encoder.weights)
    encoder.set_weights([embedding, kernel, bias])
    word = [3, 5, 2, 8]
    vectors = np.pad(embedding[word], [(1, 1), (0, 0)])
    windows = [np.einsum("ce,ceh->h", vectors[i : i + 3], kernel) + bias for i in range(4)]
    expected = np.maximum(np.max(windows, axis=0), 0)
    np.testing.assert_allclose(np.asarray(encoder(np.array([[[*word, 0, 0]]], "int32")))[0, 0], expected, rtol=1e-5)


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"num_tags": 1}, "num_tags takes a whole number of at least 2, got 1"),
        ({"head": "cfr"}, "unknown head 'cfr'; did you mean 'crf'"),
        ({"characters": "cnm", "character_vocabulary_size": 5}, "unknown characters 'cnm'; did you mean 'cnn'"),
        ({"characters": "cnn"}, "characters 'cnn' takes a character_vocabulary_size beside it, got none"),
        ({"embeddings": np.zeros((3, 2))}, r"embeddings takes a matrix of 12 rows, one a token, got shape \(3, 2\)"),
        ({"tag_names": ["O"]}, "tag_names takes 3 names, one a tag, got 1"),
        ({"dropout": 1.0}, "dropout takes a number from 0 up to, but not including, 1"),
    ],
)
def test_bad_values_are_named(options, message):
    with pytest.raises(UsageError, match=message):
        sequence_tagger(**SIZES | options)


def test_the_loss_object_is_saved_by_name():
    assert isinstance(keras.losses.deserialize(keras.losses.serialize(CRFLoss())), CRFLoss)
    with pytest.raises(UsageError, match="unknown head"):
        tag_loss("crv")


def test_decoding_is_that_of_the_chain_scores():
    model = sequence_tagger(**SIZES)
    inputs = inputs_for(model)
    path = viterbi_decode(*split_chain_scores(model(inputs)), TAGS >= 0)
    np.testing.assert_array_equal(decoded_tagger(model)(inputs)["tags"], path)

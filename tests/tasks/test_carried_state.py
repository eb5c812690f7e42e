"""What a language model is trained by: states carried from chunk to chunk, total nats over tokens, gradients."""

from types import SimpleNamespace

import keras
import numpy as np
import pytest
import tensorflow as tf

from keras_rnn import UsageError
from keras_rnn.models import hidden_model, language_model, state_names, token_nats
from keras_rnn.tasks.language_model import network as module
from keras_rnn.tasks.language_model.chunks import ChunkBatches, ChunkOptions
from keras_rnn.tasks.language_model.network import (
    CarriedStateModel,
    corpus_figures,
    loss_and_metrics,
    mean_nats,
    nats_function,
    training_model,
)
from keras_rnn.tasks.language_model.rows import DocumentsSplit
from keras_rnn.text.encoded import EncodedTexts
from tests.models.language_models import VARIANTS, VOCABULARY, build, reference

LENGTHS = [9, 30, 14, 2, 21, 6]
VARIANTS_HERE = ["tied_lstm", "projected_gru", "adaptive_lstm"]


def documents(lengths=LENGTHS) -> EncodedTexts:
    ids = np.random.default_rng(4).integers(3, VOCABULARY, sum(lengths)).astype(np.int32)
    offsets = np.cumsum([0, *lengths], dtype=np.int64)
    ids[offsets[:-1]] = 2
    return EncodedTexts(ids, offsets)


def reference_nats(variant, network, ids):
    """Nats of each id but the first behind those before it, in float64."""
    states = {name: np.zeros((1, network.input[name].shape[1])) for name in state_names(network)}
    log_probabilities = reference(network, VARIANTS[variant], ids[np.newaxis, :-1], states)[0][0]
    return -log_probabilities[np.arange(len(ids) - 1), ids[1:]]


def chunk_batches(texts, lanes=3, length=5, by_document=True):
    run = SimpleNamespace(batch_size=lanes, epochs=1, seed=0)
    return ChunkBatches(texts, ChunkOptions(length, False, by_document), run)


@pytest.mark.parametrize("by_document", [True, False])
@pytest.mark.parametrize("variant", VARIANTS_HERE)
def test_chunks_cost_what_whole_documents_cost(variant, by_document):
    """Each lane's nats, one chunk behind the other, are those of its whole pieces in NumPy."""
    network, texts = build(variant), documents()
    batches = chunk_batches(texts, by_document=by_document)
    model = CarriedStateModel(network, 3)
    actual, expected, pieces = [[], [], []], [[], [], []], [[], [], []]
    for (inputs, _), chunk in zip(batches.dataset, batches.epoch_chunks(), strict=True):
        nats = model(inputs, training=True).numpy()
        for lane, count in enumerate(chunk.lengths):
            actual[lane] += nats[lane, :count].tolist()
            assert not nats[lane, count:].any()
            if chunk.starts[lane]:
                pieces[lane].append([])
            if count:
                pieces[lane][-1] += chunk.indices[lane, :count].tolist()
    for lane in range(3):
        for places in pieces[lane]:
            # In a stream the last token of a document is read by nobody.
            ids = texts.ids[places]
            states = {name: np.zeros((1, network.input[name].shape[1])) for name in state_names(network)}
            log_probabilities = reference(network, VARIANTS[variant], ids[np.newaxis], states)[0][0]
            expected[lane] += (-log_probabilities[np.arange(len(ids)), texts.ids[np.array(places) + 1]]).tolist()
        np.testing.assert_allclose(actual[lane], expected[lane], atol=1e-4)


def inputs_of(token_ids, targets, starts):
    return {
        "token_ids": tf.constant(token_ids, tf.int32),
        "targets": tf.constant(targets, tf.int32),
        "starts": tf.constant(starts),
    }


def states_of(model):
    return {name: state.numpy() for name, state in model.states.items()}


def test_a_state_begins_anew_where_starts_says():
    model = CarriedStateModel(build("tied_lstm"), 2)
    ids, targets = [[5, 6], [7, 8]], [[6, 9], [8, 4]]
    fresh = model(inputs_of(ids, targets, [True, True])).numpy()
    after_one = states_of(model)
    carried = model(inputs_of(ids, targets, [False, True])).numpy()
    np.testing.assert_array_equal(carried[1], fresh[1])
    assert np.abs(carried[0] - fresh[0]).min() > 1e-3
    for name, state in states_of(model).items():
        np.testing.assert_array_equal(state[1], after_one[name][1])
        assert np.abs(state[0] - after_one[name][0]).max() > 1e-3


def test_a_lane_without_tokens_keeps_its_state():
    model = CarriedStateModel(build("projected_gru"), 2)
    model(inputs_of([[5, 6], [7, 8]], [[6, 9], [8, 4]], [True, True]))
    before = states_of(model)
    nats = model(inputs_of([[0, 0], [7, 0]], [[0, 0], [8, 0]], [False, False]), training=True).numpy()
    assert not nats[0].any()
    for name, state in states_of(model).items():
        np.testing.assert_array_equal(state[0], before[name][0])
        assert np.abs(state[1] - before[name][1]).max() > 1e-3


def test_the_loss_is_total_nats_over_tokens():
    nats = np.array([[1.0, 2.0, 4.0], [8.0, 0.0, 0.0]], np.float32)
    targets = np.array([[3, 4, 5], [6, 0, 0]], np.int32)
    assert float(mean_nats(targets, nats)) == 15 / 4
    assert float(mean_nats(np.zeros((2, 3), np.int32), np.zeros((2, 3), np.float32))) == 0


def test_corpus_figures_of_known_numbers():
    figures = corpus_figures(300 * np.log(8), 300, 900)
    assert figures == pytest.approx({"loss": np.log(8), "perplexity": 8.0, "bits_per_character": 1.0})
    assert corpus_figures(1e6, 1, 1)["perplexity"] == pytest.approx(np.exp(700))  # and no overflow


@pytest.mark.parametrize("variant", VARIANTS_HERE)
def test_gradients_are_those_of_one_chunk_behind_a_constant_state(variant):
    network, texts = build(variant), documents()
    model = CarriedStateModel(network, 3)
    hidden = hidden_model(network)
    for step, (inputs, targets) in enumerate(chunk_batches(texts).dataset):
        states = {
            name: tf.where(inputs["starts"][:, None], 0.0, tf.constant(state))
            for name, state in states_of(model).items()
        }
        with tf.GradientTape() as tape:
            outputs = hidden({"token_ids": inputs["token_ids"], **states}, training=True)
            nats = token_nats(network, outputs["hidden"], inputs["targets"])
            loss = tf.reduce_sum(nats) / tf.cast(tf.math.count_nonzero(targets), tf.float32)
        expected = tape.gradient(loss, network.trainable_variables)
        with tf.GradientTape() as tape:
            loss = mean_nats(targets, model(inputs, training=True))
        actual = tape.gradient(loss, model.trainable_variables)
        assert len(actual) == len(expected)
        for weight, one, other in zip(model.trainable_variables, actual, expected, strict=True):
            one, other = tf.convert_to_tensor(one).numpy(), tf.convert_to_tensor(other).numpy()
            np.testing.assert_allclose(one, other, atol=1e-6, err_msg=weight.path)
        if step == 2:
            break


def test_gradients_are_finite_differences_of_the_loss_in_numpy():
    """Of a chunk behind a state that the chunk before it left: no gradient flows into that."""
    variant = "tied_lstm"
    network = build(variant)
    model = CarriedStateModel(network, 1)
    model(inputs_of([[5, 6, 7]], [[6, 7, 8]], [True]))
    states = states_of(model)
    ids, targets = np.array([[8, 4, 9, 3]]), np.array([[4, 9, 3, 10]])
    with tf.GradientTape() as tape:
        loss = mean_nats(targets, model(inputs_of(ids, targets, [False]), training=True))
    gradients = tape.gradient(loss, model.trainable_variables)

    def reference_loss():
        log_probabilities = reference(network, VARIANTS[variant], ids, states)[0][0]
        return -np.mean(log_probabilities[np.arange(4), targets[0]])

    assert float(loss) == pytest.approx(reference_loss(), abs=1e-5)
    rng, step = np.random.default_rng(0), 1e-2
    for weight, gradient in zip(model.trainable_variables, gradients, strict=True):
        gradient, value = tf.convert_to_tensor(gradient).numpy(), weight.numpy()
        for place in rng.integers(0, value.size, 3):
            losses = []
            for sign in (1, -1):
                moved = value.copy()
                moved.flat[place] += sign * step
                weight.assign(moved)
                losses.append(reference_loss())
            weight.assign(value)
            assert gradient.flat[place] == pytest.approx((losses[0] - losses[1]) / (2 * step), abs=2e-4), weight.path


def test_penalties_on_activations_are_part_of_the_training_loss_once():
    network = language_model(
        VOCABULARY, embedding_size=6, hidden_size=6, num_layers=1, activity_penalty=2.0, temporal_penalty=1.0
    )
    model = CarriedStateModel(network, 2)
    inputs = inputs_of([[5, 6, 7], [7, 8, 0]], [[6, 9, 4], [8, 4, 0]], [True, True])
    loss, metrics = loss_and_metrics(model)
    model.compile("sgd", loss=loss, metrics=metrics)
    states = {name: tf.zeros((2, 6)) for name in state_names(network)}
    raw = hidden_model(network)({"token_ids": inputs["token_ids"], **states})["raw_hidden"].numpy()
    pure = float(mean_nats(inputs["targets"], model(inputs, training=False)))
    # 2 times the mean square of the real outputs, and the mean square of what changes between two real ones.
    real = np.concatenate([raw[0], raw[1, :2]])
    changes = np.concatenate([np.diff(raw[0], axis=0), np.diff(raw[1, :2], axis=0)])
    expected = 2 * np.mean(real**2) + np.mean(changes**2)
    total = model.train_on_batch(inputs, inputs["targets"], return_dict=True)["loss"]
    assert float(total) - pure == pytest.approx(expected, rel=1e-3)


def test_states_are_no_parameters_but_part_of_a_checkpoint():
    network = build("tied_lstm")
    model = CarriedStateModel(network, 4)
    assert model.count_params() == network.count_params()
    assert {id(variable) for variable in model.trainable_variables} == {
        id(variable) for variable in network.trainable_variables
    }
    assert {tuple(state.shape) for state in model.states.values()} == {(4, 6)}
    variables = {id(variable) for variable in model.variables}
    assert all(id(state) in variables for state in model.states.values())


@pytest.mark.parametrize("steps_per_execution", [1, 8])
def test_fit_carries_states_from_step_to_step(steps_per_execution):
    """With a learning rate of 0 the loss of an epoch is that of the dataset, step by step."""
    texts = documents([200, 150])
    expected = CarriedStateModel(build("tied_lstm"), 3)
    losses = [
        float(mean_nats(targets, expected(inputs, training=True))) for inputs, targets in chunk_batches(texts).dataset
    ]
    model = CarriedStateModel(build("tied_lstm"), 3)
    loss, metrics = loss_and_metrics(model)
    model.compile(keras.optimizers.SGD(0.0), loss, metrics=metrics, steps_per_execution=steps_per_execution)
    batches = chunk_batches(texts)
    history = model.fit(batches.dataset, epochs=1, callbacks=[batches], shuffle=False, verbose=0).history
    assert len(losses) == batches.steps > 8
    assert history["loss"] == [pytest.approx(np.mean(losses), rel=1e-5)]
    for name, state in states_of(model).items():
        np.testing.assert_allclose(state, states_of(expected)[name], atol=1e-5)


# Evaluation


@pytest.mark.parametrize("variant", VARIANTS_HERE)
def test_nats_of_documents_are_those_of_a_loop(variant, monkeypatch):
    """Whatever rows and columns they are evaluated in."""
    network, texts = build(variant), documents()
    expected = [
        reference_nats(variant, network, texts.ids[start:end])
        for start, end in zip(texts.offsets, texts.offsets[1:], strict=False)
    ]
    for rows, steps in ((32, 256), (2, 256), (32, 7), (4, 1), (1, 29)):
        monkeypatch.setattr(module, "EVALUATION_ROWS", rows)
        monkeypatch.setattr(module, "EVALUATION_STEPS", steps)
        actual = nats_function(network)(DocumentsSplit({"token_ids": texts}, {}, 0))
        assert [len(row) for row in actual] == [length - 1 for length in LENGTHS]
        for one, other in zip(actual, expected, strict=True):
            np.testing.assert_allclose(one, other, atol=1e-4)


def test_a_document_without_tokens_costs_nothing():
    texts = EncodedTexts(np.array([2, 2, 5, 2], np.int32), np.array([0, 1, 3, 4]))
    nats = nats_function(build("tied_lstm"))(DocumentsSplit({"token_ids": texts}, {}, 0))
    assert [len(row) for row in nats] == [0, 1, 0]


def test_short_documents_are_not_padded_to_a_long_one():
    """A long text among 31 lines: as an array of 32 rows it would take 32 times the memory, and the time."""
    texts = documents([4000, *[3] * 31])
    nats_of, sizes = nats_function(build("tied_lstm")), []
    with pytest.MonkeyPatch.context() as patch:
        columns = module._columns
        patch.setattr(module, "_columns", lambda *args: sizes.append(columns(*args).shape) or columns(*args))
        nats_of(DocumentsSplit({"token_ids": texts}, {}, 0))
    assert sizes == [(32, 257), *[(1, 257)] * 14, (1, 160)]


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"multi_gpu": True}, "takes no multi_gpu"),
        ({"batch_tokens": 100}, "takes batch_size and chunk_length; it takes no batch_tokens"),
    ],
)
def test_options_of_other_tasks_are_refused(options, message):
    run = SimpleNamespace(**{"multi_gpu": False, "batch_tokens": None, "batch_size": 4, **options})
    with pytest.raises(UsageError, match=message):
        training_model(build("tied_lstm"), run)

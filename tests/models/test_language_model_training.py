"""What a language model does in training alone: every kind of dropout, the form of its layers, gradients."""

import keras
import numpy as np
import pytest
import tensorflow as tf

from keras_rnn import UsageError
from keras_rnn.layers import WeightDropout, cells
from keras_rnn.layers.forms import MACHINE_CODE, training_form
from keras_rnn.models import hidden_model, initial_states, language_model, state_names, token_nats
from keras_rnn.models.language_model_step import step_logits
from keras_rnn.training.device import recurrent_layers
from tests.models.language_models import SIZES, TARGETS, TOKEN_IDS, VARIANTS, VOCABULARY, build, random_states

RATES = ["embedding_dropout", "input_dropout", "dropout", "output_dropout", "weight_dropout"]
LONG_IDS = np.random.default_rng(0).integers(1, VOCABULARY, (4, 30)).astype("int32")


def model_with(**options):
    return language_model(VOCABULARY, **{**SIZES, "embedding_size": 40, "hidden_size": 40, **options})


def inner_outputs(model, *names, training):
    """The outputs of layers for LONG_IDS, of one and the same call."""
    outputs = {name: model.get_layer(name).output for name in names}
    outputs = {name: value[0] if isinstance(value, list) else value for name, value in outputs.items()}
    inner = keras.Model(model.input, outputs)
    inputs = {"token_ids": tf.constant(LONG_IDS), **initial_states(model, 4)}
    return {name: np.asarray(value) for name, value in inner(inputs, training=training).items()}


@pytest.mark.parametrize(
    ("rate", "before", "after"),
    [
        ("input_dropout", "embedding_scale", "input_dropout"),
        ("dropout", "rnn_0", "dropout_0"),
        ("output_dropout", "rnn_1", "output_dropout"),
    ],
)
def test_a_mask_of_features_holds_for_a_whole_row(rate, before, after):
    outputs = inner_outputs(model_with(tie_embeddings=False, **{rate: 0.25}), before, after, training=True)
    scales = outputs[after] / outputs[before]
    np.testing.assert_allclose(scales, np.repeat(scales[:, :1], 30, axis=1), rtol=1e-5)
    assert 0.1 < np.mean(scales == 0) < 0.4
    np.testing.assert_allclose(scales[scales > 0], 1 / 0.75, rtol=1e-5)
    assert not np.array_equal(scales[0], scales[1])  # each row has its own


def test_embedding_dropout_takes_words():
    outputs = inner_outputs(model_with(embedding_dropout=0.3), "embedding", training=True)["embedding"]
    is_dropped = (outputs == 0).all(-1)
    np.testing.assert_array_equal(is_dropped, (outputs == 0).any(-1))
    words = set(LONG_IDS[is_dropped])
    assert 0 < len(words) < VOCABULARY
    assert words.isdisjoint(LONG_IDS[~is_dropped])


@pytest.mark.parametrize("rate", RATES)
def test_each_rate_drops_in_training_and_in_training_alone(rate):
    keras.utils.set_random_seed(0)
    plain = model_with()
    keras.utils.set_random_seed(0)
    model = model_with(**{rate: 0.5})
    inputs = {"token_ids": tf.constant(LONG_IDS), **initial_states(model, 4)}
    for variable, value in zip(model.trainable_variables, plain.trainable_variables, strict=True):
        variable.assign(value)
    np.testing.assert_array_equal(model(inputs)["logits"], plain(inputs)["logits"])
    np.testing.assert_array_equal(model(inputs, training=False)["logits"], plain(inputs)["logits"])
    first, second = (model(inputs, training=True)["logits"].numpy() for _ in range(2))
    assert np.abs(first - second).max() > 1e-4  # each call draws anew
    np.testing.assert_array_equal(plain(inputs, training=True)["logits"], plain(inputs)["logits"])


def test_weight_dropout_masks_every_recurrent_kernel_and_no_other_weight():
    model = model_with(weight_dropout=0.4, num_layers=3)
    layers = [layer for layer in model.layers if isinstance(layer, WeightDropout)]
    assert [layer.name for layer in layers] == ["rnn_0", "rnn_1", "rnn_2"]
    assert [[w.name for w in layer._recurrent_kernels()] for layer in layers] == [["recurrent_kernel"]] * 3
    assert recurrent_layers(model) == [layer.layer for layer in layers]


@pytest.mark.parametrize("variant", ["tied_lstm", "projected_gru", "dropped_lstm"])
def test_layers_train_in_machine_code(variant, monkeypatch):
    model = build(variant)
    assert {training_form(layer) for layer in recurrent_layers(model)} == {(MACHINE_CODE, None)}

    def loop(*args, **kwargs):
        raise AssertionError("Keras' loop ran")

    monkeypatch.setattr(keras.layers.RNN, "inner_loop", loop)
    network, inputs = hidden_model(model), {"token_ids": tf.constant(TOKEN_IDS), **random_states(model)}
    graph = tf.function(lambda inputs: network(inputs, training=True)).get_concrete_function(inputs).graph
    layers = len(recurrent_layers(model))
    assert [op.type for op in graph.get_operations()].count("PyFuncStateless") == layers


def step_function(model):
    network = hidden_model(model)

    @tf.function
    def step(inputs, targets):
        with tf.GradientTape() as tape:
            outputs = network(inputs, training=True)
            nats = tf.reduce_sum(token_nats(model, outputs["hidden"], targets))
        return nats, [tf.convert_to_tensor(g) for g in tape.gradient(nats, model.trainable_variables)]

    return step


@pytest.mark.parametrize("variant", VARIANTS)
def test_gradients_reach_every_weight_and_ignore_padding(variant):
    model = build(variant)
    step, states = step_function(model), random_states(model)
    token_ids = tf.constant(LONG_IDS[:3, :5])
    _, gradients = step({"token_ids": token_ids, **states}, tf.constant(LONG_IDS[:3, 1:6]))
    for variable, gradient in zip(model.trainable_variables, gradients, strict=True):
        assert np.isfinite(gradient).all(), variable.path
        assert np.abs(gradient).max() > 0, variable.path
    nats, gradients = step({"token_ids": tf.zeros_like(token_ids), **states}, tf.zeros_like(token_ids))
    assert nats == 0
    assert not any(np.any(gradient) for gradient in gradients)


def test_gradients_are_finite_differences():
    model = build("tied_lstm")
    inputs = {"token_ids": tf.constant(TOKEN_IDS), **random_states(model)}
    _, gradients = step_function(model)(inputs, tf.constant(TARGETS))
    rng, epsilon = np.random.default_rng(0), 1e-2
    for variable, gradient in zip(model.trainable_variables, gradients, strict=True):
        before, direction = variable.numpy(), rng.normal(size=variable.shape)
        direction /= np.linalg.norm(direction)
        sums = []
        for sign in (1, -1):
            variable.assign(before + sign * epsilon * direction)
            hidden = hidden_model(model)(inputs)["hidden"]
            sums.append(np.sum(token_nats(model, hidden, tf.constant(TARGETS)), dtype="float64"))
        variable.assign(before)
        expected = (sums[0] - sums[1]) / (2 * epsilon)
        np.testing.assert_allclose(np.sum(gradient * direction), expected, rtol=0.02, atol=2e-3)


@keras.saving.register_keras_serializable("test_language_model")
class ThreeStates(keras.layers.Layer):
    """a = tanh(W x + U c'), b = a + b', c = a b"""

    def __init__(self, units, **kwargs):
        super().__init__(**kwargs)
        self.units, self.state_size, self.output_size = units, [units, units + 1, units], units

    def build(self, input_shape):
        self.kernel = self.add_weight(shape=(input_shape[-1], self.units), name="kernel")
        self.recurrent_kernel = self.add_weight(shape=(self.units, self.units), name="recurrent_kernel")

    def call(self, x, states):
        a = keras.ops.tanh(x @ self.kernel + states[2] @ self.recurrent_kernel)
        b = keras.ops.pad(a, [[0, 0], [0, 1]]) + states[1]
        c = a * b[:, :-1]
        return c, [a, b, c]

    def get_config(self):
        return {**super().get_config(), "units": self.units}


@pytest.fixture
def three_states(monkeypatch):
    monkeypatch.setattr(cells._CELLS, "_entries", dict(cells._CELLS._entries))
    cells.register_cell("three_states")(lambda units, **options: keras.layers.RNN(ThreeStates(units), **options))


@pytest.mark.parametrize("rate", [0.0, 0.3])
def test_a_registered_cell_with_three_states(three_states, rate):
    model = language_model(VOCABULARY, **SIZES, cell="three_states", weight_dropout=rate)
    assert {name: model.input[name].shape[1] for name in state_names(model)} == {
        "state_0": 6,
        "state_1": 7,
        "state_2": 6,
        "state_3": 6,
        "state_4": 7,
        "state_5": 6,
    }
    states = random_states(model)
    whole = model({"token_ids": tf.constant(TOKEN_IDS), **states})
    first = model({"token_ids": tf.constant(TOKEN_IDS[:, :2]), **states})
    logits = first.pop("logits")
    np.testing.assert_allclose(logits, whole["logits"][:, :2], atol=1e-6)
    second = model({"token_ids": tf.constant(TOKEN_IDS[:, 2:]), **first})
    step_states = states
    for token_ids in TOKEN_IDS.T:
        _, step_states = step_logits(model, tf.constant(token_ids), step_states)
    for name in state_names(model):
        np.testing.assert_allclose(second[name], whole[name], atol=1e-6)
        np.testing.assert_allclose(step_states[name], whole[name], atol=1e-6)
        np.testing.assert_array_equal(whole[name][2], states[name][2])
    _, gradients = step_function(model)({"token_ids": tf.constant(TOKEN_IDS), **states}, tf.constant(TARGETS))
    assert all(np.any(gradient) for gradient in gradients)


def test_weight_dropout_of_a_cell_without_recurrent_kernel_is_an_error(monkeypatch):
    @keras.saving.register_keras_serializable("test_language_model")
    class Leaky(keras.layers.Layer):
        state_size = output_size = 6

        def call(self, x, states):
            return x + states[0], [x + states[0]]

    monkeypatch.setattr(cells._CELLS, "_entries", dict(cells._CELLS._entries))
    cells.register_cell("leaky")(lambda units, **options: keras.layers.RNN(Leaky(), **options))
    assert language_model(VOCABULARY, **SIZES, cell="leaky").count_params() == VOCABULARY * 7
    with pytest.raises(UsageError, match="weight_dropout takes a cell with a weight called recurrent_kernel"):
        language_model(VOCABULARY, **SIZES, cell="leaky", weight_dropout=0.1)


def test_a_few_steps_learn_a_cycle():
    """A token is followed by the next one, so that the nats go to 0."""
    model = language_model(VOCABULARY, embedding_size=16, hidden_size=16, num_layers=1, dropout=0.1)
    cycle = 1 + np.arange(60) % (VOCABULARY - 1)
    token_ids, targets = tf.constant([cycle[:-1]], tf.int32), tf.constant([cycle[1:]], tf.int32)
    optimizer, step = keras.optimizers.Adam(0.03), step_function(model)
    for _ in range(80):
        nats, gradients = step({"token_ids": token_ids, **initial_states(model, 1)}, targets)
        optimizer.apply(gradients, model.trainable_variables)
    assert nats / 59 < 0.05

"""Each cell against literal numbers and against its equations in numpy, through the layer users get."""

import keras
import numpy as np
import pytest

from keras_rnn import UsageError
from keras_rnn.layers import list_cells, register_cell, rnn_stack
from tests.support.reference import CELLS

X = np.array([[1.0, 2.0], [-1.0, 0.5], [0.25, -2.0]])

# Outputs at the three steps of X for the weights of `ramp`, from the equations in tests/support/reference.py.
EXPECTED = {
    "simple_rnn": [[-0.3583574, 0.7039056], [-0.0348581, 0.2484318], [-0.5634514, -0.5572041]],
    "lstm": [[0.0850361, 0.1778404], [0.1598753, 0.2287856], [-0.0349085, -0.0215865]],
    "gru": [[0.4121456, 0.4774006], [0.3713941, 0.4287941], [-0.2676773, -0.2769861]],
}


def ramp(shape):
    """Evenly spaced values around 0, from about -1/2 to 1/2."""
    count = int(np.prod(shape))
    return ((np.arange(count) - (count - 1) / 2) / count).reshape(shape)


def constant_weights(weights):
    kernel, recurrent, bias = (weight.shape for weight in weights)
    return [ramp(kernel), -ramp(recurrent), ramp(bias)]


def stack_model(features, **options):
    sequence = keras.Input((None, features))
    return keras.Model(sequence, rnn_stack(sequence, **options))


@pytest.mark.parametrize("cell", EXPECTED)
def test_constant_weights_give_the_literal_outputs(cell):
    model = stack_model(2, cell=cell, hidden_size=2)
    model.set_weights(constant_weights(model.get_weights()))
    np.testing.assert_allclose(model(X[None].astype("float32"))[0], EXPECTED[cell], atol=2e-6)


@pytest.mark.parametrize("cell", EXPECTED)
@pytest.mark.parametrize("bidirectional", [False, True])
def test_random_weights_follow_the_equations(cell, bidirectional):
    rng = np.random.default_rng(1)
    model = stack_model(3, cell=cell, hidden_size=4, bidirectional=bidirectional)
    weights = [rng.normal(0, 0.5, weight.shape) for weight in model.get_weights()]
    model.set_weights(weights)
    x = rng.normal(size=(7, 3))
    expected = CELLS[cell](x, *weights[:3])
    if bidirectional:
        backwards = CELLS[cell](x[::-1], *weights[3:])[::-1]
        expected = np.concatenate([expected, backwards], axis=-1)
    np.testing.assert_allclose(model(x[None].astype("float32"))[0], expected, atol=2e-6)


@pytest.mark.parametrize("cell", EXPECTED)
def test_two_layers_are_the_equations_twice(cell):
    rng = np.random.default_rng(2)
    model = stack_model(3, cell=cell, hidden_size=[5, 4], num_layers=2, return_sequences=False)
    weights = [rng.normal(0, 0.5, weight.shape) for weight in model.get_weights()]
    model.set_weights(weights)
    x = rng.normal(size=(6, 3))
    expected = CELLS[cell](CELLS[cell](x, *weights[:3]), *weights[3:])[-1]
    np.testing.assert_allclose(model(x[None].astype("float32"))[0], expected, atol=2e-6)


def test_registered_cell_is_used_by_its_name():
    @register_cell("test_minimal_gated")
    def minimal_gated(units, *, dropout, recurrent_dropout, **rnn_options):
        return keras.layers.GRU(units, dropout=dropout, reset_after=False, **rnn_options)

    assert "test_minimal_gated" in list_cells()
    model = stack_model(2, cell="test_minimal_gated", hidden_size=3)
    assert model.layers[-1].get_config()["reset_after"] is False
    with pytest.raises(UsageError, match="'test_minimal_gated' is registered already"):
        register_cell("test_minimal_gated")(minimal_gated)

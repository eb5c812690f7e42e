import keras
import numpy as np
import pytest

from keras_rnn import UsageError
from keras_rnn.layers import TokenEmbedding, hidden_sizes, rnn_stack


def test_one_size_serves_every_layer_and_a_list_each_its_own():
    assert hidden_sizes(8, 3) == (8, 8, 8)
    assert hidden_sizes([8, 4], 2) == (8, 4)
    assert hidden_sizes((8, 4), 2) == (8, 4)
    assert hidden_sizes(8, 0) == ()


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"hidden_size": 0}, "hidden_size takes a whole number of at least 1, got 0"),
        ({"hidden_size": 2.5}, "hidden_size takes a whole number of at least 1, got 2.5"),
        ({"hidden_size": True}, "hidden_size takes a whole number of at least 1, got True"),
        ({"hidden_size": [4, 0], "num_layers": 2}, "hidden_size takes a whole number of at least 1, got 0"),
        ({"hidden_size": [4], "num_layers": 2}, r"one a layer \(2 here\), got \[4\]"),
        ({"num_layers": -1}, "num_layers takes a whole number of at least 0, got -1"),
        ({"dropout": 1.0}, "dropout takes a number from 0 up to, but not including, 1, got 1.0"),
        ({"recurrent_dropout": -0.1}, "recurrent_dropout takes .* got -0.1"),
        ({"cell": "lstmm"}, "unknown cell 'lstmm'; did you mean 'lstm'"),
        ({"cell": "q"}, "unknown cell 'q'; it takes one of: gru, lstm, simple_rnn"),
    ],
)
def test_bad_values_are_named(options, message):
    with pytest.raises(UsageError, match=message):
        rnn_stack(keras.Input((None, 2)), **options)


@pytest.mark.parametrize("cell", ["simple_rnn", "lstm", "gru"])
@pytest.mark.parametrize("bidirectional", [False, True])
def test_masked_steps_come_out_as_zeros(cell, bidirectional):
    token_ids = keras.Input((None,), dtype="int32")
    embedded = TokenEmbedding(9, 3, mask_zero=True)(token_ids)
    model = keras.Model(token_ids, rnn_stack(embedded, cell=cell, hidden_size=4, bidirectional=bidirectional))
    outputs = model(np.array([[5, 6, 0, 0], [1, 2, 3, 4]], "int32")).numpy()
    assert np.all(outputs[0, 2:] == 0)
    assert np.all(np.abs(outputs[0, :2]).sum(axis=-1) > 0)
    np.testing.assert_allclose(outputs[0, :2], model(np.array([[5, 6]], "int32"))[0], atol=1e-6)


def test_no_layers_return_the_input():
    x = keras.Input((None, 2))
    assert rnn_stack(x, num_layers=0) is x


def test_dropout_acts_in_training_only():
    keras.utils.set_random_seed(0)
    x = keras.Input((None, 3))
    model = keras.Model(x, rnn_stack(x, hidden_size=4, dropout=0.5, recurrent_dropout=0.2))
    batch = np.ones((2, 5, 3), "float32")
    np.testing.assert_array_equal(model(batch, training=False), model(batch, training=False))
    assert np.abs(np.asarray(model(batch, training=True)) - np.asarray(model(batch, training=False))).max() > 1e-3


def test_use_cudnn_reaches_the_layers_that_know_it():
    x = keras.Input((None, 3))
    for cell in ("lstm", "gru"):
        model = keras.Model(x, rnn_stack(x, cell=cell, hidden_size=2, use_cudnn=False, bidirectional=True))
        assert model.layers[-1].forward_layer.use_cudnn is False
        assert model.layers[-1].backward_layer.use_cudnn is False
    rnn_stack(x, cell="simple_rnn", use_cudnn=False)

import numpy as np
import pytest

from keras_rnn.layers import activation_penalty, temporal_activation_penalty

HIDDEN = np.array([[[1, 2], [3, 2], [0, 0]], [[1, 0], [9, 9], [9, 9]]], "float32")
IS_REAL = np.array([[True, True, True], [True, False, False]])


def test_the_mean_square_of_hidden_vectors():
    assert float(activation_penalty(HIDDEN, 2.0)) == pytest.approx(2 * (1 + 4 + 9 + 4 + 1 + 4 * 81) / 12)
    assert float(activation_penalty(HIDDEN, 2.0, IS_REAL)) == pytest.approx(2 * (1 + 4 + 9 + 4 + 1) / 8)


def test_the_mean_square_of_the_steps_between_them():
    assert float(temporal_activation_penalty(HIDDEN, 0.5)) == pytest.approx(0.5 * (4 + 9 + 4 + 64 + 81) / 8)
    assert float(temporal_activation_penalty(HIDDEN, 0.5, IS_REAL)) == pytest.approx(0.5 * (4 + 9 + 4) / 4)


def test_nothing_to_count_is_zero():
    assert float(temporal_activation_penalty(HIDDEN[:, :1], 1.0)) == 0
    assert float(temporal_activation_penalty(HIDDEN[:, :1], 1.0, IS_REAL[:, :1])) == 0
    assert float(activation_penalty(HIDDEN, 1.0, np.zeros((2, 3), bool))) == 0
    assert activation_penalty(HIDDEN.astype("float16"), 1.0).dtype == "float32"

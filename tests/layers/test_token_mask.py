import numpy as np

from keras_rnn.layers import TokenMask


def test_a_row_of_padding_keeps_its_first_step_and_is_marked():
    mask, has_tokens = TokenMask()(np.array([[3, 4, 0], [0, 0, 0], [0, 5, 6]], "int32"))
    assert np.asarray(mask).tolist() == [[True, True, False], [True, False, False], [False, True, True]]
    assert np.asarray(has_tokens).tolist() == [[True], [False], [True]]


def test_one_step():
    mask, has_tokens = TokenMask()(np.array([[3], [0]], "int32"))
    assert np.asarray(mask).tolist() == [[True], [True]]
    assert np.asarray(has_tokens).tolist() == [[True], [False]]

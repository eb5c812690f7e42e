import numpy as np

from keras_rnn import TokenEmbedding


def mask_of(layer, token_ids):
    return np.asarray(layer.compute_mask(np.array(token_ids, "int32")))


def test_the_mask_is_the_real_tokens_and_always_the_first_step():
    layer = TokenEmbedding(5, 2, mask_zero=True)
    expected = [[True, True, False], [True, False, False], [True, False, False]]
    assert mask_of(layer, [[3, 4, 0], [3, 0, 0], [0, 0, 0]]).tolist() == expected


def test_without_masking_there_is_no_mask():
    assert TokenEmbedding(5, 2, mask_zero=False).compute_mask(np.array([[1, 0]], "int32")) is None

import numpy as np
import pytest

from keras_rnn import UsageError
from keras_rnn.layers import TokenDropout

TOKEN_IDS = np.tile(np.array([5, 6, 7, 0, 0], "int32"), (2000, 1))


def test_a_share_of_the_tokens_is_unknown_in_training():
    token_ids = np.asarray(TokenDropout(0.25, seed=0)(TOKEN_IDS, training=True))
    assert token_ids.dtype == np.int32
    is_hidden = token_ids != TOKEN_IDS
    assert (token_ids[is_hidden] == 1).all()
    assert not is_hidden[:, 3:].any()
    assert abs(is_hidden[:, :3].mean() - 0.25) < 0.02
    assert is_hidden[:, :3].any(axis=1).mean() > 0.5  # tokens of a text are drawn one by one


def test_nothing_is_hidden_in_prediction():
    np.testing.assert_array_equal(TokenDropout(0.9)(TOKEN_IDS), TOKEN_IDS)


def test_config_and_rate():
    assert TokenDropout.from_config(TokenDropout(0.25, seed=3).get_config()).rate == 0.25
    with pytest.raises(UsageError, match="token_dropout takes a number from 0 up to, but not including, 1, got 1"):
        TokenDropout(1)

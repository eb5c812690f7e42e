"""Tokens that are hidden in training."""

import keras
from keras import ops

from keras_rnn.checks import rate as checked_rate

UNKNOWN_TOKEN = 1


@keras.saving.register_keras_serializable("keras_rnn")
class TokenDropout(keras.layers.Layer):
    """In training, a share of the token ids becomes that of the unknown token: int32 `(batch, time)` to the same.

    So the vector of the unknown token is trained, and a model learns to use the neighbours of a word and its
    characters. Padding stays padding. Bowman et al. 2016, arXiv 1511.06349, section 3.1 (word dropout).

    Args:
        rate: the share, from 0 up to, but not including, 1.
        seed: of the generator; None draws one.
    """

    def __init__(self, rate: float, seed: int | None = None, **kwargs):
        super().__init__(**kwargs)
        self.rate = checked_rate("token_dropout", rate)
        self.seed = seed
        self.seed_generator = keras.random.SeedGenerator(seed)

    def call(self, token_ids, training=False):
        if not training:
            return token_ids
        is_hidden = keras.random.uniform(ops.shape(token_ids), seed=self.seed_generator) < self.rate
        return ops.where(ops.logical_and(is_hidden, token_ids != 0), UNKNOWN_TOKEN, token_ids)

    def compute_output_spec(self, token_ids, training=False):
        return keras.KerasTensor(token_ids.shape, token_ids.dtype)

    def get_config(self):
        return {**super().get_config(), "rate": self.rate, "seed": self.seed}

"""The mask of a network whose states are carried from one chunk of a text to the next."""

import keras
from keras import ops


@keras.saving.register_keras_serializable("keras_rnn")
class TokenMask(keras.layers.Layer):
    """Where the tokens are: int32 token ids `(batch, time)`, 0 for padding, to two bool tensors.

    The first, `(batch, time)`, is False at padding, except for the first step of a row of padding alone: cuDNN refuses
    a row whose steps are all masked. The second, `(batch, 1)`, is True for the other rows. A network keeps the states
    of a row where it is False.
    """

    def call(self, token_ids):
        is_real = token_ids != 0
        has_tokens = ops.any(is_real, axis=1, keepdims=True)
        first = ops.logical_or(is_real[:, :1], ops.logical_not(has_tokens))
        return ops.concatenate([first, is_real[:, 1:]], axis=1), has_tokens

    def compute_output_spec(self, token_ids):
        return keras.KerasTensor(token_ids.shape, "bool"), keras.KerasTensor((token_ids.shape[0], 1), "bool")

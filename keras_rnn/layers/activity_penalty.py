"""Penalties on what a recurrent layer puts out, as a layer that adds them to the loss."""

import keras

from keras_rnn.layers.activation_regularization import activation_penalty, temporal_activation_penalty


@keras.saving.register_keras_serializable("keras_rnn")
class ActivityPenalty(keras.layers.Layer):
    """Adds `activation_penalty` and `temporal_activation_penalty` to the loss in training.

    Its inputs are hidden vectors before and after dropout, `(batch, time, units)`, and a mask of the real steps, bool
    `(batch, time)`; its output is the second of them.

    Args:
        rate: of the activations after dropout.
        temporal_rate: of the differences between steps before dropout.
    """

    def __init__(self, rate: float, temporal_rate: float, **kwargs):
        super().__init__(**kwargs)
        self.rate, self.temporal_rate = rate, temporal_rate
        self.supports_masking = True

    def call(self, hidden, dropped, is_real, training=False):
        if training:
            self.add_loss(
                activation_penalty(dropped, self.rate, is_real)
                + temporal_activation_penalty(hidden, self.temporal_rate, is_real)
            )
        return dropped

    def compute_mask(self, hidden, dropped=None, is_real=None, previous_mask=None):
        return previous_mask[0] if isinstance(previous_mask, (list, tuple)) else previous_mask

    def compute_output_spec(self, hidden, dropped, is_real, training=False):
        return keras.KerasTensor(dropped.shape, dropped.dtype)

    def get_config(self):
        return {**super().get_config(), "rate": self.rate, "temporal_rate": self.temporal_rate}

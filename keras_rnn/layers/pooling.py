"""Pooling: the outputs of all unmasked steps to one vector a sequence."""

import keras
from keras import ops

from keras_rnn.checks import one_of

POOLINGS = ("last", "mean", "max", "mean_max", "attention")


def _broadcast_mask(mask, sequence):
    return ops.cast(ops.expand_dims(mask, -1), sequence.dtype)


def masked_mean(sequence, mask=None):
    """Mean over the unmasked steps: `(batch, time, features)` to `(batch, features)`; zeros if all are masked."""
    if mask is None:
        return ops.mean(sequence, axis=1)
    weight = _broadcast_mask(mask, sequence)
    return ops.sum(sequence * weight, axis=1) / ops.maximum(ops.sum(weight, axis=1), 1)


def masked_max(sequence, mask=None):
    """Maximum over the unmasked steps: `(batch, time, features)` to `(batch, features)`."""
    if mask is not None:
        sequence = ops.where(ops.expand_dims(mask, -1), sequence, _lowest(sequence))
    return ops.max(sequence, axis=1)


def _lowest(sequence):
    # float16 ends at -65504. A finite number keeps the result of a row without unmasked steps finite.
    return ops.cast(-6e4, sequence.dtype)


@keras.saving.register_keras_serializable("keras_rnn")
class SequencePooling(keras.layers.Layer):
    """`(batch, time, features)` to `(batch, features)`, or `2 * features` for "mean_max". Masked steps do not count.

    Args:
        pooling: "mean", "max" or "mean_max" (both, concatenated; Howard and Ruder 2018, arXiv 1801.06146,
            section 3.3, without the last state).
    """

    def __init__(self, pooling: str, **kwargs):
        super().__init__(**kwargs)
        self.pooling = one_of("pooling", pooling, ("mean", "max", "mean_max"))
        self.supports_masking = True

    def call(self, sequence, mask=None):
        if self.pooling == "mean":
            return masked_mean(sequence, mask)
        if self.pooling == "max":
            return masked_max(sequence, mask)
        return ops.concatenate([masked_mean(sequence, mask), masked_max(sequence, mask)], axis=-1)

    def compute_mask(self, inputs, mask=None):
        return None

    def compute_output_shape(self, input_shape):
        batch, _, features = input_shape
        return (batch, features * (2 if self.pooling == "mean_max" else 1))

    def get_config(self):
        return {**super().get_config(), "pooling": self.pooling}


@keras.saving.register_keras_serializable("keras_rnn")
class AttentionPooling(keras.layers.Layer):
    """A learned weighted mean of the steps: `(batch, time, features)` to `(batch, features)`.

    Yang et al. 2016, "Hierarchical Attention Networks for Document Classification", equations 5 to 7:

        u_t = tanh(W h_t + b),  a = softmax over t of (u_t . v),  s = sum over t of a_t h_t

    Masked steps get no weight. W is `(features, features)`, b and the context vector v are `(features,)`.
    """

    def __init__(self, **kwargs):
        super().__init__(**kwargs)
        self.supports_masking = True

    def build(self, input_shape):
        features = input_shape[-1]
        self.kernel = self.add_weight(shape=(features, features), initializer="glorot_uniform", name="kernel")
        self.bias = self.add_weight(shape=(features,), initializer="zeros", name="bias")
        self.context = self.add_weight(shape=(features, 1), initializer="glorot_uniform", name="context")

    def call(self, sequence, mask=None):
        hidden = ops.tanh(ops.matmul(sequence, self.kernel) + self.bias)
        scores = ops.matmul(hidden, self.context)
        if mask is not None:
            scores = ops.where(ops.expand_dims(mask, -1), scores, _lowest(scores))
        weights = ops.exp(scores - ops.max(scores, axis=1, keepdims=True))
        return ops.sum(weights * sequence, axis=1) / ops.sum(weights, axis=1)

    def compute_mask(self, inputs, mask=None):
        return None

    def compute_output_shape(self, input_shape):
        return (input_shape[0], input_shape[2])


def pool_sequence(sequence, pooling: str):
    """Applies the pooling of this name to a KerasTensor `(batch, time, features)`; "last" is not among them."""
    if pooling == "attention":
        return AttentionPooling(name="pooling")(sequence)
    return SequencePooling(pooling, name="pooling")(sequence)

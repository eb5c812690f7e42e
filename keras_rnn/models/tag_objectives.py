"""The loss and the metric that taggers train with. Tags are int `(batch, time)`, `PADDING_TAG` (-1) at padding."""

import keras
from keras import ops

from keras_rnn.checks import one_of
from keras_rnn.layers.crf import HEADS, split_chain_scores
from keras_rnn.layers.crf_functions import PADDING_TAG, log_likelihood, viterbi_decode


@keras.saving.register_keras_serializable("keras_rnn")
class CRFLoss(keras.losses.Loss):
    """Minus the log-likelihood of the tags, in nats a token, of the chain scores that `CRF` gives.

    Each real token has an equal share of its row's loss, `(batch, time)`. Keras takes the mean over the tokens that
    the mask of `y_pred` keeps: the nats of a batch by its tokens, as cross-entropy has them.
    """

    def call(self, y_true, y_pred):
        is_real = y_true != PADDING_TAG
        nats = -log_likelihood(ops.cast(y_true, "int32"), *split_chain_scores(y_pred), is_real)
        shares = ops.cast(is_real, "float32")
        return shares * (nats / ops.maximum(ops.sum(shares, axis=1), 1.0))[:, None]


@keras.saving.register_keras_serializable("keras_rnn")
class TagAccuracy(keras.metrics.Mean):
    """The share of real tokens that get the right tag: by the best path, or by the highest logit.

    Args:
        head: "crf", whose `y_pred` are chain scores, or "softmax", whose `y_pred` are logits.
    """

    def __init__(self, head: str, name="accuracy", **kwargs):
        super().__init__(name=name, **kwargs)
        self.head = one_of("head", head, HEADS)

    def update_state(self, y_true, y_pred, sample_weight=None):
        y_true = ops.cast(y_true, "int32")
        is_real = y_true != PADDING_TAG
        if self.head == "crf":
            tags = viterbi_decode(*split_chain_scores(y_pred), is_real)
        else:
            tags = ops.cast(ops.argmax(y_pred, axis=-1), "int32")
        weights = ops.cast(is_real, "float32")
        if sample_weight is not None:
            weights *= ops.cast(sample_weight, "float32")
        return super().update_state(ops.cast(tags == y_true, "float32"), sample_weight=weights)

    def get_config(self):
        return {**super().get_config(), "head": self.head}


def tag_loss(head: str) -> keras.losses.Loss:
    """The loss of a head, in nats a token; tags of -1 do not count."""
    if one_of("head", head, HEADS) == "crf":
        return CRFLoss(name="crf_loss")
    return keras.losses.SparseCategoricalCrossentropy(from_logits=True, ignore_class=PADDING_TAG)

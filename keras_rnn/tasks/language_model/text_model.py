"""The model that a run of a language model keeps: texts to the nats of each token."""

import keras
from keras import ops

from keras_rnn.text.piece_tokenizer import BOUNDARY_ID


@keras.saving.register_keras_serializable("keras_rnn")
class Boundaries(keras.layers.Layer):
    """Token ids `(batch, time)`, right-padded with 0, to the same between boundaries.

    Args:
        direction: "backward" turns each row's real ids round.
        last: whether a boundary stands behind each row, too: `(batch, time + 2)`, and else `(batch, time + 1)`.
    """

    def __init__(self, direction: str = "forward", last: bool = False, **kwargs):
        super().__init__(**kwargs)
        self.direction, self.last = direction, last

    def call(self, token_ids):
        ids = ops.cast(token_ids, "int32")
        time = ops.shape(ids)[1]
        lengths = ops.sum(ops.cast(ids != 0, "int32"), axis=1, keepdims=True)
        if self.direction == "backward":
            places = lengths - 1 - ops.arange(time, dtype="int32")
            ids = ops.where(places >= 0, ops.take_along_axis(ids, ops.maximum(places, 0), axis=1), 0)
        ids = ops.pad(ids, [[0, 0], [1, int(self.last)]])
        places = ops.arange(ops.shape(ids)[1], dtype="int32")
        is_boundary = places == 0
        if self.last:
            is_boundary |= places == lengths + 1
        return ops.where(is_boundary, BOUNDARY_ID, ids)

    def compute_output_spec(self, token_ids):
        batch, time = token_ids.shape
        return keras.KerasTensor((batch, None if time is None else time + 1 + self.last), "int32")

    def get_config(self):
        return {**super().get_config(), "direction": self.direction, "last": self.last}


@keras.saving.register_keras_serializable("keras_rnn")
class ZeroState(keras.layers.Layer):
    """Token ids `(batch, time)` to zeros `(batch, units)`, the state before the first of them."""

    def __init__(self, units: int, **kwargs):
        super().__init__(**kwargs)
        self.units = units

    def call(self, token_ids):
        return ops.zeros((ops.shape(token_ids)[0], self.units), self.compute_dtype)

    def compute_output_spec(self, token_ids):
        return keras.KerasTensor((token_ids.shape[0], self.units), self.compute_dtype)

    def get_config(self):
        return {**super().get_config(), "units": self.units}


@keras.saving.register_keras_serializable("keras_rnn")
class NatsOfLogits(keras.layers.Layer):
    """Logits `(batch, time, vocabulary_size)` and targets `(batch, time)` to nats `(batch, time)`, 0 at padding."""

    def __init__(self, **kwargs):
        super().__init__(**kwargs)
        self.supports_masking = True

    def call(self, logits, targets):
        nats = keras.losses.sparse_categorical_crossentropy(targets, ops.cast(logits, "float32"), from_logits=True)
        return ops.where(targets != 0, nats, 0.0)

    def compute_output_spec(self, logits, targets):
        return keras.KerasTensor(targets.shape, "float32")


def scoring_model(
    network: keras.Model, tokenizer: keras.layers.Layer, direction: str, *, predicts_ends: bool, name: str
) -> keras.Model:
    """Strings `(batch,)` to the tokens of each text and what they cost, behind a boundary and a state of zeros.

    Args:
        network: a model of `keras_rnn.models.language_model`, which the new model shares.
        tokenizer: a layer of `keras_rnn.text.tokenizers`.
        direction: "backward" reads the tokens of each text from its end.
        predicts_ends: whether a text's end is a token, the boundary.
        name: the new model's name.

    Returns:
        A model to a dict: `token_ids`, int32 `(batch, time)` right-padded with 0, and `nats`, float32 `(batch, time)`,
        the negative logarithm of each token's probability after those before it.
    """
    texts = keras.Input((), dtype="string", name="text")
    token_ids = Boundaries(direction, predicts_ends, name="boundaries")(tokenizer(texts))
    inputs, targets = token_ids[:, :-1], token_ids[:, 1:]
    states = {
        tensor.name: ZeroState(tensor.shape[-1], dtype=tensor.dtype, name=f"zero_{tensor.name}")(token_ids)
        for tensor in network.inputs
        if tensor.name != "token_ids"
    }
    logits = network({"token_ids": inputs, **states})["logits"]
    return keras.Model(texts, {"token_ids": targets, "nats": NatsOfLogits(name="nats")(logits, targets)}, name=name)


def tokenizer_inside(model: keras.Model) -> keras.layers.Layer:
    """The tokenizer of a scoring model."""
    return next(layer for layer in model.layers if hasattr(layer, "pieces_bytes"))


def token_ids_model(model: keras.Model) -> keras.Model:
    """The part of a scoring model that makes token ids: strings `(batch,)` to `(batch, time)`, boundaries included."""
    return keras.Model(model.inputs[0], model.get_layer("boundaries").output)

"""What trains and scores a language model needs of it: its states, its hidden vectors, and the nats of tokens."""

from typing import Any

import keras
from keras import ops

from keras_rnn.layers import AdaptiveSoftmax, TiedEmbedding
from keras_rnn.layers.softmax_nats import adaptive_nats, softmax_nats


def state_names(model: keras.Model) -> list[str]:
    """The names of the states of a model that `language_model` has built: "state_0", "state_1", ..."""
    return [f"state_{index}" for index in range(len(model.input) - 1)]


def initial_states(model: keras.Model, batch) -> dict[str, Any]:
    """States of zeros by their names, float32 `(batch, units)`; `batch` is an int or a scalar tensor."""
    return {name: ops.zeros((batch, model.input[name].shape[-1]), "float32") for name in state_names(model)}


def hidden_model(model: keras.Model, *, name: str = "hidden_model") -> keras.Model:
    """A language model without its softmax; it shares the weights.

    Returns:
        A model of the same inputs. Its outputs are a dict: `hidden`, `(batch, time, units)` of the last recurrent
        layer, which `token_nats` takes, with `output_dropout` in training; `raw_hidden`, the same before the dropout;
        and the states by their names.
    """
    dropout = model.get_layer("output_dropout")
    hidden = next((layer for layer in model.layers if layer.name == "activity_penalty"), dropout)
    states = {state: model.output[state] for state in state_names(model)}
    return keras.Model(model.input, {"hidden": hidden.output, "raw_hidden": dropout.input, **states}, name=name)


def token_nats(model: keras.Model, hidden, targets):
    """-log p(target) at each step, float32 `(batch, time)`; 0 where the target is padding.

    Args:
        model: of `language_model`.
        hidden: float `(batch, time, units)`, of its `hidden_model`.
        targets: int32 `(batch, time)`, the token behind each step's, 0 for none.
    """
    vectors = ops.cast(_projected(model, hidden), "float32")
    vectors = ops.reshape(vectors, (-1, vectors.shape[-1]))
    tokens = ops.reshape(targets, (-1,))
    softmax = _softmax_layer(model)
    if isinstance(softmax, AdaptiveSoftmax):
        nats = adaptive_nats(softmax, vectors, tokens)
    elif isinstance(softmax, TiedEmbedding):
        matrix, bias = softmax.softmax_weights()
        nats = softmax_nats(vectors, matrix, bias, tokens, transposed=True)
    else:
        nats = softmax_nats(vectors, softmax.kernel, softmax.bias, tokens)
    return ops.where(targets != 0, ops.reshape(nats, ops.shape(targets)), 0.0)


def hidden_logits(model: keras.Model, hidden):
    """The logits of `language_model`, float32 `(..., vocabulary_size)`, from the hidden vectors `(..., units)`."""
    softmax, vectors = _softmax_layer(model), _projected(model, hidden)
    return softmax(vectors, reverse=True) if isinstance(softmax, TiedEmbedding) else softmax(vectors)


def _projected(model: keras.Model, hidden):
    names = {layer.name for layer in model.layers}
    return model.get_layer("projection")(hidden) if "projection" in names else hidden


def _softmax_layer(model: keras.Model):
    embedding = model.get_layer("embedding")
    return embedding if isinstance(embedding, TiedEmbedding) else model.get_layer("logits")

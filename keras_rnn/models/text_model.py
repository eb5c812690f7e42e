"""The text model: a TextVectorization layer in front of a token model, as one functional model."""

import keras
from keras import ops

from keras_rnn.checks import whole_number
from keras_rnn.errors import UsageError


def text_model(
    token_model: keras.Model,
    vectorizer: keras.layers.TextVectorization,
    max_length: int | None = None,
    *,
    name: str = "text_model",
) -> keras.Model:
    """Strings `(batch,)` through `vectorizer`, cut to `max_length` tokens, into `token_model`.

    The token model keeps its weights and is shared, not copied; `token_model_of` gets it back.
    """
    texts = keras.Input((), dtype="string", name="text")
    token_ids = vectorizer(texts)
    if max_length is not None:
        token_ids = token_ids[:, : whole_number("max_length", max_length)]
    return keras.Model(texts, token_model(ops.cast(token_ids, "int32")), name=name)


def token_model_of(model: keras.Model) -> keras.Model:
    """The token model inside a text model.

    Raises:
        UsageError: the model holds none.
    """
    return _the_layer(model, keras.Model, "token model")


def token_ids_model_of(model: keras.Model) -> keras.Model:
    """The part of a text model in front of its token model: strings `(batch,)` to the int32 ids that it reads.

    Raises:
        UsageError: the model is not of the form that `text_model` gives it.
    """
    token_model = token_model_of(model)
    if model.operations[-1] is not token_model:
        raise UsageError(f"model {model.name!r} is no text model of keras_rnn: it does not end with its token model")
    return keras.Model(model.inputs[0], model.operations[-2].output, name="token_ids")


def vectorizer_of(model: keras.Model) -> keras.layers.TextVectorization:
    """The TextVectorization layer inside a text model.

    Raises:
        UsageError: the model holds none.
    """
    return _the_layer(model, keras.layers.TextVectorization, "TextVectorization layer")


def _the_layer(model: keras.Model, kind: type, description: str):
    for layer in model.layers:
        if isinstance(layer, kind):
            return layer
    raise UsageError(f"model {model.name!r} is no text model of keras_rnn: it holds no {description}")

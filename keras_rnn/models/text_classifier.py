"""Text classification: token ids (or strings) to one logit a class."""

from collections.abc import Sequence

import keras
import numpy as np

from keras_rnn import checks
from keras_rnn.checks import flag, one_of, rate, whole_number
from keras_rnn.errors import UsageError
from keras_rnn.layers import POOLINGS, pool_sequence, rnn_stack
from keras_rnn.models.text_model import text_model
from keras_rnn.models.token_embedding import embed_tokens


def text_classifier(
    *,
    num_classes: int,
    vocabulary_size: int | None = None,
    embedding_size: int = 64,
    embeddings: np.ndarray | None = None,
    trainable_embeddings: bool = True,
    embedding_dropout: float = 0.0,
    mask_padding: bool = True,
    cell: str = "lstm",
    hidden_size: int | Sequence[int] = 64,
    num_layers: int = 1,
    bidirectional: bool = False,
    dropout: float = 0.0,
    recurrent_dropout: float = 0.0,
    pooling: str = "last",
    vectorizer: keras.layers.TextVectorization | None = None,
    max_length: int | None = None,
    use_cudnn: bool | str = "auto",
    name: str = "text_classifier",
) -> keras.Model:
    """An uncompiled functional model: embedding, `rnn_stack`, pooling, dropout, one dense layer of logits.

    Args:
        num_classes: at least 2.
        vocabulary_size: token ids there are, padding (0) and unknown (1) included; by default the
            vectorizer's, or the rows of `embeddings`.
        embedding_size: features of a token; with `embeddings`, their columns count instead.
        embeddings: pretrained weights, float `(vocabulary_size, embedding_size)`, row i for token id i.
        trainable_embeddings: False freezes the embedding.
        embedding_dropout: share of the embedding's features dropped in training, the same at every token of a text.
        mask_padding: False lets the network read padding, as the lesson's unmasked ones do: the answer to a text then
            depends on the longest text of its batch.
        cell, hidden_size, num_layers, bidirectional, recurrent_dropout, use_cudnn: see `rnn_stack`; with
            `num_layers=0` the model is a bag of embeddings.
        dropout: share dropped in training from the input of each recurrent layer and of the dense layer.
        pooling: "last" (state), "mean", "max", "mean_max" or "attention", over the real tokens.
        vectorizer: an adapted TextVectorization; the model then takes strings.
        max_length: tokens of a text that are read, from its start; only with `vectorizer`.
        name: the model's name.

    Returns:
        Without a vectorizer, int32 token ids `(batch, time)`, right-padded with 0, to float32 logits
        `(batch, num_classes)`; with one, strings `(batch,)` to the same logits.

    Raises:
        UsageError: a value out of its range, an unknown cell or pooling, shapes that do not fit together.
    """
    if whole_number("num_classes", num_classes) < 2:
        raise UsageError(f"num_classes takes at least 2, got {num_classes}")
    one_of("pooling", pooling, POOLINGS)
    if pooling == "last" and num_layers == 0:
        raise UsageError("pooling 'last' takes at least one recurrent layer, got num_layers 0")
    if max_length is not None and vectorizer is None:
        raise UsageError("max_length takes a vectorizer beside it: token ids are cut where they are made")
    vocabulary_size, embedding_size = _embedding_shape(vocabulary_size, embedding_size, embeddings, vectorizer)

    # Token ids to vectors
    token_ids = keras.Input((None,), dtype="int32", name="token_ids")
    x = embed_tokens(
        token_ids,
        vocabulary_size,
        embedding_size,
        embeddings,
        trainable=trainable_embeddings,
        mask_padding=mask_padding,
    )
    if rate("embedding_dropout", embedding_dropout):
        x = keras.layers.SpatialDropout1D(embedding_dropout, name="embedding_dropout")(x)

    # Vectors to one vector a text
    x = rnn_stack(
        x,
        cell=cell,
        hidden_size=hidden_size,
        num_layers=num_layers,
        bidirectional=flag("bidirectional", bidirectional),
        dropout=dropout,
        recurrent_dropout=recurrent_dropout,
        return_sequences=pooling != "last",
        use_cudnn=use_cudnn,
    )
    if pooling != "last":
        x = pool_sequence(x, pooling)

    # One vector to logits, in float32 under every dtype policy
    if rate("dropout", dropout):
        x = keras.layers.Dropout(dropout, name="dropout")(x)
    logits = keras.layers.Dense(num_classes, dtype="float32", name="logits")(x)

    if vectorizer is None:
        return keras.Model(token_ids, logits, name=name)
    return text_model(keras.Model(token_ids, logits, name="token_model"), vectorizer, max_length, name=name)


def _embedding_shape(vocabulary_size, embedding_size, embeddings, vectorizer) -> tuple[int, int]:
    if embeddings is not None:
        shape = np.shape(embeddings)
        if len(shape) != 2:
            raise UsageError(f"embeddings takes a matrix (vocabulary_size, embedding_size), got shape {shape}")
        if vocabulary_size not in (None, shape[0]):
            raise UsageError(f"embeddings has {shape[0]} rows, but vocabulary_size is {vocabulary_size}")
        vocabulary_size, embedding_size = shape
    tokens = vectorizer.vocabulary_size() if vectorizer is not None else None
    if vocabulary_size is None:
        vocabulary_size = tokens
    if vocabulary_size is None:
        raise UsageError("text_classifier takes a vocabulary_size, a vectorizer or embeddings; it got none of them")
    checks.vocabulary_size(vocabulary_size)
    if tokens is not None and tokens > vocabulary_size:
        raise UsageError(f"the vectorizer has {tokens} tokens, more than vocabulary_size {vocabulary_size}")
    return vocabulary_size, whole_number("embedding_size", embedding_size)

"""Token ids to vectors: the first layer of every builder."""

import numpy as np

from keras_rnn.checks import flag
from keras_rnn.layers import TokenEmbedding


def embed_tokens(
    token_ids,
    vocabulary_size: int,
    embedding_size: int,
    embeddings: np.ndarray | None = None,
    *,
    trainable: bool = True,
    mask_padding: bool = True,
):
    """Int32 token ids `(batch, time)` to `(batch, time, embedding_size)`, by a layer called "embedding".

    Args:
        token_ids: a KerasTensor.
        vocabulary_size, embedding_size: the shape of the layer's weights.
        embeddings: pretrained weights of this shape.
        trainable: False freezes them.
        mask_padding: False gives the layers behind it no mask.

    Raises:
        UsageError: `trainable` or `mask_padding` is neither True nor False.
    """
    embedding = TokenEmbedding(
        vocabulary_size,
        embedding_size,
        mask_zero=flag("mask_padding", mask_padding),
        trainable=flag("trainable_embeddings", trainable),
        name="embedding",
    )
    vectors = embedding(token_ids)
    if embeddings is not None:
        embedding.set_weights([np.asarray(embeddings, dtype="float32")])
    return vectors

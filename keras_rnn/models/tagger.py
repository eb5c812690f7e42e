"""Sequence tagging: the words of a text, and their characters, to the scores of the tags of each word."""

from collections.abc import Sequence

import keras
import numpy as np

from keras_rnn import checks
from keras_rnn.checks import flag, one_of, rate, whole_number
from keras_rnn.errors import UsageError
from keras_rnn.layers import (
    CHARACTER_ENCODERS,
    CRF,
    HEADS,
    CharacterEncoder,
    TagDecoder,
    TokenDropout,
    rnn_stack,
)
from keras_rnn.models.token_embedding import embed_tokens


def sequence_tagger(
    *,
    num_tags: int,
    vocabulary_size: int,
    embedding_size: int = 100,
    embeddings: np.ndarray | None = None,
    trainable_embeddings: bool = True,
    token_dropout: float = 0.0,
    embedding_dropout: float = 0.0,
    characters: str | None = None,
    character_vocabulary_size: int | None = None,
    character_embedding_size: int = 30,
    character_hidden_size: int = 50,
    cell: str = "lstm",
    hidden_size: int | Sequence[int] = 100,
    num_layers: int = 1,
    bidirectional: bool = True,
    dropout: float = 0.0,
    recurrent_dropout: float = 0.0,
    head: str = "crf",
    tag_names: Sequence[str] | None = None,
    use_cudnn: bool | str = "auto",
    name: str = "sequence_tagger",
) -> keras.Model:
    """An uncompiled functional model: embedding, character encoder, `rnn_stack`, one dense layer, CRF or softmax head.

    Lample et al. 2016, arXiv 1603.01360 (`characters="lstm"`); Ma and Hovy 2016, arXiv 1603.01354 (`"cnn"`).

    Args:
        num_tags: at least 2.
        vocabulary_size: token ids there are, padding (0) and unknown (1) included.
        embedding_size: features of a token; with `embeddings`, their columns count instead.
        embeddings: pretrained weights, float `(vocabulary_size, embedding_size)`, row i for token id i.
        trainable_embeddings: False freezes the embedding of tokens.
        token_dropout: share of the tokens that training takes for the unknown one; their characters stay.
        embedding_dropout: share of the features of tokens and characters dropped in training, each by itself.
        characters: "cnn" or "lstm", see `CharacterEncoder`, or None: the model then sees no characters.
        character_vocabulary_size, character_embedding_size, character_hidden_size: see `CharacterEncoder`; the first
            is not read without `characters`.
        cell, hidden_size, num_layers, bidirectional, recurrent_dropout, use_cudnn: see `rnn_stack`.
        dropout: share dropped in training from the input of each recurrent layer and of the dense layer.
        head: "crf" or "softmax".
        tag_names: with "crf", one name a tag, for the constraints of `CRF`.
        name: the model's name.

    Returns:
        A model of int32 token ids `(batch, time)`, right-padded with 0; with `characters` it takes a dict of
        `token_ids` and `character_ids`, int32 `(batch, time, characters)`, padded with 0. It gives float32 chain scores
        `(batch, num_tags + 2 + time, num_tags)`, see `CRF`, or with the softmax head logits `(batch, time, num_tags)`.

    Raises:
        UsageError: a value out of its range, an unknown cell, head or character encoder, shapes that do not fit.
    """
    whole_number("num_tags", num_tags, minimum=2)
    one_of("head", head, HEADS)
    checks.vocabulary_size(vocabulary_size)
    if characters is not None:
        one_of("characters", characters, CHARACTER_ENCODERS)
    if characters is not None and character_vocabulary_size is None:
        raise UsageError(f"characters {characters!r} takes a character_vocabulary_size beside it, got none")
    if embeddings is not None:
        shape = np.shape(embeddings)
        if len(shape) != 2 or shape[0] != vocabulary_size:
            raise UsageError(f"embeddings takes a matrix of {vocabulary_size} rows, one a token, got shape {shape}")
        embedding_size = shape[1]

    # Words to vectors
    token_ids = inputs = keras.Input((None,), dtype="int32", name="token_ids")
    x = token_ids
    if rate("token_dropout", token_dropout):
        x = TokenDropout(token_dropout, name="token_dropout")(x)
    x = embed_tokens(
        x,
        vocabulary_size,
        whole_number("embedding_size", embedding_size),
        embeddings,
        trainable=trainable_embeddings,
    )

    # Characters to a second vector a word
    if characters is not None:
        character_ids = keras.Input((None, None), dtype="int32", name="character_ids")
        inputs = {"token_ids": token_ids, "character_ids": character_ids}
        encoder = CharacterEncoder(
            whole_number("character_vocabulary_size", character_vocabulary_size),
            character_embedding_size,
            character_hidden_size,
            characters,
            use_cudnn,
            name="character_encoder",
        )
        x = keras.layers.Concatenate(name="word_and_characters")([x, encoder(character_ids)])

    # Vectors to vectors that know their neighbours
    if rate("embedding_dropout", embedding_dropout):
        x = keras.layers.Dropout(embedding_dropout, name="embedding_dropout")(x)
    x = rnn_stack(
        x,
        cell=cell,
        hidden_size=hidden_size,
        num_layers=num_layers,
        bidirectional=flag("bidirectional", bidirectional),
        dropout=dropout,
        recurrent_dropout=recurrent_dropout,
        use_cudnn=use_cudnn,
    )

    # Vectors to scores of tags, in float32 under every dtype policy
    if rate("dropout", dropout):
        x = keras.layers.Dropout(dropout, name="dropout")(x)
    outputs = keras.layers.Dense(num_tags, dtype="float32", name="logits")(x)
    if head == "crf":
        outputs = CRF(num_tags, tag_names, name="crf")(outputs)
    return keras.Model(inputs, outputs, name=name)


def tagger_head(model: keras.Model) -> str:
    """The head of a model that `sequence_tagger` has built: "crf" or "softmax"."""
    return "crf" if isinstance(model.layers[-1], CRF) else "softmax"


def decoded_tagger(model: keras.Model, *, name: str = "decoded_tagger") -> keras.Model:
    """A model of `sequence_tagger` with a `TagDecoder` on its output; it shares the weights.

    Returns:
        A model of the same inputs that gives a dict: `tags` int32 `(batch, time)`, -1 at padding, and `marginals`
        float32 `(batch, time, num_tags)`, zeros at padding.
    """
    return keras.Model(model.input, TagDecoder(tagger_head(model), name="decoder")(model.output), name=name)

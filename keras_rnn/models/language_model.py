"""Language models: the tokens so far, and the states after the tokens before them, to logits of the next token."""

from collections.abc import Sequence
from typing import Any

import keras
from keras import ops

from keras_rnn import checks
from keras_rnn.checks import flag, rate, whole_number
from keras_rnn.errors import UsageError
from keras_rnn.layers import (
    AdaptiveSoftmax,
    TiedEmbedding,
    TokenEmbedding,
    TokenMask,
    WeightDropout,
    get_cell,
    hidden_sizes,
)
from keras_rnn.layers.activity_penalty import ActivityPenalty
from keras_rnn.layers.adaptive_softmax import checked_cutoffs


def language_model(
    vocabulary_size: int,
    *,
    embedding_size: int = 256,
    cell: str = "lstm",
    hidden_size: int | Sequence[int] = 256,
    num_layers: int = 2,
    tie_embeddings: bool = True,
    embedding_dropout: float = 0.0,
    input_dropout: float = 0.0,
    dropout: float = 0.0,
    output_dropout: float = 0.0,
    weight_dropout: float = 0.0,
    activity_penalty: float = 0.0,
    temporal_penalty: float = 0.0,
    adaptive_cutoffs: Sequence[int] | None = None,
    use_cudnn: bool | str = "auto",
    name: str = "language_model",
) -> keras.Model:
    """An uncompiled functional model: embedding, recurrent layers that read forwards, softmax.

    Zaremba et al. 2014, arXiv 1409.2329; with all kinds of dropout, Merity et al. 2018, arXiv 1708.02182. The model
    itself has no state: the states of its recurrent layers are inputs and outputs. Padding leaves them as they were.

    Args:
        vocabulary_size: token ids there are, padding (0), unknown (1) and boundary (2) included.
        embedding_size: features of a token.
        cell: a name of `list_cells()`.
        hidden_size: units of each recurrent layer: one int, or one a layer.
        num_layers: how many, at least 1.
        tie_embeddings: the softmax takes the embedding's matrix (Press and Wolf 2017, arXiv 1608.05859). A dense layer
            stands before it if the last recurrent layer has another number of features.
        embedding_dropout: share of the vocabulary whose vectors are dropped in a training step (Gal and Ghahramani
            2016, arXiv 1512.05287).
        input_dropout, dropout, output_dropout: share of the features dropped in training, the same ones at every step
            of a row: of the embedding's output, of that of each recurrent layer but the last, and of that of the last.
        weight_dropout: share of the weights of each recurrent kernel dropped in a training step, see `WeightDropout`.
        activity_penalty, temporal_penalty: rates of the penalties of `ActivityPenalty` on the last layer's outputs.
        adaptive_cutoffs: ids where the clusters of an adaptive softmax begin, see `AdaptiveSoftmax`; those that are
            not below `vocabulary_size` do not count. It takes `tie_embeddings=False` and ids ordered by frequency.
        use_cudnn: "auto", True or False, as in keras.layers.LSTM; cells without a cuDNN form ignore it.
        name: the model's name.

    Returns:
        A model from a dict to a dict. The inputs are `token_ids`, int32 `(batch, time)`, right-padded with 0, and
        `state_0`, `state_1`, ..., float32 `(batch, units)`: the states of the first layer, of the second, and so on.
        The outputs are `logits`, float32 `(batch, time, vocabulary_size)`, with an adaptive softmax log-probabilities,
        and the states after each row's last token, by the same names.

    Raises:
        UsageError: a value out of its range, an unknown cell, a cell without a weight called recurrent_kernel with
            `weight_dropout`, or both `tie_embeddings` and `adaptive_cutoffs`.
    """
    checks.vocabulary_size(vocabulary_size)
    whole_number("embedding_size", embedding_size)
    whole_number("num_layers", num_layers)
    sizes = hidden_sizes(hidden_size, num_layers)
    rate("weight_dropout", weight_dropout)
    if flag("tie_embeddings", tie_embeddings) and adaptive_cutoffs is not None:
        raise UsageError("adaptive_cutoffs takes tie_embeddings False beside it, got True")

    # Token ids to vectors
    token_ids = keras.Input((None,), dtype="int32", name="token_ids")
    mask, has_tokens = TokenMask(name="token_mask")(token_ids)
    embedding_layer = TiedEmbedding if tie_embeddings else TokenEmbedding
    embedding = embedding_layer(
        vocabulary_size,
        embedding_size,
        word_dropout=rate("embedding_dropout", embedding_dropout),
        embeddings_initializer=keras.initializers.RandomNormal(stddev=embedding_size**-0.5),
        name="embedding",
    )
    # A token's vector is of length 1 in the softmax, and its features of variance 1 in the network: without this a
    # tied network takes several times the steps to learn (Vaswani et al. 2017, arXiv 1706.03762, section 3.4).
    x = keras.layers.Rescaling(embedding_size**0.5, name="embedding_scale")(embedding(token_ids))
    if rate("input_dropout", input_dropout):
        x = keras.layers.SpatialDropout1D(input_dropout, name="input_dropout")(x)

    # Vectors and states to vectors that know the tokens before them, and to new states
    states: dict[str, Any] = {}
    new_states: dict[str, Any] = {}
    rate("dropout", dropout)
    for index, units in enumerate(sizes):
        layer = _recurrent_layer(cell, units, weight_dropout, use_cudnn, f"rnn_{index}")
        names = [f"state_{len(states) + number}" for number in range(len(_state_sizes(layer)))]
        layer_states = [
            keras.Input((size,), name=state) for state, size in zip(names, _state_sizes(layer), strict=True)
        ]
        x, *after = layer(x, initial_state=layer_states, mask=mask)
        states |= dict(zip(names, layer_states, strict=True))
        for state, value in zip(names, after, strict=True):
            new_states[state] = ops.where(has_tokens, ops.cast(value, "float32"), states[state])
        if dropout and index < num_layers - 1:
            x = keras.layers.SpatialDropout1D(dropout, name=f"dropout_{index}")(x)

    # Vectors to logits, in float32 under every dtype policy
    dropped = keras.layers.SpatialDropout1D(rate("output_dropout", output_dropout), name="output_dropout")(x)
    if activity_penalty or temporal_penalty:
        dropped = ActivityPenalty(
            checks.number_from_zero("activity_penalty", activity_penalty),
            checks.number_from_zero("temporal_penalty", temporal_penalty),
            name="activity_penalty",
        )(x, dropped, mask)
    x = dropped
    if tie_embeddings:
        if sizes[-1] != embedding_size:
            x = keras.layers.Dense(embedding_size, name="projection")(x)
        logits = embedding(x, reverse=True)
    else:
        logits = _softmax(vocabulary_size, adaptive_cutoffs)(x)
    return keras.Model({"token_ids": token_ids, **states}, {"logits": logits, **new_states}, name=name)


def _recurrent_layer(cell: str, units: int, weight_dropout: float, use_cudnn: bool | str, name: str):
    make_cell = get_cell(cell)
    options: dict[str, Any] = {"use_cudnn": use_cudnn} if make_cell.cudnn else {}
    layer = make_cell.make(
        units,
        return_sequences=True,
        return_state=True,
        zero_output_for_mask=True,  # as cuDNN does, so that CPU and GPU agree
        name=f"{name}_cell" if weight_dropout else name,
        **options,
    )
    return WeightDropout(layer, weight_dropout, name=name) if weight_dropout else layer


def _state_sizes(layer) -> list[int]:
    """The number of features of each state of a recurrent layer."""
    return keras.tree.flatten(getattr(layer, "layer", layer).state_size)


def _softmax(vocabulary_size: int, adaptive_cutoffs: Sequence[int] | None):
    cutoffs = [cutoff for cutoff in checked_cutoffs(adaptive_cutoffs or ()) if cutoff < vocabulary_size]
    if cutoffs:
        return AdaptiveSoftmax(vocabulary_size, cutoffs, name="logits")
    return keras.layers.Dense(vocabulary_size, dtype="float32", name="logits")

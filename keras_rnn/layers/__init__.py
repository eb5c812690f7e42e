"""Recurrent layers, embedding, pooling and stack. Only `native/` and the files `tf_*.py` need TensorFlow."""

from keras_rnn.layers.activation_regularization import activation_penalty, temporal_activation_penalty
from keras_rnn.layers.adaptive_softmax import AdaptiveSoftmax
from keras_rnn.layers.cells import Cell, get_cell, list_cells, register_cell
from keras_rnn.layers.character_encoder import CHARACTER_ENCODERS, CharacterEncoder
from keras_rnn.layers.crf import CRF, HEADS, TagDecoder, iob2_constraints
from keras_rnn.layers.embedding import TokenEmbedding
from keras_rnn.layers.pooling import POOLINGS, AttentionPooling, SequencePooling, pool_sequence
from keras_rnn.layers.recurrent import FUSED, GRU, LSTM, Bidirectional, SimpleRNN
from keras_rnn.layers.stack import hidden_sizes, rnn_stack
from keras_rnn.layers.tied_embedding import TiedEmbedding
from keras_rnn.layers.token_dropout import TokenDropout
from keras_rnn.layers.token_mask import TokenMask
from keras_rnn.layers.weight_dropout import WeightDropout

__all__ = [
    "CHARACTER_ENCODERS",
    "CRF",
    "FUSED",
    "GRU",
    "HEADS",
    "LSTM",
    "POOLINGS",
    "AdaptiveSoftmax",
    "AttentionPooling",
    "Bidirectional",
    "Cell",
    "CharacterEncoder",
    "SequencePooling",
    "SimpleRNN",
    "TagDecoder",
    "TiedEmbedding",
    "TokenDropout",
    "TokenEmbedding",
    "TokenMask",
    "WeightDropout",
    "activation_penalty",
    "get_cell",
    "hidden_sizes",
    "iob2_constraints",
    "list_cells",
    "pool_sequence",
    "register_cell",
    "rnn_stack",
    "temporal_activation_penalty",
]

"""Recurrent layers, embedding, pooling and stack. Only `native/` and the files `tf_*.py` need TensorFlow."""

from keras_rnn.layers.cells import Cell, get_cell, list_cells, register_cell
from keras_rnn.layers.embedding import TokenEmbedding
from keras_rnn.layers.pooling import POOLINGS, AttentionPooling, SequencePooling, pool_sequence
from keras_rnn.layers.recurrent import FUSED, GRU, LSTM, Bidirectional, SimpleRNN
from keras_rnn.layers.stack import hidden_sizes, rnn_stack

__all__ = [
    "FUSED",
    "GRU",
    "LSTM",
    "POOLINGS",
    "AttentionPooling",
    "Bidirectional",
    "Cell",
    "SequencePooling",
    "SimpleRNN",
    "TokenEmbedding",
    "get_cell",
    "hidden_sizes",
    "list_cells",
    "pool_sequence",
    "register_cell",
    "rnn_stack",
]

"""Exports of untrained language models. Their texts need not be good, only differ from seed to seed."""

import json
from pathlib import Path

import keras
import numpy as np

from keras_rnn.models import language_model
from keras_rnn.serving.layout import MODEL_CARD
from keras_rnn.serving.saved_model import write_saved_model
from keras_rnn.tasks.language_model import serving
from keras_rnn.tasks.language_model.text_model import scoring_model
from keras_rnn.text.byte_pairs import byte_characters
from keras_rnn.text.tokenizers import make_tokenizer

PIECES = {
    "subword": [*byte_characters(), "th", "he", "the", "Ġthe"],
    "word": ["\n", "the", "cat", "sees", "a", "dog", "café"],
    "character": list("abcdefgh \né☃"),
}
MERGES = {"subword": ["t h", "h e", "th e", "Ġ the"]}
TEXT_WEIGHT = 2.0  # the logits of pieces are this much above that of a text's end


def write_writer(folder: Path, tokens: str, direction: str = "forward", rows_independent: bool = True) -> Path:
    """Writes a SavedModel of a random language model with a model card to `folder`; returns the folder."""
    keras.utils.set_random_seed(1)
    pieces, merges = PIECES[tokens], MERGES.get(tokens, [])
    network = language_model(len(pieces) + 3, embedding_size=8, hidden_size=8, num_layers=1)
    rng = np.random.default_rng(0)
    for weight in network.trainable_variables:
        weight.assign(rng.normal(0, 0.7, weight.shape))
    bias = network.get_layer("embedding").weights[1]
    bias.assign_add(-TEXT_WEIGHT * (np.arange(bias.shape[0]) == 2))
    tokenizer = make_tokenizer(tokens, pieces, merges)
    model = scoring_model(network, tokenizer, direction, predicts_ends=True, name="writer")
    facts = {"reading": [tokens, direction, "ends"], "pieces": pieces, "merges": merges}
    write_saved_model(serving, model, facts, folder, rows_independent=rows_independent)
    (folder / MODEL_CARD).parent.mkdir()
    (folder / MODEL_CARD).write_text(json.dumps({"rows_independent": rows_independent}))
    return folder

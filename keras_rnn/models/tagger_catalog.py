"""The named taggers as data: hyperparameters of `sequence_tagger`, and the training settings that suit them."""

from keras_rnn.models.registry import register_model
from keras_rnn.models.tagger import sequence_tagger

LAMPLE = "Lample et al. 2016, arXiv 1603.01360 (BiLSTM-CRF)"
MA_AND_HOVY = "Ma and Hovy 2016, arXiv 1603.01354 (characters by a CNN, BiLSTM-CRF)"

BILSTM = {"cell": "lstm", "hidden_size": 200, "bidirectional": True, "dropout": 0.4, "token_dropout": 0.05}
CHARACTER_CNN = {"characters": "cnn", "character_embedding_size": 30, "character_hidden_size": 100}
CHARACTER_LSTM = {"characters": "lstm", "character_embedding_size": 25, "character_hidden_size": 25}

TAGGER_TRAINING = {"epochs": 12, "batch_size": 32, "learning_rate": 3e-3, "learning_rate_decay": "cosine"}

# name -> (description, hyperparameters, source)
TAGGERS = {
    "bilstm_softmax": (
        "one bidirectional LSTM on words, a tag a word on its own",
        {**BILSTM, "head": "softmax"},
        "Graves and Schmidhuber 2005, Framewise phoneme classification with bidirectional LSTM",
    ),
    "bilstm_crf": (
        "one bidirectional LSTM on words, the best path of tags",
        {**BILSTM, "head": "crf"},
        "Huang et al. 2015, arXiv 1508.01991",
    ),
    "bilstm_char_softmax": (
        "one bidirectional LSTM on words and a CNN on their characters, a tag a word on its own",
        {**BILSTM, **CHARACTER_CNN, "head": "softmax"},
        MA_AND_HOVY,
    ),
    "bilstm_char_crf": (
        "the default: one bidirectional LSTM on words and a CNN on their characters, the best path of tags",
        {**BILSTM, **CHARACTER_CNN, "head": "crf"},
        MA_AND_HOVY,
    ),
    "bilstm_charlstm_crf": (
        "one bidirectional LSTM on words and a second one on their characters, the best path of tags",
        {**BILSTM, **CHARACTER_LSTM, "head": "crf"},
        LAMPLE,
    ),
}

DEFAULT_TAGGER = "bilstm_char_crf"

for _name, (_description, _hyperparameters, _source) in TAGGERS.items():
    register_model(
        _name,
        description=_description,
        hyperparameters=_hyperparameters,
        training=TAGGER_TRAINING,
        source=_source,
        task="tagging",
    )(sequence_tagger)

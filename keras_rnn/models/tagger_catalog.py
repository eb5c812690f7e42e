"""The named taggers: data for the registry."""

from keras_rnn.models.registry import register_model
from keras_rnn.models.tagger import sequence_tagger

TRAINING = {"epochs": 12, "batch_size": 32, "learning_rate": 3e-3, "patience": 3}
WORDS = {"embedding_size": 100, "cell": "lstm", "hidden_size": 100, "bidirectional": True, "dropout": 0.4}

# name -> (description, hyperparameters, source)
TAGGERS = {
    "bilstm_crf": (
        "the default of tagging: words and a character CNN, one bidirectional LSTM, a CRF",
        {**WORDS, "characters": "cnn", "head": "crf"},
        "Ma and Hovy 2016, arXiv 1603.01354",
    ),
    "bilstm_crf_character_lstm": (
        "the same with a bidirectional LSTM over the characters",
        {**WORDS, "characters": "lstm", "character_hidden_size": 25, "head": "crf"},
        "Lample et al. 2016, arXiv 1603.01360",
    ),
    "bilstm_crf_words": (
        "a bidirectional LSTM over words alone, a CRF",
        {**WORDS, "head": "crf"},
        "Huang et al. 2015, arXiv 1508.01991",
    ),
    "bilstm_softmax": (
        "words and a character CNN, one bidirectional LSTM, each tag by itself",
        {**WORDS, "characters": "cnn", "head": "softmax"},
        "Wang et al. 2015, arXiv 1510.06168 (BiLSTM tagging)",
    ),
}

for _name, (_description, _hyperparameters, _source) in TAGGERS.items():
    register_model(
        _name,
        description=_description,
        hyperparameters=_hyperparameters,
        training=TRAINING,
        source=_source,
        task="tagging",
    )(sequence_tagger)

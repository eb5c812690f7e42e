"""The named language models as data: hyperparameters of `language_model`, and the training settings that suit them."""

from keras_rnn.models.language_model import language_model
from keras_rnn.models.registry import register_model

ZAREMBA = "Zaremba et al. 2014, arXiv 1409.2329; locked dropout of Gal and Ghahramani 2016, arXiv 1512.05287"
MERITY = "Merity et al. 2018, arXiv 1708.02182 (AWD-LSTM), smaller"

LANGUAGE_MODEL_TRAINING = {"epochs": 10, "batch_size": 16, "learning_rate": 6e-3, "learning_rate_decay": "cosine"}

TWO_LAYERS_256 = {
    "embedding_size": 256,
    "hidden_size": 256,
    "num_layers": 2,
    "input_dropout": 0.3,
    "dropout": 0.3,
    "output_dropout": 0.3,
}

# name -> (description, hyperparameters, training settings, source)
LANGUAGE_MODELS = {
    "lstm_lm_2x256": (
        "the default: two LSTM layers, tied weights; a small text of subwords in minutes on a CPU",
        TWO_LAYERS_256,
        {},
        ZAREMBA,
    ),
    "gru_lm": (
        "two GRU layers, tied weights",
        {**TWO_LAYERS_256, "cell": "gru"},
        {},
        "Cho et al. 2014, arXiv 1406.1078",
    ),
    "awd_lstm": (
        "three LSTM layers, tied weights, every kind of dropout: words of a corpus of a million, in an hour on a CPU",
        {
            "embedding_size": 256,
            "hidden_size": (512, 512, 256),
            "num_layers": 3,
            "embedding_dropout": 0.1,
            "input_dropout": 0.3,
            "dropout": 0.2,
            "output_dropout": 0.3,
            "weight_dropout": 0.3,
            "activity_penalty": 2.0,
            "temporal_penalty": 1.0,
        },
        {"epochs": 24, "learning_rate": 3e-3},
        MERITY,
    ),
    "char_lstm_lm": (
        "two wide LSTM layers on characters",
        {
            "embedding_size": 64,
            "hidden_size": 512,
            "num_layers": 2,
            "tie_embeddings": False,
            "dropout": 0.3,
            "output_dropout": 0.3,
        },
        {"batch_size": 64, "learning_rate": 3e-3},
        "Graves 2013, arXiv 1308.0850; Karpathy 2015, The unreasonable effectiveness of recurrent neural networks",
    ),
}

DEFAULT_LANGUAGE_MODEL = "lstm_lm_2x256"

for _name, (_description, _hyperparameters, _training, _source) in LANGUAGE_MODELS.items():
    register_model(
        _name,
        description=_description,
        hyperparameters=_hyperparameters,
        training={**LANGUAGE_MODEL_TRAINING, **_training},
        source=_source,
        task="language_model",
    )(language_model)

"""The named text classifiers: data for the registry."""

from keras_rnn.models.registry import register_model
from keras_rnn.models.text_classifier import text_classifier

# The networks of the lesson's two notebooks: "TF n" and "PyTorch n" as the lesson numbers them. Some read padding
# (mask_padding False), so that the answer to a text depends on its neighbours in the batch. The notebooks train one
# epoch at a constant rate on batches of 8 or 16; large batches at a higher rate reach the same accuracy in a fraction
# of the time (experiments/lesson_ag_news).
LESSON_TRAINING = {"epochs": 1, "batch_size": 64, "learning_rate": 4e-3, "learning_rate_decay": "none"}

# name -> (description, hyperparameters)
LESSON_MODELS = {
    "bag_of_embeddings": (
        "the lesson's starting point: the mean of the embeddings, blind to order",
        {"embedding_size": 64, "num_layers": 0, "pooling": "mean"},
    ),
    "lesson_tf1_simple_rnn_16": (
        "TF 1: SimpleRNN 16 that reads padding as well",
        {"embedding_size": 64, "cell": "simple_rnn", "hidden_size": 16, "mask_padding": False},
    ),
    "lesson_tf2_simple_rnn_16_masked": (
        "TF 2: SimpleRNN 16, padding masked",
        {"embedding_size": 64, "cell": "simple_rnn", "hidden_size": 16},
    ),
    "lesson_tf3_lstm_8": (
        "TF 3: LSTM 8 that reads padding as well",
        {"embedding_size": 64, "cell": "lstm", "hidden_size": 8, "mask_padding": False},
    ),
    "lesson_tf4_bilstm_2x64": (
        "TF 4: two bidirectional layers of LSTM 64, padding masked; batches of 128",
        {"embedding_size": 128, "cell": "lstm", "hidden_size": 64, "num_layers": 2, "bidirectional": True},
    ),
    "lesson_pytorch1_rnn_32_mean": (
        "PyTorch 1: RNN 32, mean of its outputs, padding included",
        {
            "embedding_size": 64,
            "cell": "simple_rnn",
            "hidden_size": 32,
            "pooling": "mean",
            "mask_padding": False,
        },
    ),
    "lesson_pytorch2_lstm_32": (
        "PyTorch 2: LSTM 32, the state after the padding",
        {"embedding_size": 64, "cell": "lstm", "hidden_size": 32, "mask_padding": False},
    ),
    "lesson_pytorch3_lstm_32_packed": (
        "PyTorch 3: LSTM 32 on packed sequences, the state after the last real token",
        {"embedding_size": 64, "cell": "lstm", "hidden_size": 32},
    ),
}

# name -> (description, hyperparameters, source)
MODERN_MODELS = {
    "simple_rnn_64": (
        "one SimpleRNN, the last state: the smallest network that knows order",
        {"embedding_size": 64, "cell": "simple_rnn", "hidden_size": 64, "embedding_dropout": 0.2},
        "Elman 1990, Finding structure in time",
    ),
    "lstm_64": (
        "one LSTM, the last state: reads forwards only, so it can follow a stream",
        {"embedding_size": 64, "cell": "lstm", "hidden_size": 64, "embedding_dropout": 0.2},
        "Hochreiter and Schmidhuber 1997, Long short-term memory; forget gate of Gers et al. 2000",
    ),
    "gru_64": (
        "one GRU, the last state",
        {"embedding_size": 64, "cell": "gru", "hidden_size": 64, "embedding_dropout": 0.2},
        "Cho et al. 2014, arXiv 1406.1078",
    ),
    "bilstm_64": (
        "the default: one bidirectional LSTM, mean and maximum over time",
        {
            "embedding_size": 64,
            "cell": "lstm",
            "hidden_size": 64,
            "bidirectional": True,
            "pooling": "mean_max",
            "embedding_dropout": 0.2,
        },
        "Conneau et al. 2017, arXiv 1705.02364 (BiLSTM with max pooling)",
    ),
    "bilstm_2x64": (
        "two bidirectional LSTM layers, mean and maximum over time",
        {
            "embedding_size": 64,
            "cell": "lstm",
            "hidden_size": 64,
            "num_layers": 2,
            "bidirectional": True,
            "pooling": "mean_max",
            "embedding_dropout": 0.2,
        },
        "Graves et al. 2013, arXiv 1303.5778 (deep bidirectional LSTM)",
    ),
    "bigru_2x64": (
        "two bidirectional GRU layers, mean and maximum over time",
        {
            "embedding_size": 64,
            "cell": "gru",
            "hidden_size": 64,
            "num_layers": 2,
            "bidirectional": True,
            "pooling": "mean_max",
            "embedding_dropout": 0.2,
        },
        "Cho et al. 2014, arXiv 1406.1078",
    ),
    "bilstm_attention_64": (
        "one bidirectional LSTM, a learned weighted mean over time",
        {
            "embedding_size": 64,
            "cell": "lstm",
            "hidden_size": 64,
            "bidirectional": True,
            "pooling": "attention",
            "embedding_dropout": 0.2,
        },
        "Yang et al. 2016, Hierarchical Attention Networks for Document Classification",
    ),
    "bilstm_128": (
        "one wide bidirectional LSTM, mean and maximum over time: for pretrained embeddings and long texts",
        {
            "embedding_size": 128,
            "cell": "lstm",
            "hidden_size": 128,
            "bidirectional": True,
            "pooling": "mean_max",
            "embedding_dropout": 0.2,
        },
        "Conneau et al. 2017, arXiv 1705.02364 (BiLSTM with max pooling)",
    ),
}

# Of the lesson's networks only this one learns as much from an epoch of half as many steps.
LESSON_BATCH_SIZES = {"lesson_tf4_bilstm_2x64": {"batch_size": 128}}

DEFAULT_MODEL = "bilstm_64"

for _name, (_description, _hyperparameters) in LESSON_MODELS.items():
    register_model(
        _name,
        description=_description,
        hyperparameters=_hyperparameters,
        training=LESSON_TRAINING | LESSON_BATCH_SIZES.get(_name, {}),
        source="the lesson on recurrent networks this project grew out of",
    )(text_classifier)

for _name, (_description, _hyperparameters, _source) in MODERN_MODELS.items():
    register_model(
        _name,
        description=_description,
        hyperparameters=_hyperparameters,
        source=_source,
    )(text_classifier)

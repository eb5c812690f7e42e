"""The hyperparameters of the models as options; a test compares them with the builders' parameters."""

from dataclasses import dataclass


@dataclass(frozen=True)
class Hyperparameter:
    """An option of `train`, with its type, and of `tune`, where it takes a value, a choice or a range.

    `declaration` is the form of a flag on the command line.
    """

    type: type
    help: str
    sweep_help: str
    declaration: str | None = None


HYPERPARAMETERS = {
    "cell": Hyperparameter(
        str,
        "simple_rnn, lstm, gru or another registered one; this and the next replace the model's.",
        "This and the next take a value, a choice (lstm,gru) or a range (low:high or low:high:log).",
    ),
    "num_layers": Hyperparameter(int, "Recurrent layers.", "Recurrent layers: 1,2,3."),
    "hidden_size": Hyperparameter(
        str,
        "Units of every layer, or one number a layer: 128,64.",
        "Units of every layer: 32,64,128 or 32:256:log.",
    ),
    "bidirectional": Hyperparameter(
        bool, "Read texts from both ends.", "true,false.", "--bidirectional/--no-bidirectional"
    ),
    "embedding_size": Hyperparameter(int, "Features of a token.", "Features of a token."),
    "pooling": Hyperparameter(str, "last, mean, max, mean_max or attention.", "last, mean, max, mean_max, attention."),
    "embedding_dropout": Hyperparameter(
        float, "Share of the embedding dropped in training.", "Share of the embedding dropped: 0:0.5."
    ),
    "token_dropout": Hyperparameter(
        float, "Share of a tagger's words hidden in training.", "Share of words hidden: 0:0.2."
    ),
    "dropout": Hyperparameter(
        float, "Share of a layer's input dropped in training.", "Share of a layer's input dropped."
    ),
    "recurrent_dropout": Hyperparameter(
        float, "Share of the state dropped; slow, no cuDNN.", "Share of the state dropped; slow, no cuDNN."
    ),
    "tie_embeddings": Hyperparameter(
        bool,
        "Whether the softmax of a language model has the embedding's weights.",
        "true,false.",
        "--tie-embeddings/--untie-embeddings",
    ),
    "input_dropout": Hyperparameter(
        float, "Share of the embedding's features dropped, of a language model.", "Share of features dropped: 0:0.5."
    ),
    "output_dropout": Hyperparameter(
        float, "Share dropped before the softmax, of a language model.", "Share dropped before the softmax: 0:0.5."
    ),
    "weight_dropout": Hyperparameter(
        float, "Share of recurrent weights dropped, of a language model.", "Share of recurrent weights dropped: 0:0.5."
    ),
    "activity_penalty": Hyperparameter(
        float, "Scale of the penalty on activations, of a language model.", "Scale of the penalty: 0,2."
    ),
    "temporal_penalty": Hyperparameter(
        float, "Scale of the penalty on their changes, of a language model.", "Scale of the penalty: 0,1."
    ),
    "characters": Hyperparameter(str, "cnn or lstm: how a tagger reads the characters of a word.", "cnn,lstm."),
    "character_embedding_size": Hyperparameter(int, "Features of a character.", "Features of a character."),
    "character_hidden_size": Hyperparameter(
        int, "Filters, or units of each direction, of the character encoder.", "Filters or units over characters."
    ),
    "head": Hyperparameter(str, "crf or softmax: what says the tags.", "crf,softmax."),
    "trainable_embeddings": Hyperparameter(
        bool, "Train on the embeddings, or not.", "true,false.", "--trainable-embeddings/--frozen-embeddings"
    ),
}
# Hyperparameters that are not on the command line.
FROM_PYTHON_ALONE = {"mask_padding", "adaptive_cutoffs"}

"""keras_rnn: a TensorFlow/Keras model zoo of recurrent networks, from raw text to a served SavedModel.

The public names are imported when they are first used, so that `import keras_rnn` loads no TensorFlow.
"""

from importlib import import_module

_HOME = {
    "GRU": "keras_rnn.layers",
    "LSTM": "keras_rnn.layers",
    "SimpleRNN": "keras_rnn.layers",
    "Bidirectional": "keras_rnn.layers",
    "AttentionPooling": "keras_rnn.layers",
    "CRF": "keras_rnn.layers",
    "SequencePooling": "keras_rnn.layers",
    "TokenEmbedding": "keras_rnn.layers",
    "list_cells": "keras_rnn.layers",
    "register_cell": "keras_rnn.layers",
    "rnn_stack": "keras_rnn.layers",
    "create_model": "keras_rnn.models",
    "list_models": "keras_rnn.models",
    "register_model": "keras_rnn.models",
    "sequence_tagger": "keras_rnn.models",
    "text_classifier": "keras_rnn.models",
    "text_model": "keras_rnn.models",
    "adapt_vectorizer": "keras_rnn.text.vectorizer",
    "load_word_vectors": "keras_rnn.text.embeddings",
    "embedding_matrix": "keras_rnn.text.embeddings",
    "DataOptions": "keras_rnn.datasets",
    "Dataset": "keras_rnn.datasets",
    "Split": "keras_rnn.datasets",
    "TextDataset": "keras_rnn.datasets",
    "list_datasets": "keras_rnn.datasets",
    "load_dataset": "keras_rnn.datasets",
    "list_tasks": "keras_rnn.tasks",
    "register_task": "keras_rnn.tasks",
    "Run": "keras_rnn.training.run_directory",
    "load_text_model": "keras_rnn.training.run_directory",
    "open_run": "keras_rnn.training.run_directory",
    "train": "keras_rnn.training.train",
    "evaluate": "keras_rnn.training.evaluate",
    "tune": "keras_rnn.search.tune",
    "list_algorithms": "keras_rnn.search.algorithms",
    "register_algorithm": "keras_rnn.search.algorithms",
    "search": "keras_rnn.search",  # the package, whose call is deprecated
    "Range": "keras_rnn.search.ranges",
    "Sweep": "keras_rnn.search.sweep",
    "open_sweep": "keras_rnn.search.sweep",
    "export": "keras_rnn.serving.export",
    "list_exporters": "keras_rnn.serving.exporters",
    "register_exporter": "keras_rnn.serving.exporters",
    "check_export": "keras_rnn.serving.check",
    "load_predictor": "keras_rnn.serving.predictor",
    "predict": "keras_rnn.serving.predictor",
    "generate": "keras_rnn.serving.writing",
    "score": "keras_rnn.serving.writing",
    "UsageError": "keras_rnn.errors",
}

__all__ = sorted(_HOME)


def __getattr__(name: str):
    if name not in _HOME:
        raise AttributeError(f"module 'keras_rnn' has no attribute {name!r}")
    home = import_module(_HOME[name])
    value = home if home.__name__ == f"{__name__}.{name}" else getattr(home, name)
    globals()[name] = value
    return value


def __dir__():
    return [*globals(), *__all__]

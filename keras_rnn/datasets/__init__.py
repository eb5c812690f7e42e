"""Where rows come from: embedded sets, TensorFlow Datasets, and local files, as splits of named columns."""

from keras_rnn.datasets.dataset import Dataset, Split, TextDataset
from keras_rnn.datasets.documents import load_documents, load_documents_split
from keras_rnn.datasets.load import list_datasets, load_dataset, load_split
from keras_rnn.datasets.options import DataOptions

__all__ = [
    "DataOptions",
    "Dataset",
    "Split",
    "TextDataset",
    "list_datasets",
    "load_dataset",
    "load_documents",
    "load_documents_split",
    "load_split",
]

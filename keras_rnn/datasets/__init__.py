"""Text classification data sets: built in, from TensorFlow Datasets, and from local files."""

from keras_rnn.datasets.dataset import Split, TextDataset
from keras_rnn.datasets.load import list_datasets, load_dataset, load_split

__all__ = ["Split", "TextDataset", "list_datasets", "load_dataset", "load_split"]

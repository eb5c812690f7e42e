"""Opens SavedModels as TensorFlow Serving does: in a session, where a call runs on the calling thread."""

from collections.abc import Mapping
from pathlib import Path

import tensorflow as tf
from tensorflow.core.protobuf.meta_graph_pb2 import SignatureDef
from tensorflow.python.util import deprecation

from keras_rnn.serving.check import graph_ops


def open_session(directory: Path) -> tuple[tf.compat.v1.Session, Mapping[str, SignatureDef]]:
    """Returns a new session for the SavedModel in `directory`, and its signatures by name.

    Several threads may call the session's callables at once. `close` frees all of its memory.
    """
    graph = tf.Graph()
    session = tf.compat.v1.Session(graph=graph, config=_config(directory))
    with graph.as_default(), deprecation.silence():  # it warns that the loader is of version 1
        meta_graph = tf.compat.v1.saved_model.loader.load(session, [tf.saved_model.SERVING], str(directory))
    return session, meta_graph.signature_def


def _config(directory: Path) -> tf.compat.v1.ConfigProto:
    """Keeps a call on the calling thread: a handover of each small op of a recurrent step costs more."""
    config = tf.compat.v1.ConfigProto(inter_op_parallelism_threads=-1, intra_op_parallelism_threads=1)
    config.gpu_options.allow_growth = True
    if not graph_ops(directory) & {
        "Switch",
        "Merge",
        "Enter",
        "Exit",
        "NextIteration",
    }:  # the executor cannot run these
        config.experimental.executor_type = "SINGLE_THREADED_EXECUTOR"
    return config

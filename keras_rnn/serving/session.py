"""SavedModels run as TensorFlow Serving runs them: in a session, each call on the thread that makes it."""

from collections.abc import Mapping
from pathlib import Path

import tensorflow as tf
from tensorflow.core.protobuf.meta_graph_pb2 import SignatureDef
from tensorflow.python.util import deprecation

from keras_rnn.serving.check import graph_ops


def open_session(directory: Path) -> tuple[tf.compat.v1.Session, Mapping[str, SignatureDef]]:
    """A session of its own for the SavedModel in `directory`, and its signatures by name.

    The session's callables may be called from several threads at once. `close` gives everything back.
    """
    graph = tf.Graph()
    session = tf.compat.v1.Session(graph=graph, config=_config(directory))
    with graph.as_default(), deprecation.silence():  # TensorFlow's word for "of version 1"
        loaded = tf.compat.v1.saved_model.loader.load(session, [tf.saved_model.SERVING], str(directory))
    return session, loaded.signature_def


def _config(directory: Path) -> tf.compat.v1.ConfigProto:
    """A call stays on the thread that makes it: to hand each small op of a recurrent step to another costs more."""
    config = tf.compat.v1.ConfigProto(inter_op_parallelism_threads=-1, intra_op_parallelism_threads=1)
    config.gpu_options.allow_growth = True
    if not graph_ops(directory) & {"Switch", "Merge", "Enter", "Exit", "NextIteration"}:  # which this one cannot run
        config.experimental.executor_type = "SINGLE_THREADED_EXECUTOR"
    return config

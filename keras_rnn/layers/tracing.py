"""Facts on what TensorFlow is tracing that decide which operations a layer may use."""

import sys
from types import FrameType

import tensorflow as tf
from tensorflow.python.framework.func_graph import FuncGraph
from tensorflow.python.ops.control_flow_util import GraphOrParentsInXlaContext

# Prefixes of the modules that trace for a converter, a vectorization or a SavedModel.
_CONVERTERS = ("keras.src.export.onnx", "keras.src.export.litert", "tensorflow.lite", "tf2onnx")
_VECTORIZERS = ("tensorflow.python.ops.parallel_for",)
_SAVERS = ("keras.src.export", "tensorflow.python.saved_model")


def is_traced() -> bool:
    """Whether a `tf.function`, or a function that Keras turns into one, is being traced."""
    graph = tf.compat.v1.get_default_graph()
    return isinstance(graph, FuncGraph) and tf.compat.v1.executing_eagerly_outside_functions()


def is_for_xla() -> bool:
    """Whether XLA compiles what is being traced: a function with `jit_compile=True`, or one that it calls."""
    return GraphOrParentsInXlaContext(tf.compat.v1.get_default_graph())


def needs_common_operations() -> bool:
    """Whether a converter or a vectorization, which know common operations alone, rewrites what is being traced."""
    return _is_called_from(_CONVERTERS + _VECTORIZERS)


def is_for_saving() -> bool:
    """Whether what is being traced goes into a SavedModel, which other processes run."""
    return _is_called_from(_SAVERS)


def _is_called_from(modules: tuple[str, ...]) -> bool:
    frame: FrameType | None = sys._getframe(1)
    while frame is not None:
        if frame.f_globals.get("__name__", "").startswith(modules):
            return True
        frame = frame.f_back
    return False

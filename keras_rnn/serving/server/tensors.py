"""Converts TensorProto to numpy and back. The shape in a message is not trusted."""

from math import prod

import numpy as np
import tensorflow as tf
from tensorflow.core.framework.tensor_pb2 import TensorProto

from keras_rnn.serving.server.errors import invalid

_VALUES = {
    tf.string: "string_val",
    tf.float32: "float_val",
    tf.float64: "double_val",
    tf.int32: "int_val",
    tf.int64: "int64_val",
    tf.bool: "bool_val",
}
MAX_ELEMENTS = 2**20  # a short message may name any shape, since one value can fill it


def array_from_proto(proto: TensorProto) -> np.ndarray:
    """Returns the array in `proto`, strings as objects. Raises ServingError (INVALID_ARGUMENT) if it is malformed."""
    sizes = [dim.size for dim in proto.tensor_shape.dim]
    if proto.tensor_shape.unknown_rank or any(size < 0 for size in sizes) or len(sizes) > 8:
        raise invalid("a tensor takes a known shape of at most 8 sizes, none of them negative")
    if prod(sizes) > MAX_ELEMENTS or any(size > MAX_ELEMENTS for size in sizes):
        raise invalid(f"a tensor takes at most {MAX_ELEMENTS} elements")
    try:
        return tf.make_ndarray(proto)
    except Exception:  # make_ndarray raises what numpy raises
        raise invalid("a tensor's values do not fit its dtype and shape") from None


def proto_from_array(array: np.ndarray) -> TensorProto:
    """Converts an array. Its values are in `float_val`, `string_val` and so on, as TensorFlow Serving sends them."""
    dtype = tf.dtypes.as_dtype(array.dtype)
    if dtype not in _VALUES:
        return tf.make_tensor_proto(array)
    proto = TensorProto(dtype=dtype.as_datatype_enum)
    for size in array.shape:
        proto.tensor_shape.dim.add().size = size
    getattr(proto, _VALUES[dtype]).extend(array.ravel().tolist())
    return proto

"""Cross-entropy of softmax layers, token by token, without what it does not need."""

import keras
from keras import ops

from keras_rnn.layers.adaptive_softmax import AdaptiveSoftmax


def softmax_nats(inputs, kernel, bias, targets, *, transposed: bool = False):
    """-log softmax(inputs @ kernel + bias) at the targets.

    On a CPU, in a `tf.function`, it is computed by `keras_rnn.layers.tf_softmax`.

    Args:
        inputs: float32 `(rows, width)`.
        kernel: float32 `(width, tokens)`, or `(tokens, width)` with `transposed`.
        bias: float32 `(tokens,)`.
        targets: int32 `(rows,)`.

    Returns:
        Float32 `(rows,)`.
    """
    if _has_tensorflow_form():
        from keras_rnn.layers import tf_softmax, tracing

        again = not tracing.is_for_saving()
        return tf_softmax.softmax_nats(inputs, kernel, bias, targets, transposed=transposed, again=again)
    return _logits_nats(ops.matmul(inputs, ops.transpose(kernel) if transposed else kernel) + bias, targets)


def adaptive_nats(layer: AdaptiveSoftmax, inputs, targets):
    """-log p(target) of an adaptive softmax: float32 `(rows, width)` and int32 `(rows,)` to float32 `(rows,)`.

    Under TensorFlow a cluster's logits are computed for the rows alone whose targets are in it.
    """
    cluster_of = sum(ops.cast(targets >= cutoff, "int32") for cutoff in layer.cutoffs)  # 0: in the head
    entries = ops.where(cluster_of == 0, targets, layer.cutoffs[0] + cluster_of - 1)
    nats = softmax_nats(inputs, layer.head_kernel, layer.head_bias, entries)
    add = _add_some_rows if _may_select_rows() else _add_all_rows
    for index, (start, end) in enumerate(layer.cluster_bounds()):
        is_in_cluster = cluster_of == index + 1
        nats = add(nats, inputs, ops.clip(targets - start, 0, end - start - 1), is_in_cluster, layer.clusters[index])
    return nats


def _add_all_rows(nats, inputs, targets, is_in_cluster, weights):
    return nats + ops.where(is_in_cluster, _cluster_nats(inputs, targets, weights), 0.0)


def _add_some_rows(nats, inputs, targets, is_in_cluster, weights):
    import tensorflow as tf

    rows = tf.where(is_in_cluster)
    cluster_nats = _cluster_nats(tf.gather_nd(inputs, rows), tf.gather_nd(targets, rows), weights)
    return tf.tensor_scatter_nd_add(nats, rows, cluster_nats)


def _cluster_nats(inputs, targets, weights):
    projection, kernel, bias = weights
    return softmax_nats(ops.matmul(inputs, projection), kernel, bias, targets)


def _logits_nats(logits, targets):
    return ops.sparse_categorical_crossentropy(targets, logits, from_logits=True)


def _has_tensorflow_form() -> bool:
    if keras.backend.backend() != "tensorflow":
        return False
    import tensorflow as tf

    from keras_rnn.layers import tracing

    return (
        tracing.is_traced()
        and not tf.config.list_logical_devices("GPU")
        and not (tracing.is_for_xla() or tracing.needs_common_operations())
    )


def _may_select_rows() -> bool:
    """Whether a tensor's shape may depend on the values of another."""
    if keras.backend.backend() != "tensorflow":
        return False
    from keras_rnn.layers import tracing

    return not tracing.is_for_xla()
